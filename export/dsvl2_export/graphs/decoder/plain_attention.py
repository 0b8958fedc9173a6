"""Multi-head attention with whole keys and values (Tiny): a cached row holds all heads."""

from __future__ import annotations

import numpy as np

from dsvl2_export.graphs.decoder.cached_attention import attend_causally, attend_in_place
from dsvl2_export.graphs.decoder.context import DecoderContext
from dsvl2_export.graphs.decoder.linear import linear, linear_of_rows
from dsvl2_export.graphs.decoder.positions import Positions, rotate
from dsvl2_runtime.graphs.graph_io import CacheTensor


def plain_attention(
    context: DecoderContext, x: str, name: str, cache: tuple[CacheTensor, CacheTensor], at: Positions
) -> str:
    """Attention of one layer: [1, seq, hidden] -> [1, seq, hidden] float32; writes both new cache rows [seq, hidden].

    Decode reads the cache in place although a row holds all heads: each head's query becomes a row that is zero outside
    its own head, so one product over whole rows gives every head's scores, and a mask picks each head's share of the
    mixed row. The zeros cost multiplications, ten times as many for ten heads, but no copy of the cache.

    Args:
        context: of the decoder.
        x: [1, seq, hidden] float32.
        name: of the attention in the checkpoint.
        cache: names of the layer's cached keys and values.
        at: the positions.
    """
    builder, config = context.builder, context.config
    heads, width = config.num_attention_heads, config.head_dim
    row = heads * width
    scale = float(width**-0.5)
    key_cache, value_cache = cache

    qkv = np.concatenate([context.weights.array(f"{name}.{part}_proj.weight") for part in "qkv"])  # [3 * row, hidden]
    projected = linear_of_rows(context, x, f"{name}.qkv_proj", qkv, f"{name}.q_proj")
    q, k, v = builder.nodes("Split", [projected, builder.int64(row, row, row)], 3, axis=-1)  # each [1, seq, row]
    to_heads = builder.int64(1, -1, heads, width)

    def rotated(part: str) -> str:
        """[1, seq, row] -> [1, seq, heads, width] -> [1, heads, seq, width]."""
        by_head = builder.node("Transpose", [builder.node("Reshape", [part, to_heads])], perm=[0, 2, 1, 3])
        return rotate(context, by_head, at, interleaved=False)

    q = rotated(q)
    keys_by_position = builder.node("Transpose", [rotated(k)], perm=[0, 2, 1, 3])  # [1, seq, heads, width]
    builder.node("Reshape", [keys_by_position, builder.int64(-1, row)], into=key_cache.new)  # [seq, row]
    builder.node("Reshape", [v, builder.int64(-1, row)], into=value_cache.new)  # [seq, row]

    own_head = np.kron(np.eye(heads, dtype=np.float32), np.ones((1, width), np.float32))  # [heads, row]
    own = builder.weight(f"{name}.own_head", own_head)
    decoded = builder.fresh("decoded")
    with builder.body(decoded) as decode:
        q_row = builder.node("Reshape", [q, builder.int64(1, row)])  # [1, heads, 1, width] -> [1, row]
        q_rows = builder.node("Mul", [q_row, own])  # [heads, row]
        past, new = (key_cache.past, value_cache.past), (key_cache.new, value_cache.new)
        mixed = builder.node("Mul", [attend_in_place(context, q_rows, past, new, at, scale), own])  # [heads, row]
        mixed = builder.node("ReduceSum", [mixed, builder.int64(0)], keepdims=1)  # [1, row]
        builder.node("Reshape", [mixed, builder.int64(1, 1, row)], into=decoded)

    prefilled = builder.fresh("prefilled")
    with builder.body(prefilled) as prefill:
        by_head = []
        for tensor in cache:
            rows = builder.node("Concat", [tensor.past, tensor.new], axis=0)  # [total, row]
            rows = builder.node("Reshape", [rows, builder.int64(-1, heads, width)])  # [total, heads, width]
            by_head.append(builder.node("Transpose", [rows], perm=[1, 0, 2]))  # [heads, total, width]
        queries = builder.node("Squeeze", [q, builder.int64(0)])  # [heads, seq, width]
        scores = context.operators.scaled_scores(queries, by_head[0], scale)  # [heads, seq, total]
        attend_causally(builder, scores, by_head[1], at, row, prefilled)

    out = builder.branch(at.is_decode, decode[0], prefill[0])  # [1, seq, row]
    return linear(context, out, f"{name}.o_proj")
