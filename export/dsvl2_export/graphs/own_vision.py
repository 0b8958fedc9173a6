"""Writes the graphs of the vision part once more with the operators of `kernels/`.

Weights of these graphs lie inside their `.onnx` files. The new graph names the place of each int8 matrix in the old
file as external data, so the matrices are there once, and the operators read them where the file is mapped. Vectors
and what ONNX Runtime's operators read are small and are written again.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from dsvl2_export.graphs.attributes import attributes_of
from dsvl2_export.graphs.unused import drop_unused
from dsvl2_kernels.library import DOMAIN, EARLIEST

LARGEST_DEPTH = 65793
"""Features of a weight; `kernels/source/columns.h`."""


def own_vision_graph(graph: Path) -> tuple[onnx.ModelProto, int]:
    """Rewrite the vision encoder or the projector.

    Args:
        graph: the `.onnx` file, with its weights inside.

    Returns:
        The rewritten model, to be written into the same folder, and how many nodes of ours it has: 0 where its layers
        are not in int8.
    """
    model = onnx.load(str(graph), load_external_data=False)
    count = replace_vision_operators(model)
    if count:
        refer_to(graph, (entry for entry in model.graph.initializer if entry.data_type == TensorProto.INT8))
    return model, count


def replace_vision_operators(model: Any) -> int:
    """Replace, in place, int8 layers with what surrounds them and attention; returns how many nodes are ours."""
    rewriting = _Rewriting(model.graph)
    layers = [node for node in model.graph.node if rewriting.is_layer(node)]
    if not layers:
        return 0
    for node in layers:
        rewriting.replace_layer(node)
    for node in list(model.graph.node):
        if node.op_type == "MultiHeadAttention":
            rewriting.replace_attention(node)
    count = rewriting.finish()
    model.opset_import.append(helper.make_opsetid(DOMAIN, EARLIEST))
    drop_unused(model.graph)
    return count


def refer_to(graph: Path, entries: Iterable[Any]) -> None:
    """Let tensors say where their bytes lie in the file that they were loaded from, instead of holding them."""
    with graph.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        at = 0
        for entry in entries:
            found = data.find(entry.raw_data, at)  # they follow each other, so this reads the file once
            if found < 0:
                found = data.find(entry.raw_data)
            if found < 0:
                raise ValueError(f"{graph} does not hold the bytes of {entry.name}")
            at = found + len(entry.raw_data)
            place = {"location": graph.name, "offset": str(found), "length": str(len(entry.raw_data))}
            entry.ClearField("raw_data")
            entry.data_location = TensorProto.EXTERNAL
            for key, value in place.items():
                entry.external_data.add(key=key, value=value)


class _Rewriting:
    """One graph, its nodes by what they make and read, and what takes their place."""

    def __init__(self, graph: Any) -> None:
        self._graph = graph
        self._constants = {entry.name: entry for entry in graph.initializer}
        self._makers = {name: node for node in graph.node for name in node.output}
        self._readers: dict[str, list[Any]] = {}
        for node in graph.node:
            for name in node.input:
                self._readers.setdefault(name, []).append(node)
        self._outputs = {entry.name for entry in graph.output}
        self._places: dict[int, Any] = {}
        """The new node at the place of an old one, by the id of that."""
        self._gone: set[int] = set()
        self._ranges: dict[str, Any] = {}
        """The layer of ours that makes a tensor, and so can say what it lies between."""

    def is_layer(self, node: Any) -> bool:
        """Whether it is a product with a symmetric int8 matrix."""
        if node.op_type != "DynamicQuantizeMatMul":
            return False
        weight, zero_points = self._constants.get(node.input[1]), node.input[3] if len(node.input) > 3 else ""
        if weight is None or len(weight.dims) != 2 or weight.data_type != TensorProto.INT8:
            return False
        symmetric = not zero_points or not numpy_helper.to_array(self._constants[zero_points]).any()
        return bool(symmetric and weight.dims[0] <= LARGEST_DEPTH and weight.HasField("raw_data"))

    def replace_layer(self, node: Any) -> None:
        """`ColumnLinear` for a layer, the norm before it, the GELU and the sum behind it, where they are its own."""
        x, weight, scales = node.input[:3]
        bias = node.input[4] if len(node.input) > 4 else ""
        norm, gamma, beta, epsilon = self._makers.get(x), "", "", 0.0
        if norm is not None and norm.op_type == "LayerNormalization" and self._only_reader(x) is node:
            attributes = attributes_of(norm)
            if len(norm.input) == 3 and attributes.get("axis", -1) == -1:
                (x, gamma, beta), epsilon = norm.input, attributes["epsilon"]
                self._gone.add(id(norm))
        last, gelu, residual = node, 0, ""
        behind = self._only_reader(last.output[0])
        if behind is not None and behind.op_type == "FastGelu" and len(behind.input) == 1:
            last, gelu = self._absorb(last, behind), 1
            behind = self._only_reader(last.output[0])
        if behind is not None and behind.op_type == "Add":
            (other,) = [name for name in behind.input if name != last.output[0]] or [""]
            if other and other not in self._constants:
                last, residual = self._absorb(last, behind), other
        measured = self._ranges.get(x) if not gamma else None
        if measured is not None and len(measured.output) == 1:
            measured.output.append(f"{x}.range")
        made = helper.make_node(
            "ColumnLinear",
            [x, weight, scales, bias, gamma, beta, residual, measured.output[1] if measured is not None else ""],
            [last.output[0]],
            name=node.name,
            domain=DOMAIN,
            gelu=gelu,
            epsilon=epsilon,
        )
        self._places[id(last)] = self._ranges[made.output[0]] = made

    def replace_attention(self, node: Any) -> None:
        """`VisionAttention` for attention without a mask over the parts of one tensor."""
        split = self._makers.get(node.input[0])
        if split is None or split.op_type != "Split" or list(node.input) != list(split.output):
            return
        sizes = self._sizes(split)
        if len(node.input) != 3 or len(set(sizes)) != 1 or {"mask_filter_value", "scale"} & attributes_of(node).keys():
            return
        self._gone.add(id(split))
        self._places[id(node)] = helper.make_node(
            "VisionAttention",
            [split.input[0]],
            [node.output[0]],
            name=node.name,
            domain=DOMAIN,
            heads=attributes_of(node)["num_heads"],
        )

    def finish(self) -> int:
        """Put the new nodes into the graph; returns how many there are."""
        kept = [self._places.get(id(node), node) for node in self._graph.node if id(node) not in self._gone]
        del self._graph.node[:]
        self._graph.node.extend(kept)
        return len(self._places)

    def _absorb(self, before: Any, behind: Any) -> Any:
        """The later of two nodes stands for both."""
        self._gone.add(id(before))
        return behind

    def _only_reader(self, name: str) -> Any:
        readers = self._readers.get(name, [])
        return readers[0] if len(readers) == 1 and name not in self._outputs else None

    def _sizes(self, split: Any) -> list[int]:
        maker = self._makers.get(split.input[1]) if len(split.input) > 1 else None
        if maker is None or maker.op_type != "Constant":
            return []
        return list(np.atleast_1d(numpy_helper.to_array(attributes_of(maker)["value"])))
