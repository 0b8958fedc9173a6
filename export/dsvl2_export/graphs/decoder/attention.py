"""Attention over a cache of rows, without any cache operator.

The past rows come in as a view of the caller's buffer and the new rows go out right behind them, so the graph joins
scores, not caches. One position (a decode step) runs in another branch than many (prefill):

* decode: all heads are rows of one matrix product over the cached rows, which are read once and never copied;
* prefill: keys and values are expanded per head, which takes a third of the multiplications.

Weights stand outside the branches where both use them; each branch would pack its own copy.
Latent attention: DeepSeek-V2 paper (arXiv 2405.04434) section 2.1; `modeling_deepseek.py` `DeepseekV2Attention`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from dsvl2_export.graphs.builder import MICROSOFT, GraphBuilder
from dsvl2_export.graphs.decoder.linear import linear, linear_per_head
from dsvl2_quant.recipe import Recipe
from dsvl2_runtime.config import KV_A_NORM_EPS, LanguageConfig
from dsvl2_runtime.graphs.graph_io import CacheTensor


class Weights(Protocol):
    """Where weights come from: a checkpoint, one tensor at a time."""

    def array(self, name: str) -> NDArray[np.float32]:
        """A whole tensor as float32."""


@dataclass(frozen=True, slots=True)
class Positions:
    """Tensors that all layers share."""

    position_ids: str
    """[1, seq] int64."""
    is_decode: str
    """[1] bool: one new position."""
    mask: str
    """[seq, total] float32: 0 where a position may look, -inf where not."""
    past_and_one: str
    """[2] int64: how many rows are cached, and 1."""
    cos: str
    """[context, rope_dim / 2] float32."""
    sin: str


def rope_tables(config: LanguageConfig) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Cos and sin, [max_position_embeddings, rope_dim / 2] float32, of angles computed in double precision.

    A table computed in bf16 confuses positions above 256, the likely cause of wrong boxes reported for the reference.
    """
    exponents = np.arange(0, config.rope_dim, 2) / config.rope_dim
    angles = np.outer(np.arange(config.max_position_embeddings), config.rope_theta**-exponents)
    return np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)


def rms_norm(builder: GraphBuilder, x: str, name: str, weight: NDArray[np.float32], epsilon: float) -> str:
    """`x * rsqrt(mean(x^2) + epsilon) * weight` over the last axis."""
    return builder.node("SimplifiedLayerNormalization", [x, builder.weight(name, weight)], axis=-1, epsilon=epsilon)


def positions(
    builder: GraphBuilder, inputs_embeds: str, position_ids: str, past: str, config: LanguageConfig
) -> Positions:
    """The tensors every layer needs, from the inputs of the graph; `past` is any one of the cache inputs."""
    one = builder.constant(np.array(1, np.int64))
    seq = builder.node("Shape", [inputs_embeds], start=1, end=2)
    is_decode = builder.node("Equal", [seq, builder.int64(1)])
    cached = builder.node("Shape", [past], start=0, end=1)
    past_and_one = builder.node("Concat", [cached, builder.int64(1)], axis=0)
    total = builder.node("Add", [cached, seq])
    keys = builder.node("Range", [builder.constant(np.array(0, np.int64)), total, one])
    queries = builder.node("Reshape", [position_ids, builder.int64(-1, 1)])
    hidden = builder.node("Greater", [keys, queries])  # [seq, total]
    mask = builder.node("Where", [hidden, builder.scalar(-np.inf), builder.scalar(0.0)])
    cos, sin = rope_tables(config)
    tables = builder.weight("rope.cos", cos), builder.weight("rope.sin", sin)
    return Positions(position_ids, is_decode, mask, past_and_one, *tables)


def rotate(builder: GraphBuilder, x: str, at: Positions, interleaved: bool) -> str:
    """Rotary embedding of [1, heads, seq, rope_dim] or [1, seq, heads * rope_dim].

    Interleaved pairs (2i, 2i+1) or halves (i, i + rope_dim / 2).
    """
    inputs = [x, at.position_ids, at.cos, at.sin]
    return builder.node("RotaryEmbedding", inputs, domain=MICROSOFT, interleaved=int(interleaved))


def fold_over_past(
    builder: GraphBuilder, queries: str, past: tuple[str, str], new: tuple[str, str], at: Positions, scale: float
) -> str:
    """Attention of query rows over past and new rows, for one position.

    Args:
        builder: the graph.
        queries: [heads, row]; two axes, for with three the heads would read the cache one by one.
        past: (keys, values), each [past, row]; views of the cache.
        new: (keys, values), each [1, row].
        at: the position.
        scale: of the scores.

    Returns:
        [heads, row], the mixed value rows.
    """
    scores = [
        builder.node("FusedMatMul", [queries, keys], domain=MICROSOFT, transB=1, alpha=scale)
        for keys in (past[0], new[0])
    ]
    weights = builder.node("Softmax", [builder.node("Concat", scores, axis=-1)], axis=-1)  # [heads, past + 1]
    over_past, over_new = builder.nodes("Split", [weights, at.past_and_one], 2, axis=-1)
    return builder.node("Gemm", [over_new, new[1], builder.node("MatMul", [over_past, past[1]])])


