"""Lets a decoder with our latent attention keep its cached rows in bfloat16.

A row is rounded once, where it is made: what attends to it in the same run, in a later one or from a file sees the same
numbers.
"""

from __future__ import annotations

from typing import Any

from onnx import TensorProto, helper

from dsvl2_export.graphs.attributes import attributes_of

WIDE = "{}.float32"
"""A row before it is rounded."""
NARROW = "{}.bfloat16"


def keep_rows_in_bfloat16(graph: Any) -> None:
    """Change the type of all cached rows, in place, if `LatentStep` reads those of every layer; else do nothing."""
    branches = [attributes_of(node) for node in graph.node if node.op_type == "If"]
    rows = {
        step.input[2]: step.input[3]
        for branch in branches
        for step in branch["then_branch"].node
        if step.op_type == "LatentStep"
    }  # of each layer, past -> new
    if not rows or rows.keys() != {entry.name for entry in graph.input if entry.name.startswith("past_")}:
        return
    for entry in [*graph.input, *graph.output]:
        if entry.name in rows.keys() | set(rows.values()):
            entry.type.tensor_type.elem_type = TensorProto.BFLOAT16
    made: list[Any] = []
    for node in graph.node:
        if node.op_type == "If":
            branch = attributes_of(node)
            _widen_joined(branch["else_branch"])
            made.append(helper.make_node("If", list(node.input), list(node.output), **branch))
            continue
        made.append(node)
        for new in set(rows.values()).intersection(node.output):
            node.output[list(node.output).index(new)] = WIDE.format(new)
            made.append(helper.make_node("Cast", [WIDE.format(new)], [new], to=TensorProto.BFLOAT16))
    nodes = [type(node).FromString(node.SerializeToString()) for node in made]
    del graph.node[:]
    graph.node.extend(nodes)


def _widen_joined(prompt: Any) -> None:
    """Let a prompt's branch compute with the float32 of all rows, which it joins first, in place."""
    at = next(index for index, node in enumerate(prompt.node) if node.op_type == "Concat")
    joined = prompt.node[at].output[0]
    prompt.node[at].output[0] = NARROW.format(joined)
    behind = list(prompt.node)[at + 1 :]
    del prompt.node[at + 1 :]
    cast = helper.make_node("Cast", [NARROW.format(joined)], [joined], to=TensorProto.FLOAT)
    prompt.node.extend([cast, *behind])
