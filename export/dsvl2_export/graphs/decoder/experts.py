"""The mixture of experts of one layer: one node when quantised, batched products over all experts in fp32.

Router (`modeling_deepseek.py` `MoEGate.forward`): Tiny and Small take softmax over all experts and keep the chosen
values as they are; Base takes sigmoid, chooses by value + bias, renormalises the chosen values and scales them.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dsvl2_export.graphs.builder import GraphBuilder
from dsvl2_export.graphs.decoder.context import DecoderContext
from dsvl2_export.graphs.decoder.linear import gated_mlp
from dsvl2_export.graphs.operators import interleave_gate_up
from dsvl2_quant.formats.blocks import BlockFormat
from dsvl2_quant.formats.float32 import Float32
from dsvl2_quant.methods.quantizer import LinearInput, Quantizer

ALWAYS = 1e4
"""Router logit of a folded shared expert: above any real one, so that it is always chosen."""


@dataclass(frozen=True, slots=True)
class Routing:
    """The router's output for each token."""

    choice: str
    """[tokens, experts] float32: the highest values are chosen."""
    weights: str
    """[tokens, experts] float32: how much a chosen expert counts."""


EXPERTS_AT_A_TIME = 2
"""Each holds three fp32 matrices and their temporaries: about 70 MB at the size of Small."""


@dataclass(frozen=True, slots=True)
class Expert:
    """The weights of one gated MLP, or of a piece of one."""

    layer: str
    """Name of the MLP in the checkpoint."""
    gate: NDArray[np.float32]
    """[intermediate, hidden]."""
    up: NDArray[np.float32]
    """[intermediate, hidden]."""
    down: NDArray[np.float32]
    """[hidden, intermediate]."""
    features: range | None = None
    """Which of the MLP's intermediate features it has; None for all."""

    def piece(self, features: range) -> Expert:
        """The gate and up rows and the down columns of some neighbouring intermediate features."""
        cut = slice(features.start, features.stop)
        return Expert(self.layer, self.gate[cut], self.up[cut], self.down[:, cut], features)

    def quantize(self, quantizer: Quantizer, form: BlockFormat) -> tuple[NDArray[Any], ...]:
        """Gate and up rows interleaved, their scales, down, its scales; each [rows, columns]."""
        gate_up = interleave_gate_up(self.gate, self.up)
        first = quantizer.blocks(gate_up, form, LinearInput(f"{self.layer}.gate_proj"))
        second = quantizer.blocks(self.down, form, LinearInput(f"{self.layer}.down_proj", self.features))
        arrays: tuple[NDArray[Any], ...] = (first.packed, first.scales, second.packed, second.scales)
        return tuple(array.reshape(len(array), -1) for array in arrays)


def read_expert(context: DecoderContext, layer: str) -> Expert:
    """The weights of a gated MLP."""
    gate, up, down = (context.weights.array(f"{layer}.{part}_proj.weight") for part in ("gate", "up", "down"))
    return Expert(layer, gate, up, down)


def top_k(builder: GraphBuilder, choice: str, count: int) -> str:
    """Indices [tokens, count] int64 of the highest values."""
    return builder.nodes("TopK", [choice, builder.int64(count)], 2, axis=-1, sorted=0)[1]


def route(context: DecoderContext, x: str, name: str) -> Routing:
    """Router of one layer, fp32; x is [tokens, hidden]."""
    builder, config, weights = context.builder, context.config, context.weights
    gate = weights.array(f"{name}.gate.weight")  # [experts, hidden]
    logits = builder.node("MatMul", [x, builder.weight(f"{name}.gate", gate.T)])  # [tokens, experts]
    if config.scoring_func == "softmax":
        choice, scores = logits, builder.node("Softmax", [logits], axis=-1)
    else:
        scores = builder.node("Sigmoid", [logits])
        bias = builder.weight(
            f"{name}.gate.e_score_correction_bias", weights.array(f"{name}.gate.e_score_correction_bias")
        )
        choice = builder.node("Add", [scores, bias])
    if config.norm_topk_prob:
        chosen = top_k(builder, choice, config.num_experts_per_tok or 0)
        kept = builder.node("GatherElements", [scores, chosen], axis=-1)  # [tokens, chosen]
        total = builder.node("ReduceSum", [kept, builder.int64(-1)])  # [tokens, 1]
        scores = builder.node("Div", [scores, builder.node("Add", [total, builder.scalar(1e-20)])])
    if config.routed_scaling_factor != 1.0:
        scores = builder.node("Mul", [scores, builder.scalar(config.routed_scaling_factor)])
    return Routing(choice, scores)