def latent_attention(
    builder: GraphBuilder,
    x: str,
    name: str,
    weights: Weights,
    cache: CacheTensor,
    at: Positions,
    config: LanguageConfig,
    recipe: Recipe,
) -> str:
    """Multi-head latent attention of one layer: [1, seq, hidden] -> [1, seq, hidden]; writes `cache.new`.

    `kv_b_proj` [heads * (nope + value), rank] holds for each head UK_h (nope rows) and UV_h (value rows). Decode
    absorbs both: score_h = ((q_nope UK_h) . latent + q_rope . k_rope) * head_dim^-0.5 and
    out_h = UV_h (sum of p * latent).
    """
    heads, rank = config.num_attention_heads, config.latent_rank
    nope, rope, width = config.qk_nope_head_dim, config.qk_rope_head_dim, config.v_head_dim
    scale = float(config.head_dim**-0.5)
    past, new = cache.past, cache.new

    # Rows by what becomes of them, so that every later cut is one piece: nope of all heads, what is rotated, latent.
    q_proj = weights.array(f"{name}.q_proj.weight").reshape(heads, nope + rope, -1)
    kv_a = weights.array(f"{name}.kv_a_proj_with_mqa.weight")
    parts = [q_proj[:, :nope].reshape(heads * nope, -1), q_proj[:, nope:].reshape(heads * rope, -1)]
    q_and_kv = np.concatenate([*parts, kv_a[rank:], kv_a[:rank]])
    projected = linear(builder, x, f"{name}.q_and_kv_a_proj", q_and_kv, recipe.dense)
    sizes = builder.int64(heads * nope, (heads + 1) * rope, rank)
    q_nope, rotated, latent = builder.nodes("Split", [projected, sizes], 3, axis=-1)  # each [1, seq, size]
    rotated = rotate(builder, rotated, at, interleaved=True)
    q_rope, k_rope = builder.nodes("Split", [rotated, builder.int64(heads * rope, rope)], 2, axis=-1)
    q_rope = builder.node("Reshape", [q_rope, builder.int64(-1, rope)])  # [seq * heads, rope]
    norm = weights.array(f"{name}.kv_a_layernorm.weight")
    latent = rms_norm(builder, latent, f"{name}.kv_a_layernorm", norm, KV_A_NORM_EPS)
    rows = builder.node("Concat", [latent, k_rope], axis=-1)
    builder.node("Squeeze", [rows, builder.int64(0)], into=new)  # [seq, rank + rope]

    kv_b = weights.array(f"{name}.kv_b_proj.weight")
    per_head = kv_b.reshape(heads, nope + width, rank)
    up_key, up_value = per_head[:, :nope], per_head[:, nope:]

    decoded = builder.fresh("decoded")
    with builder.body(decoded) as decode:
        q_heads = builder.node("Reshape", [q_nope, builder.int64(heads, 1, nope)])
        absorbed = linear_per_head(builder, q_heads, f"{name}.up_key", up_key.transpose(0, 2, 1), recipe.kv_up)
        absorbed = builder.node("Squeeze", [absorbed, builder.int64(1)])  # [heads, rank]
        q_rows = builder.node("Concat", [absorbed, q_rope], axis=-1)
        mixed = fold_over_past(builder, q_rows, (past, past), (new, new), at, scale)
        # The output is sliced to the latent, never the cache: slicing the cache would copy it.
        mixed = builder.node("Slice", [mixed, builder.int64(0), builder.int64(rank), builder.int64(-1)])
        mixed = builder.node("Unsqueeze", [mixed, builder.int64(1)])  # [heads, 1, rank]
        values = linear_per_head(builder, mixed, f"{name}.up_value", up_value, recipe.kv_up)
        builder.node("Reshape", [values, builder.int64(1, 1, heads * width)], into=decoded)

    prefilled = builder.fresh("prefilled")
    with builder.body(prefilled) as prefill:
        rows = builder.node("Concat", [past, new], axis=0)
        latents, k_ropes = builder.nodes("Split", [rows, builder.int64(rank, rope)], 2, axis=-1)
        expanded = linear(builder, latents, f"{name}.kv_b_proj", kv_b, recipe.kv_up)
        expanded = builder.node("Reshape", [expanded, builder.int64(-1, heads, nope + width)])
        expanded = builder.node("Transpose", [expanded], perm=[1, 0, 2])  # [heads, total, nope + width]
        keys, values = builder.nodes("Split", [expanded, builder.int64(nope, width)], 2, axis=-1)
        scores = []
        for q_part, k_part, size in ((q_nope, keys, nope), (q_rope, k_ropes, rope)):
            by_position = builder.node("Reshape", [q_part, builder.int64(-1, heads, size)])
            queries = builder.node("Transpose", [by_position], perm=[1, 0, 2])  # [heads, seq, size]
            scores.append(builder.node("FusedMatMul", [queries, k_part], domain=MICROSOFT, transB=1, alpha=scale))
        attend_causally(builder, builder.node("Add", scores), values, at, heads * width, prefilled)

    out = builder.branch(at.is_decode, decode[0], prefill[0])
    return linear(builder, out, f"{name}.o_proj", weights.array(f"{name}.o_proj.weight"), recipe.dense)


