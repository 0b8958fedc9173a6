"""Linear layers as graph nodes: fp32 `MatMul`, or a product with a weight in blocks or in columns."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dsvl2_export.graphs.decoder.context import DecoderContext
from dsvl2_quant.formats.float32 import Float32
from dsvl2_quant.methods.quantizer import LinearInput


def linear(context: DecoderContext, x: str, layer: str) -> str:
    """`y = x W^T` with the weight of a linear layer, whose name it also has in the graph.

    Args:
        context: of the decoder.
        x: [..., in_features] float32.
        layer: name of the layer in the checkpoint.

    Returns:
        [..., out_features] float32.
    """
    return linear_of_rows(context, x, layer, context.weights.array(f"{layer}.weight"), layer)


def linear_of_rows(context: DecoderContext, x: str, name: str, weight: NDArray[np.float32], layer: str) -> str:
    """`y = x W^T` with rows of one or more linear layers that read the same input.

    Args:
        context: of the decoder.
        x: [..., in_features] float32.
        name: what the weight is called in the graph.
        weight: [out_features, in_features].
        layer: name of one of the layers in the checkpoint; it decides about the format.

    Returns:
        [..., out_features] float32.
    """
    out_features, in_features = weight.shape
    form = context.recipe.format_of(f"{layer}.weight")
    if isinstance(form, Float32):
        return context.builder.node("MatMul", [x, context.builder.weight(name, weight.T)])

    def quantize() -> tuple[NDArray[Any], NDArray[Any]]:
        blocks = context.quantizer.blocks(weight, form, LinearInput(layer))
        return blocks.packed, blocks.scales.reshape(-1)

    packed, scales = context.builder.weights([name, f"{name}.scales"], quantize)
    return context.operators.block_linear(x, packed, scales, (out_features, in_features), form)


def linear_per_head(context: DecoderContext, x: str, name: str, weight: NDArray[np.float32]) -> str:
    """A different linear layer for each head, made of `kv_b_proj`: `y_h = x_h W_h^T`, for one position.

    Quantised, this is one product with signed columns. One `MatMulNBits` per head took one and a half times as long or
    more in a decode step, where every node begins with cold caches (docs/performance.md). The activations of all heads
    share one scale then; they belong to a single position, so no other token's outliers widen it.

    Args:
        context: of the decoder; its recipe says how absorbed matrices are stored.
        x: [heads, 1, in_features] float32.
        name: what the weight is called in the graph.
        weight: [heads, out_features, in_features].

    Returns:
        [heads, 1, out_features] float32.
    """
    columns = weight.transpose(0, 2, 1)  # [heads, in_features, out_features]
    form = context.recipe.kv_absorbed
    if isinstance(form, Float32):
        return context.builder.node("MatMul", [x, context.builder.weight(name, columns)])

    def quantize() -> tuple[NDArray[Any], NDArray[Any]]:
        # No linear layer of the reference network has these activations as its input.
        quantized = context.quantizer.columns(columns, form, None)
        return quantized.values, quantized.scales[:, None]

    values, scales = context.builder.weights([name, f"{name}.scales"], quantize)
    return context.operators.column_linear(x, values, scales)


def gated_mlp(context: DecoderContext, x: str, name: str) -> str:
    """`down(silu(gate x) * up x)`; [..., hidden] -> [..., hidden] float32."""
    builder = context.builder
    gate = linear(context, x, f"{name}.gate_proj")  # [..., intermediate]
    up = linear(context, x, f"{name}.up_proj")
    activated = builder.node("Mul", [builder.node("Mul", [gate, builder.node("Sigmoid", [gate])]), up])
    return linear(context, activated, f"{name}.down_proj")