def experts(context: DecoderContext, x: str, name: str) -> str:
    """Routed and shared experts of one layer: [1, seq, hidden] -> [1, seq, hidden]."""
    builder = context.builder
    # [1, seq, hidden] -> [tokens, hidden]
    tokens = builder.node("Reshape", [x, builder.int64(-1, context.config.hidden_size)])
    routing = route(context, tokens, name)
    form = context.recipe.experts
    if isinstance(form, Float32):
        return _experts_fp32(context, x, tokens, name, routing)
    return _experts_quantized(context, x, name, routing, form)


def _experts_quantized(context: DecoderContext, x: str, name: str, routing: Routing, form: BlockFormat) -> str:
    """One node; the shared MLP is folded in as `n_shared_experts` more experts that are always chosen with weight 1.

    A shared MLP of width n * I equals n experts of width I: its gate and up rows and down columns, cut in n pieces.
    """
    builder, config = context.builder, context.config
    shared = config.n_shared_experts or 0
    choice, router_weights = routing.choice, routing.weights
    if shared:
        pad = builder.int64(0, 0, 0, shared)
        router_weights = builder.node("Pad", [router_weights, pad, builder.scalar(1.0)])  # [tokens, experts + shared]
        # Softmax preserves the ranking and stays below 1, so the weights can also select experts; saves a node.
        by_weight = config.scoring_func == "softmax" and config.routed_scaling_factor == 1.0
        choice = router_weights if by_weight else builder.node("Pad", [choice, pad, builder.scalar(ALWAYS)])

    names = [f"{name}.{part}" for part in ("gate_up", "gate_up.scales", "down", "down.scales")]
    weights = builder.weights(names, lambda: _quantize_experts(context, name, form))
    chosen = (config.num_experts_per_tok or 0) + shared
    return context.operators.experts(x, choice, router_weights, weights, chosen, form)


def _quantize_experts(context: DecoderContext, name: str, form: BlockFormat) -> list[NDArray[Any]]:
    """The weights of all experts, [experts, rows, columns] each: routed ones, then the pieces of the shared one."""
    config, quantizer = context.config, context.quantizer

    def routed(expert: int) -> Sequence[NDArray[Any]]:
        return read_expert(context, f"{name}.experts.{expert}").quantize(quantizer, form)

    # NumPy computes outside the interpreter's lock, so two experts are read and quantised at a time.
    with ThreadPoolExecutor(EXPERTS_AT_A_TIME) as pool:
        rows = list(pool.map(routed, range(config.n_routed_experts or 0)))
    if config.n_shared_experts:
        shared, width = read_expert(context, f"{name}.shared_experts"), config.moe_intermediate_size
        for features in (range(i * width, (i + 1) * width) for i in range(config.n_shared_experts)):
            rows.append(shared.piece(features).quantize(quantizer, form))
    return [np.stack(part) for part in zip(*rows, strict=True)]


def _experts_fp32(context: DecoderContext, x: str, tokens: str, name: str, routing: Routing) -> str:
    """Every expert for every token, the ones not chosen weighted 0; for parity on small sizes, not for speed."""
    builder, config, weights = context.builder, context.config, context.weights
    count = config.n_routed_experts or 0
    chosen = top_k(builder, routing.choice, config.num_experts_per_tok or 0)
    zeros = builder.node("Mul", [routing.weights, builder.scalar(0.0)])
    kept = builder.node("GatherElements", [routing.weights, chosen], axis=-1)
    kept = builder.node("ScatterElements", [zeros, chosen, kept], axis=-1)  # [tokens, experts]
    by_expert = builder.node("Transpose", [kept], perm=[1, 0])
    kept = builder.node("Unsqueeze", [by_expert, builder.int64(2)])  # [experts, tokens, 1]

    def stacked(part: str) -> str:
        """[experts, in_features, out_features]."""
        arrays = [weights.array(f"{name}.experts.{expert}.{part}_proj.weight").T for expert in range(count)]
        return builder.weight(f"{name}.experts.{part}_proj", np.stack(arrays))

    gate = builder.node("MatMul", [tokens, stacked("gate")])  # [experts, tokens, intermediate]
    up = builder.node("MatMul", [tokens, stacked("up")])
    activated = builder.node("Mul", [builder.node("Mul", [gate, builder.node("Sigmoid", [gate])]), up])
    weighted = builder.node("Mul", [builder.node("MatMul", [activated, stacked("down")]), kept])
    routed = builder.node("ReduceSum", [weighted, builder.int64(0)], keepdims=0)  # [tokens, hidden]
    routed = builder.node("Reshape", [routed, builder.int64(1, -1, config.hidden_size)])  # [1, seq, hidden]
    if not config.n_shared_experts:
        return routed
    return builder.node("Add", [routed, gated_mlp(context, x, f"{name}.shared_experts")])
