"""Linear layers as graph nodes: fp32 `MatMul`, or `MatMulNBits` with symmetric blocks.

Every quantised layer asks for accuracy_level 4 (int8 activations): ONNX Runtime has kernels for 4 bit with fp32 or
int8 activations and for 8 bit with int8 activations only; without one it dequantises the whole weight on every call
(`matmul_nbits.cc`, `qnbitgemm.cpp`). The weight must be a constant for the same reason.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dsvl2_export.graphs.builder import MICROSOFT, GraphBuilder
from dsvl2_quant.formats.blocks import quantize_blocks
from dsvl2_quant.formats.columns import quantize_columns
from dsvl2_quant.recipe import BlockFormat


def linear(builder: GraphBuilder, x: str, name: str, weight: NDArray[np.float32], form: BlockFormat | None) -> str:
    """`y = x W^T`.

    Args:
        builder: the graph.
        x: [..., in_features] float32.
        name: what the weight is called in the graph.
        weight: [out_features, in_features] as stored in a checkpoint.
        form: block format, or None for fp32.

    Returns:
        [..., out_features] float32.
    """
    out_features, in_features = weight.shape
    if form is None:
        return builder.node("MatMul", [x, builder.weight(name, weight.T)])

    def quantised() -> tuple[NDArray[Any], NDArray[Any]]:
        blocks = quantize_blocks(weight, form.bits, form.block_size)
        packed = blocks.packed.reshape(out_features, -1, form.block_size * form.bits // 8)
        return packed, blocks.scales.reshape(-1)

    return builder.node(
        "MatMulNBits",
        [x, *builder.weights([name, f"{name}.scales"], quantised)],
        domain=MICROSOFT,
        K=in_features,
        N=out_features,
        bits=form.bits,
        block_size=form.block_size,
        accuracy_level=4,
    )


def linear_per_head(
    builder: GraphBuilder, x: str, name: str, weight: NDArray[np.float32], form: BlockFormat | None
) -> str:
    """A different linear layer for each head: `y_h = x_h W_h^T`, for one position.

    Quantised, this is one product with signed columns. One `MatMulNBits` per head took one and a half times as long or
    more in a decode step, where every node begins with cold caches (docs/performance.md). The activations of all heads
    share one scale then; they belong to a single position, so no other token's outliers widen it.

    Args:
        builder: the graph.
        x: [heads, 1, in_features] float32.
        name: what the weight is called in the graph.
        weight: [heads, out_features, in_features].
        form: block format of the part, which keeps the weight of other shapes in blocks; None for fp32.

    Returns:
        [heads, 1, out_features] float32.
    """
    columns = weight.transpose(0, 2, 1)
    if form is None:
        return builder.node("MatMul", [x, builder.weight(name, columns)])

    def quantised() -> tuple[NDArray[Any], NDArray[Any]]:
        quantised = quantize_columns(columns)
        return quantised.values, quantised.scales[:, None]

    inputs = [x, *builder.weights([name, f"{name}.scales"], quantised)]
    return builder.node("DynamicQuantizeMatMul", inputs, domain=MICROSOFT)


def gated_mlp(
    builder: GraphBuilder,
    x: str,
    name: str,
    weights: tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]],
    form: BlockFormat | None,
) -> str:
    """`down(silu(gate x) * up x)` with weights (gate, up, down); [..., hidden] -> [..., hidden] float32."""
    gate = linear(builder, x, f"{name}.gate_proj", weights[0], form)
    up = linear(builder, x, f"{name}.up_proj", weights[1], form)
    activated = builder.node("Mul", [builder.node("Mul", [gate, builder.node("Sigmoid", [gate])]), up])
    return linear(builder, activated, f"{name}.down_proj", weights[2], form)
