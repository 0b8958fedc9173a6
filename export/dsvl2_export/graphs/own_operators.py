"""Writes a decoder graph once more with the operators of `kernels/`, over the same weights.

The weights stay as `MatMulNBits` and `QMoE` read them, so both graphs share one file of weights, and a bundle serves
machines with and without the library. What has no operator of ours stays what it is. Cached rows of latent attention
are of bfloat16, the type that the checkpoints compute in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import onnx
from onnx import TensorProto, helper

from dsvl2_export.graphs.attributes import attributes_of
from dsvl2_export.graphs.bfloat16_rows import keep_rows_in_bfloat16
from dsvl2_export.graphs.builder import CONTRIB_DOMAIN
from dsvl2_export.graphs.own_fusions import fuse_operators
from dsvl2_export.graphs.own_plain_step import replace_plain_steps
from dsvl2_export.graphs.unused import drop_unused, needed_nodes
from dsvl2_kernels.library import DOMAIN, version_of

BITS = (4, 8)
LARGEST_BLOCK = 256
"""Values; `kernels/source/blocks.h`."""

MOST_ABSORBED = 64
"""Positions that attend to the cached rows as they are; more of them share the work of expanding keys and values."""
ROWS_PER_ABSORBED = 16
"""So many cached rows for each such position make it cheaper than expanding (`docs/performance.md`)."""

Rewrite = Callable[[Any, dict[str, Any]], Any]
"""(node, its attributes) -> the node that replaces it, or None."""


def with_own_operators(graph: Path) -> tuple[onnx.ModelProto, int]:
    """Rewrite a decoder; its external data is neither read nor written.

    Args:
        graph: the `.onnx` file.

    Returns:
        The rewritten model, to be written into the same folder, and how many nodes were replaced.
    """
    model = onnx.load(str(graph), load_external_data=False)
    return model, replace_operators(model)


def replace_operators(model: Any) -> int:
    """Replace, in place, every node that there is an operator of ours for; returns how many."""
    shapes = {entry.name: tuple(entry.dims) for entry in model.graph.initializer}
    count = _replace_in(model.graph, shapes)
    _absorb_a_few(model.graph)
    keep_rows_in_bfloat16(model.graph)
    if count:
        count += replace_plain_steps(model.graph)
        drop_unused(model.graph)
        count += fuse_operators(model.graph)
        model.opset_import.append(helper.make_opsetid(DOMAIN, version_of(_operators(model.graph))))
    return count


def _operators(graph: Any) -> Iterator[str]:
    """Names of all operators, also inside branches."""
    for node in graph.node:
        yield node.op_type
        for value in attributes_of(node).values():
            if isinstance(value, onnx.GraphProto):
                yield from _operators(value)


def _replace_in(graph: Any, shapes: dict[str, tuple[int, ...]]) -> int:
    count = 0
    for index, node in enumerate(graph.node):
        attributes = attributes_of(node)
        made: Any = None
        if node.op_type == "If":
            step, prompt = attributes["then_branch"], attributes["else_branch"]
            count += _replace_in(step, shapes) + _replace_in(prompt, shapes) + _latent_attention(step, prompt, shapes)
            made = helper.make_node("If", list(node.input), list(node.output), then_branch=step, else_branch=prompt)
        else:
            rewrite: Rewrite = REWRITES.get((node.domain, node.op_type), _nothing)
            made = rewrite(node, attributes)
            count += made is not None
        if made is not None:
            graph.node[index].CopyFrom(made)
    return count


def _absorb_a_few(graph: Any) -> None:
    """Let `LatentStep` take a few positions over a long cache too, where the graph gives it single ones, in place."""
    branches = [node for node in graph.node if node.op_type == "If" and _step_of(node) is not None]
    if not branches:
        return
    condition = branches[0].input[0]  # the same of all layers
    at = next(index for index, node in enumerate(graph.node) if condition in node.output)
    seq = graph.node[at].input[0]  # of `Equal(seq, 1)`
    past = _step_of(branches[0]).input[2]
    numbers = {"absorbed.one": 1, "absorbed.most": MOST_ABSORBED, "absorbed.rows": ROWS_PER_ABSORBED}
    graph.initializer.extend(helper.make_tensor(name, TensorProto.INT64, [1], [n]) for name, n in numbers.items())
    nodes = [
        helper.make_node("Shape", [past], ["absorbed.cached"], start=0, end=1),
        helper.make_node("Div", ["absorbed.cached", "absorbed.rows"], ["absorbed.affordable"]),
        helper.make_node("Min", ["absorbed.affordable", "absorbed.most"], ["absorbed.few"]),
        helper.make_node("Max", ["absorbed.few", "absorbed.one"], ["absorbed.limit"]),
        helper.make_node("LessOrEqual", [seq, "absorbed.limit"], ["absorbed"]),
    ]
    for node in branches:
        node.input[0] = "absorbed"
    behind = list(graph.node)[at + 1 :]
    del graph.node[at + 1 :]
    graph.node.extend([*nodes, *behind])


def _step_of(branch: Any) -> Any:
    """The `LatentStep` of an `If`, or None."""
    return next((node for node in attributes_of(branch)["then_branch"].node if node.op_type == "LatentStep"), None)


def _block_linear(node: Any, attributes: dict[str, Any]) -> Any:
    """`BlockLinear` for a symmetric `MatMulNBits`."""
    if len(node.input) != 3 or attributes["bits"] not in BITS or attributes["block_size"] > LARGEST_BLOCK:
        return None
    sizes = {name: attributes[name] for name in ("K", "N", "bits", "block_size")}
    return helper.make_node("BlockLinear", list(node.input), list(node.output), domain=DOMAIN, **sizes)


def _experts(node: Any, attributes: dict[str, Any]) -> Any:
    """`Experts` for a symmetric `QMoE` with interleaved SwiGLU and the router's own weights."""
    x, choice, gate_up, gate_up_scales, _, down, down_scales, *rest, weights = node.input
    plain = attributes["activation_type"] == b"swiglu" and attributes["swiglu_fusion"] == 1
    if any(rest) or not weights or not plain or attributes["block_size"] > LARGEST_BLOCK:
        return None
    return helper.make_node(
        "Experts",
        [x, choice, weights, gate_up, gate_up_scales, down, down_scales],
        list(node.output),
        domain=DOMAIN,
        k=attributes["k"],
        bits=attributes["expert_weight_bits"],
        block_size=attributes["block_size"],
    )


