"""Rewrites the linear layers of a traced fp32 graph to int8 with activations quantised at run time.

`DynamicQuantizeMatMul` with signed per-column weights ran three times as fast as fp32 on a CPU with VNNI
(docs/performance.md). Its bias is an input, so the `Add` after a product goes away.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, numpy_helper

from dsvl2_export.graphs.attributes import attributes_of
from dsvl2_export.graphs.operators import column_linear_node, import_contrib
from dsvl2_export.graphs.unused import drop_unused
from dsvl2_quant.formats.columns import ColumnFormat
from dsvl2_quant.methods.quantizer import Quantizer


def quantize_linears(model: ModelProto, form: ColumnFormat, quantizer: Quantizer) -> int:
    """Rewrite, in place, every product with a constant matrix.

    Args:
        model: with its weights loaded.
        form: of the rewritten weights.
        quantizer: quantises them.

    Returns:
        How many products were rewritten.
    """
    graph = model.graph
    constants = {entry.name: entry for entry in graph.initializer}
    producers = {name: node for node in graph.node for name in node.output}
    consumers: dict[str, list[NodeProto]] = {}
    for node in graph.node:
        for name in node.input:
            consumers.setdefault(name, []).append(node)

    removed: set[int] = set()
    replaced: dict[int, NodeProto] = {}
    count = 0
    for node in graph.node:
        weight = _constant_weight(node, constants, producers)
        if weight is None:
            continue
        bias, output, add = _bias_after(node, constants, consumers)
        prefix = f"{node.name or node.output[0]}.int8"
        columns = quantizer.columns(weight, form, None)  # a traced constant has no name
        arrays: dict[str, NDArray[Any]] = {
            f"{prefix}.weight": columns.values,
            f"{prefix}.scale": columns.scales,
            f"{prefix}.zero_point": np.zeros(len(columns.scales), np.int8),
        }
        graph.initializer.extend(numpy_helper.from_array(array, name) for name, array in arrays.items())
        inputs = [node.input[0], *arrays, *([bias] if bias else [])]
        replaced[id(node)] = column_linear_node(prefix, inputs, output)
        if add is not None:
            removed.add(id(add))
        count += 1

    nodes = [replaced.get(id(node), node) for node in graph.node if id(node) not in removed]
    del graph.node[:]
    graph.node.extend(nodes)
    drop_unused(graph)
    import_contrib(model)
    return count


def _constant_weight(
    node: NodeProto, constants: dict[str, TensorProto], producers: dict[str, NodeProto]
) -> NDArray[np.float32] | None:
    """The constant matrix [in_features, out_features] that a node multiplies by, or None for any other node."""
    if node.op_type not in ("MatMul", "Gemm"):
        return None
    name = node.input[1]
    transposed = False
    if name not in constants:
        source = producers.get(name)
        if source is None or source.op_type != "Transpose" or source.input[0] not in constants:
            return None
        name, transposed = source.input[0], True
    matrix: NDArray[np.float32] = numpy_helper.to_array(constants[name])
    if matrix.ndim != 2 or matrix.dtype != np.float32:
        return None
    if node.op_type == "Gemm":
        attributes = attributes_of(node)
        plain = attributes.get("alpha", 1.0) == 1.0 and attributes.get("beta", 1.0) == 1.0
        if not plain or attributes.get("transA", 0):
            return None
        transposed = transposed != bool(attributes.get("transB", 0))
    return matrix.T if transposed else matrix


def _bias_after(
    node: NodeProto, constants: dict[str, TensorProto], consumers: dict[str, list[NodeProto]]
) -> tuple[str | None, str, NodeProto | None]:
    """(bias, output of the rewritten node, `Add` that it replaces)."""
    if node.op_type == "Gemm":
        return (node.input[2] if len(node.input) > 2 else None), node.output[0], None
    users = consumers.get(node.output[0], [])
    if len(users) == 1 and users[0].op_type == "Add":
        add = users[0]
        other = add.input[1] if add.input[0] == node.output[0] else add.input[0]
        if other in constants and len(constants[other].dims) == 1:
            return other, add.output[0], add
    return None, node.output[0], None
