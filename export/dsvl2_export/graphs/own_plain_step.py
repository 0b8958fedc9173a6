"""Puts `PlainStep` into a decoder with plain attention, for a decode step and for a few positions.

ONNX Runtime's products read a cached row of all heads for each of them, because a copy of the cache by heads would cost
more. More positions share that copy, and their products are faster than ours, so longer prompts keep them.
"""

from __future__ import annotations

from typing import Any

from onnx import TensorProto, helper

from dsvl2_export.graphs.attributes import attributes_of
from dsvl2_kernels.library import DOMAIN

OPERATOR = "PlainStep"
MOST_POSITIONS = 8
"""That many are faster with it, whatever is cached: 1.04 to 2.1 times, 16 of them 0.85 to 1.4 times
(`docs/performance-avx2.md`)."""
LIMIT, FEW = "plain_step.most", "plain_step.few"
"""Names of the number of positions and of whether there are so few."""


def replace_plain_steps(graph: Any) -> int:
    """Replace the first branch of every layer's attention, in place, where it is that of `plain_attention`.

    Returns:
        How many there are.
    """
    branches = [node for node in graph.node if node.op_type == "If"]
    steps = [_plain_step(attributes_of(node)["then_branch"]) for node in branches]
    if not branches or None in steps:
        return 0
    single = next(node for node in graph.node if branches[0].input[0] in node.output)  # `Equal(seq, 1)`, of all layers
    for node, step in zip(branches, steps, strict=True):
        bodies = attributes_of(node)
        del bodies["then_branch"].node[:]
        bodies["then_branch"].node.append(step)
        node.CopyFrom(helper.make_node("If", [FEW], list(node.output), **bodies))
    graph.initializer.append(helper.make_tensor(LIMIT, TensorProto.INT64, [1], [MOST_POSITIONS]))
    behind = list(graph.node).index(single) + 1
    graph.node.insert(behind, helper.make_node("LessOrEqual", [single.input[0], LIMIT], [FEW]))
    return len(steps)


def _plain_step(step: Any) -> Any:
    """The `PlainStep` for the branch of one position, or None where that is another one."""
    made = {name: node for node in step.node for name in node.output}
    scores = [node for node in step.node if node.op_type == "FusedMatMul"]
    mixing = [node for node in step.node if node.op_type == "Gemm"]
    if len(scores) != 2 or len(mixing) != 1:
        return None
    spread = made.get(scores[0].input[0])  # the query's row times the mask of each head
    flat = made.get(spread.input[0]) if spread is not None and spread.op_type == "Mul" else None
    over_past = made.get(mixing[0].input[2])
    if flat is None or over_past is None or (flat.op_type, over_past.op_type) != ("Reshape", "MatMul"):
        return None
    past_keys, new_keys = (node.input[1] for node in scores)
    rows = [past_keys, new_keys, over_past.input[1], mixing[0].input[1]]
    return helper.make_node(OPERATOR, [flat.input[0], *rows], [step.output[0].name], domain=DOMAIN)
