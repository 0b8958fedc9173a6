"""The mixture of experts of one layer: one `QMoE` node when quantised, batched products over all experts in fp32.

Router (`modeling_deepseek.py` `MoEGate.forward`): Tiny and Small take softmax over all experts and keep the chosen
values as they are; Base takes sigmoid, chooses by value + bias, renormalises the chosen values and scales them.
`QMoE` without `router_weights` would renormalise over the chosen experts, which is a different model
(`moe_quantization_cpu.cc`), so both the logits to choose by and the weights to use are given to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dsvl2_export.graphs.builder import MICROSOFT, GraphBuilder
from dsvl2_export.graphs.decoder.attention import Weights
from dsvl2_export.graphs.decoder.linear import gated_mlp
from dsvl2_quant.formats.blocks import interleave_gate_up, quantize_blocks
from dsvl2_quant.recipe import BlockFormat, Recipe
from dsvl2_runtime.config import LanguageConfig

ALWAYS = 1e4
"""Router logit of a folded shared expert: above any real one, so that it is always chosen."""


@dataclass(frozen=True, slots=True)
class Routing:
    """What the router says about each token."""

    choice: str
    """[tokens, experts] float32: the highest values are chosen."""
    weights: str
    """[tokens, experts] float32: how much a chosen expert counts."""


EXPERTS_AT_A_TIME = 2
"""Each holds three fp32 matrices and their temporaries: about 70 MB at the size of Small."""

ExpertWeights = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]
"""Gate and up [intermediate, hidden], down [hidden, intermediate]."""


def quantize_expert(expert: ExpertWeights, form: BlockFormat) -> tuple[NDArray[Any], ...]:
    """`QMoE` rows of one expert: gate and up interleaved, their scales, down, its scales; each [rows, columns]."""
    gate, up, down = expert
    first = quantize_blocks(interleave_gate_up(gate, up), form.bits, form.block_size)
    second = quantize_blocks(down, form.bits, form.block_size)
    arrays: tuple[NDArray[Any], ...] = (first.packed, first.scales, second.packed, second.scales)
    return tuple(array.reshape(len(array), -1) for array in arrays)


def mlp_weights(weights: Weights, name: str) -> ExpertWeights:
    """Gate and up [intermediate, hidden], down [hidden, intermediate]."""
    gate, up, down = (weights.array(f"{name}.{part}_proj.weight") for part in ("gate", "up", "down"))
    return gate, up, down


def top_k(builder: GraphBuilder, choice: str, count: int) -> str:
    """Indices [tokens, count] int64 of the highest values."""
    return builder.nodes("TopK", [choice, builder.int64(count)], 2, axis=-1, sorted=0)[1]


def route(builder: GraphBuilder, x: str, name: str, weights: Weights, config: LanguageConfig) -> Routing:
    """Router of one layer, fp32; x is [tokens, hidden]."""
    gate = weights.array(f"{name}.gate.weight")
    logits = builder.node("MatMul", [x, builder.weight(f"{name}.gate", gate.T)])
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
        total = builder.node(
            "ReduceSum", [builder.node("GatherElements", [scores, chosen], axis=-1), builder.int64(-1)]
        )
        scores = builder.node("Div", [scores, builder.node("Add", [total, builder.scalar(1e-20)])])
    if config.routed_scaling_factor != 1.0:
        scores = builder.node("Mul", [scores, builder.scalar(config.routed_scaling_factor)])
    return Routing(choice, scores)


def experts(builder: GraphBuilder, x: str, name: str, weights: Weights, config: LanguageConfig, recipe: Recipe) -> str:
    """Routed and shared experts of one layer: [1, seq, hidden] -> [1, seq, hidden]."""
    tokens = builder.node("Reshape", [x, builder.int64(-1, config.hidden_size)])
    routing = route(builder, tokens, name, weights, config)
    if recipe.experts is None:
        return _experts_fp32(builder, x, tokens, name, weights, config, routing)
    return _experts_quantised(builder, x, name, weights, config, routing, recipe.experts)


def _experts_quantised(
    builder: GraphBuilder,
    x: str,
    name: str,
    weights: Weights,
    config: LanguageConfig,
    routing: Routing,
    form: BlockFormat,
) -> str:
    """One `QMoE`; the shared MLP is folded in as `n_shared_experts` more experts that are always chosen with weight 1.

    A shared MLP of width n * I equals n experts of width I: its gate and up rows and down columns, cut in n pieces.
    CPU only: the CUDA kernel ignores `router_weights`.
    """
    shared = config.n_shared_experts or 0
    choice, router_weights = routing.choice, routing.weights
    if shared:
        pad = builder.int64(0, 0, 0, shared)
        router_weights = builder.node("Pad", [router_weights, pad, builder.scalar(1.0)])
        # Softmax keeps the order of the logits and stays below 1, so its values choose as they do, at one node less.
        by_weight = config.scoring_func == "softmax" and config.routed_scaling_factor == 1.0
        choice = router_weights if by_weight else builder.node("Pad", [choice, pad, builder.scalar(ALWAYS)])

    names = [f"{name}.{part}" for part in ("gate_up", "gate_up.scales", "down", "down.scales")]
    fc1, fc1_scales, fc2, fc2_scales = builder.weights(names, lambda: _quantised_rows(name, weights, config, form))
    return builder.node(
        "QMoE",
        [x, choice, fc1, fc1_scales, "", fc2, fc2_scales, *[""] * 7, router_weights],
        domain=MICROSOFT,
        k=(config.num_experts_per_tok or 0) + shared,
        activation_type="swiglu",
        swiglu_fusion=1,  # interleaved gate and up rows: the only form the CPU kernel takes
        activation_alpha=1.0,
        activation_beta=0.0,
        expert_weight_bits=form.bits,
        block_size=form.block_size,
        normalize_routing_weights=0,
        accuracy_level=4,
        weights_prepacked=0,  # raw rows on every provider; the default means something else on CUDA
    )


def _quantised_rows(name: str, weights: Weights, config: LanguageConfig, form: BlockFormat) -> list[NDArray[Any]]:
    """The four weights of `QMoE`, [experts, rows, columns] each: routed experts, then the pieces of the shared one."""

    def routed(expert: int) -> Sequence[NDArray[Any]]:
        return quantize_expert(mlp_weights(weights, f"{name}.experts.{expert}"), form)

    # NumPy computes outside the interpreter's lock, so two experts are read and quantised at a time.
    with ThreadPoolExecutor(EXPERTS_AT_A_TIME) as pool:
        rows = list(pool.map(routed, range(config.n_routed_experts or 0)))
    if config.n_shared_experts:
        gate, up, down = mlp_weights(weights, f"{name}.shared_experts")
        width = config.moe_intermediate_size
        for piece in (slice(i * width, (i + 1) * width) for i in range(config.n_shared_experts)):
            rows.append(quantize_expert((gate[piece], up[piece], down[:, piece]), form))
    return [np.stack(part) for part in zip(*rows, strict=True)]


def _experts_fp32(
    builder: GraphBuilder,
    x: str,
    tokens: str,
    name: str,
    weights: Weights,
    config: LanguageConfig,
    routing: Routing,
) -> str:
    """Every expert for every token, the ones not chosen weighted 0; for parity on small sizes, not for speed."""
    count = config.n_routed_experts or 0
    chosen = top_k(builder, routing.choice, config.num_experts_per_tok or 0)
    zeros = builder.node("Mul", [routing.weights, builder.scalar(0.0)])
    kept = builder.node("GatherElements", [routing.weights, chosen], axis=-1)
    kept = builder.node("ScatterElements", [zeros, chosen, kept], axis=-1)  # [tokens, experts]
    kept = builder.node("Unsqueeze", [builder.node("Transpose", [kept], perm=[1, 0]), builder.int64(2)])

    def stacked(part: str) -> str:
        """[experts, in_features, out_features]."""
        arrays = [weights.array(f"{name}.experts.{expert}.{part}_proj.weight").T for expert in range(count)]
        return builder.weight(f"{name}.experts.{part}_proj", np.stack(arrays))

    gate = builder.node("MatMul", [tokens, stacked("gate")])  # [experts, tokens, intermediate]
    up = builder.node("MatMul", [tokens, stacked("up")])
    activated = builder.node("Mul", [builder.node("Mul", [gate, builder.node("Sigmoid", [gate])]), up])
    weighted = builder.node("Mul", [builder.node("MatMul", [activated, stacked("down")]), kept])
    routed = builder.node("ReduceSum", [weighted, builder.int64(0)], keepdims=0)
    routed = builder.node("Reshape", [routed, builder.int64(1, -1, config.hidden_size)])
    if not config.n_shared_experts:
        return routed
    shared = gated_mlp(builder, x, f"{name}.shared_experts", mlp_weights(weights, f"{name}.shared_experts"), None)
    return builder.node("Add", [routed, shared])