def _nothing(_node: Any, _attributes: dict[str, Any]) -> None:
    """For a node that stays what it is."""


REWRITES: dict[tuple[str, str], Rewrite] = {
    (CONTRIB_DOMAIN, "MatMulNBits"): _block_linear,
    (CONTRIB_DOMAIN, "QMoE"): _experts,
}


def _latent_attention(step: Any, prompt: Any, shapes: dict[str, tuple[int, ...]]) -> int:
    """Replace both branches of `latent_attention`, in place, where its matrices are int8 columns; returns how many."""
    columns = [node for node in step.node if node.op_type == "DynamicQuantizeMatMul"]
    scores = [node for node in step.node if node.op_type == "FusedMatMul"]
    expanding = [node for node in prompt.node if node.op_type == "BlockLinear"]
    joining = [node for node in prompt.node if node.op_type == "Concat"]
    if [len(nodes) for nodes in (columns, scores, expanding, joining)] != [2, 2, 1, 1]:
        return 0
    made = {name: node for node in step.node for name in node.output}
    q_nope = made[columns[0].input[0]].input[0]  # in front of the Reshape to heads
    q_rope = made[scores[0].input[0]].input[1]  # the second part of what is multiplied with rows
    past, new = (node.input[1] for node in scores)
    up_key, up_value = (list(node.input[1:3]) for node in columns)
    whole = helper.make_node(
        "LatentStep", [q_nope, q_rope, past, new, *up_key, *up_value], [step.output[0].name], domain=DOMAIN
    )
    del step.node[:]
    step.node.append(whole)

    expanded, rows = expanding[0].output[0], joining[0].output[0]
    heads = shapes[up_key[0]][0]
    whole = helper.make_node(
        "LatentPrompt", [q_nope, q_rope, expanded, rows], [prompt.output[0].name], domain=DOMAIN, heads=heads
    )
    before = [node for node in prompt.node if prompt.output[0].name not in node.output]
    kept = needed_nodes([*before, whole], {prompt.output[0].name})
    del prompt.node[:]
    prompt.node.extend(kept)
    return 2
