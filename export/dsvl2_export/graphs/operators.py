"""Operators of ONNX Runtime beyond the ONNX standard: the one place that names them and sets their attributes.

`docs/ContribOperators.md` of ONNX Runtime describes them. `ContribOperators` writes those that its CPU provider has
fast kernels for; another target, or operators of our own, get a class with the same methods beside it.

Every quantised layer asks for accuracy_level 4 (int8 activations): ONNX Runtime has kernels for 4 bit with fp32 or
int8 activations and for 8 bit with int8 activations only; without one it dequantises the whole weight on every call
(`matmul_nbits.cc`, `qnbitgemm.cpp`). The weight must be a constant for the same reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, helper

from dsvl2_export.graphs.builder import CONTRIB_DOMAIN, CONTRIB_VERSION, GraphBuilder
from dsvl2_quant.formats.blocks import BlockFormat

INT8_ACTIVATIONS = 4
"""The `accuracy_level` of block formats."""


@dataclass(frozen=True, slots=True)
class ContribOperators:
    """Writes the operators into one graph; arguments and results are names of tensors."""

    builder: GraphBuilder

    def rms_norm(self, x: str, weight: str, epsilon: float) -> str:
        """`x * rsqrt(mean(x^2) + epsilon) * weight` over the last axis; ONNX Runtime has it in the standard domain."""
        return self.builder.node("SimplifiedLayerNormalization", [x, weight], axis=-1, epsilon=epsilon)

    def add_and_rms_norm(self, x: str, added: str, weight: str, epsilon: float) -> tuple[str, str]:
        """(`rms_norm` of x + added, x + added)."""
        normed, _, _, total = self._nodes("SkipSimplifiedLayerNormalization", [x, added, weight], 4, epsilon=epsilon)
        return normed, total

    def rotary_embedding(self, x: str, position_ids: str, cos: str, sin: str, *, interleaved: bool) -> str:
        """Rotate [1, heads, seq, rope_dim] or [1, seq, heads * rope_dim].

        Pairs are (2i, 2i+1) where interleaved, and (i, i + rope_dim / 2) elsewhere.
        """
        return self._node("RotaryEmbedding", [x, position_ids, cos, sin], interleaved=int(interleaved))

    def scaled_scores(self, queries: str, keys: str, scale: float) -> str:
        """`scale * queries keys^T`: [..., m, row] and [..., n, row] -> [..., m, n]."""
        return self._node("FusedMatMul", [queries, keys], transB=1, alpha=scale)

    def block_linear(self, x: str, packed: str, scales: str, shape: tuple[int, int], form: BlockFormat) -> str:
        """`x W^T` of a weight in blocks.

        Args:
            x: [..., in_features] float32.
            packed: [out_features, blocks, bytes of a block] uint8.
            scales: [out_features * blocks] float32.
            shape: (out_features, in_features).
            form: of the weight.

        Returns:
            [..., out_features] float32.
        """
        out_features, in_features = shape
        return self._node(
            "MatMulNBits",
            [x, packed, scales],
            K=in_features,
            N=out_features,
            bits=form.bits,
            block_size=form.block_size,
            accuracy_level=INT8_ACTIVATIONS,
        )

    def column_linear(self, x: str, values: str, scales: str) -> str:
        """`x W` of a weight in int8 columns, the activations quantised at run time with one scale for all of x.

        Args:
            x: [heads, m, in_features] float32.
            values: [heads, in_features, out_features] int8.
            scales: [heads, 1, out_features] float32.

        Returns:
            [heads, m, out_features] float32.
        """
        return self._node("DynamicQuantizeMatMul", [x, values, scales])

    def gather_rows(self, packed: str, scales: str, rows: str, form: BlockFormat, into: str) -> None:
        """Dequantise the rows [...] int64 of a table in blocks, written `into` [..., in_features] float32."""
        self._node(
            "GatherBlockQuantized",
            [packed, rows, scales],
            into=into,
            bits=form.bits,
            block_size=form.block_size,
            gather_axis=0,
            quantize_axis=1,
        )

    def experts(
        self, x: str, choice: str, router_weights: str, weights: Sequence[str], chosen: int, form: BlockFormat
    ) -> str:
        """Mixture of gated experts.

        CPU only: the CUDA kernel ignores `router_weights`. Without them `QMoE` would renormalise over the chosen
        experts, which is a different model (`moe_quantization_cpu.cc`).

        Args:
            x: [1, seq, hidden] float32.
            choice: [tokens, experts] float32, the highest `chosen` are taken.
            router_weights: [tokens, experts] float32, how much a chosen expert counts.
            weights: interleaved gate and up, their scales, down, its scales; each [experts, rows, columns].
            chosen: experts per token.
            form: of the weights.

        Returns:
            [1, seq, hidden] float32.
        """
        gate_up, gate_up_scales, down, down_scales = weights
        return self._node(
            "QMoE",
            [x, choice, gate_up, gate_up_scales, "", down, down_scales, *[""] * 7, router_weights],
            k=chosen,
            activation_type="swiglu",
            swiglu_fusion=1,  # interleaved gate and up rows: the only form the CPU kernel takes
            activation_alpha=1.0,
            activation_beta=0.0,
            expert_weight_bits=form.bits,
            block_size=form.block_size,
            normalize_routing_weights=0,
            accuracy_level=INT8_ACTIVATIONS,
            weights_prepacked=0,  # raw rows on every provider; the default means something else on CUDA
        )

    def _node(self, operator: str, inputs: Sequence[str], into: str | None = None, **attributes: Any) -> str:
        return self.builder.node(operator, inputs, domain=CONTRIB_DOMAIN, into=into, **attributes)

    def _nodes(self, operator: str, inputs: Sequence[str], outputs: int, **attributes: Any) -> list[str]:
        return self.builder.nodes(operator, inputs, outputs, domain=CONTRIB_DOMAIN, **attributes)


def interleave_gate_up(gate: NDArray[np.float32], up: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows g0, u0, g1, u1, …: two [intermediate, hidden] -> [2 * intermediate, hidden].

    The only order of the first weight of `QMoE` that the CPU kernel takes (swiglu_fusion=1).
    """
    return np.stack([gate, up], axis=1).reshape(-1, gate.shape[-1])


def column_linear_node(name: str, inputs: Sequence[str], output: str) -> NodeProto:
    """`DynamicQuantizeMatMul` for a graph that was traced.

    Args:
        name: of the node.
        inputs: x, values, scales, zero points, and the bias where there is one.
        output: its name.
    """
    return helper.make_node("DynamicQuantizeMatMul", inputs, [output], name=name, domain=CONTRIB_DOMAIN)


def import_contrib(model: ModelProto) -> None:
    """Declare in a traced model that it uses these operators."""
    if CONTRIB_DOMAIN not in {opset.domain for opset in model.opset_import}:
        model.opset_import.append(helper.make_opsetid(CONTRIB_DOMAIN, CONTRIB_VERSION))


def traced_attention(graph: Any, q: Any, k: Any, v: Any, heads: int) -> Any:
    """`MultiHeadAttention` in a graph that is being traced; its default scale is the root of a head's width."""
    return graph.op(f"{CONTRIB_DOMAIN}::MultiHeadAttention", q, k, v, num_heads_i=heads).setType(q.type())


def traced_gelu(graph: Any, x: Any) -> Any:
    """`FastGelu`, the tanh approximation, in a graph that is being traced."""
    return graph.op(f"{CONTRIB_DOMAIN}::FastGelu", x).setType(x.type())