def plain_attention(
    builder: GraphBuilder,
    x: str,
    name: str,
    weights: Weights,
    cache: tuple[CacheTensor, CacheTensor],
    at: Positions,
    config: LanguageConfig,
    recipe: Recipe,
) -> str:
    """Multi-head attention of one layer (Tiny): [1, seq, hidden] -> [1, seq, hidden]; writes both new cache rows.

    A cached row holds all heads. Decode still reads it in place: each head's query becomes a row that is zero outside
    its own head, so one product over whole rows gives every head's scores, and a mask picks each head's share of the
    mixed row. The zeros cost multiplications, ten times as many for ten heads, but no copy of the cache.
    """
    heads, width = config.num_attention_heads, config.head_dim
    row = heads * width
    scale = float(width**-0.5)
    key_cache, value_cache = cache

    qkv = np.concatenate([weights.array(f"{name}.{part}_proj.weight") for part in "qkv"])
    projected = linear(builder, x, f"{name}.qkv_proj", qkv, recipe.dense)
    q, k, v = builder.nodes("Split", [projected, builder.int64(row, row, row)], 3, axis=-1)
    to_heads = builder.int64(1, -1, heads, width)

    def rotated(part: str) -> str:
        by_head = builder.node("Transpose", [builder.node("Reshape", [part, to_heads])], perm=[0, 2, 1, 3])
        return rotate(builder, by_head, at, interleaved=False)  # [1, heads, seq, width]

    q = rotated(q)
    keys_by_position = builder.node("Transpose", [rotated(k)], perm=[0, 2, 1, 3])
    builder.node("Reshape", [keys_by_position, builder.int64(-1, row)], into=key_cache.new)
    builder.node("Reshape", [v, builder.int64(-1, row)], into=value_cache.new)

    own_head = np.kron(np.eye(heads, dtype=np.float32), np.ones((1, width), np.float32))  # [heads, row]
    own = builder.weight(f"{name}.own_head", own_head)
    decoded = builder.fresh("decoded")
    with builder.body(decoded) as decode:
        q_rows = builder.node("Mul", [builder.node("Reshape", [q, builder.int64(1, row)]), own])
        past, new = (key_cache.past, value_cache.past), (key_cache.new, value_cache.new)
        mixed = builder.node("Mul", [fold_over_past(builder, q_rows, past, new, at, scale), own])
        mixed = builder.node("ReduceSum", [mixed, builder.int64(0)], keepdims=1)
        builder.node("Reshape", [mixed, builder.int64(1, 1, row)], into=decoded)

    prefilled = builder.fresh("prefilled")
    with builder.body(prefilled) as prefill:
        by_head = []
        for tensor in cache:
            rows = builder.node("Concat", [tensor.past, tensor.new], axis=0)
            rows = builder.node("Reshape", [rows, builder.int64(-1, heads, width)])
            by_head.append(builder.node("Transpose", [rows], perm=[1, 0, 2]))  # [heads, total, width]
        queries = builder.node("Squeeze", [q, builder.int64(0)])
        scores = builder.node("FusedMatMul", [queries, by_head[0]], domain=MICROSOFT, transB=1, alpha=scale)
        attend_causally(builder, scores, by_head[1], at, row, prefilled)

    out = builder.branch(at.is_decode, decode[0], prefill[0])
    return linear(builder, out, f"{name}.o_proj", weights.array(f"{name}.o_proj.weight"), recipe.dense)


def attend_causally(builder: GraphBuilder, scores: str, values: str, at: Positions, row: int, into: str) -> None:
    """Softmax of masked scores [heads, seq, total] over values [heads, total, width], written as [1, seq, row]."""
    weights = builder.node("Softmax", [builder.node("Add", [scores, at.mask])], axis=-1)
    mixed = builder.node("Transpose", [builder.node("MatMul", [weights, values])], perm=[1, 0, 2])
    builder.node("Reshape", [mixed, builder.int64(1, -1, row)], into=into)
