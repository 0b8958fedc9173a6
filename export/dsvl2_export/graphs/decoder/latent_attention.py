"""Multi-head latent attention (Small and Base): one cached row per position serves all heads.

Source: DeepSeek-V2 paper (arXiv 2405.04434) section 2.1; `modeling_deepseek.py` `DeepseekV2Attention`.
"""

from __future__ import annotations

import numpy as np

from dsvl2_export.graphs.decoder.cached_attention import attend_causally, attend_in_place
from dsvl2_export.graphs.decoder.context import DecoderContext
from dsvl2_export.graphs.decoder.linear import linear, linear_of_rows, linear_per_head
from dsvl2_export.graphs.decoder.positions import Positions, rotate
from dsvl2_runtime.config import KV_A_NORM_EPS
from dsvl2_runtime.graphs.graph_io import CacheTensor


def latent_attention(context: DecoderContext, x: str, name: str, cache: CacheTensor, at: Positions) -> str:
    """Attention of one layer: [1, seq, hidden] -> [1, seq, hidden] float32; writes `cache.new` [seq, rank + rope].

    `kv_b_proj` [heads * (nope + value), rank] holds for each head UK_h (nope rows) and UV_h (value rows). Decode
    absorbs both: score_h = ((q_nope UK_h) . latent + q_rope . k_rope) * head_dim^-0.5 and
    out_h = UV_h (sum of p * latent).

    Args:
        context: of the decoder.
        x: [1, seq, hidden] float32.
        name: of the attention in the checkpoint.
        cache: names of the layer's cached rows.
        at: the positions.
    """
    builder, operators, config, weights = context.builder, context.operators, context.config, context.weights
    heads, rank = config.num_attention_heads, config.latent_rank
    nope, rope, width = config.qk_nope_head_dim, config.qk_rope_head_dim, config.v_head_dim
    scale = float(config.head_dim**-0.5)
    past, new = cache.past, cache.new

    # Rows reordered by use so that each later split is contiguous: nope of all heads, what is rotated, latent.
    q_proj = weights.array(f"{name}.q_proj.weight").reshape(heads, nope + rope, -1)  # [heads, nope + rope, hidden]
    kv_a = weights.array(f"{name}.kv_a_proj_with_mqa.weight")  # [rank + rope, hidden]
    parts = [q_proj[:, :nope].reshape(heads * nope, -1), q_proj[:, nope:].reshape(heads * rope, -1)]
    q_and_kv = np.concatenate([*parts, kv_a[rank:], kv_a[:rank]])  # [heads * (nope + rope) + rope + rank, hidden]
    projected = linear_of_rows(context, x, f"{name}.q_and_kv_a_proj", q_and_kv, f"{name}.q_proj")
    sizes = builder.int64(heads * nope, (heads + 1) * rope, rank)
    q_nope, rotated, latent = builder.nodes("Split", [projected, sizes], 3, axis=-1)  # each [1, seq, size]
    rotated = rotate(context, rotated, at, interleaved=True)  # [1, seq, (heads + 1) * rope]
    q_rope, k_rope = builder.nodes("Split", [rotated, builder.int64(heads * rope, rope)], 2, axis=-1)
    q_rope = builder.node("Reshape", [q_rope, builder.int64(-1, rope)])  # [1, seq, heads * rope] -> [seq * heads, rope]
    norm = builder.weight(f"{name}.kv_a_layernorm", weights.array(f"{name}.kv_a_layernorm.weight"))
    latent = operators.rms_norm(latent, norm, KV_A_NORM_EPS)  # [1, seq, rank]
    rows = builder.node("Concat", [latent, k_rope], axis=-1)  # [1, seq, rank + rope]
    builder.node("Squeeze", [rows, builder.int64(0)], into=new)  # [seq, rank + rope]

    kv_b = weights.array(f"{name}.kv_b_proj.weight")  # [heads * (nope + width), rank]
    per_head = kv_b.reshape(heads, nope + width, rank)
    up_key, up_value = per_head[:, :nope], per_head[:, nope:]  # [heads, nope, rank], [heads, width, rank]

    decoded = builder.fresh("decoded")
    with builder.body(decoded) as decode:
        q_heads = builder.node("Reshape", [q_nope, builder.int64(heads, 1, nope)])  # [1, 1, heads * nope] -> this
        absorbed = linear_per_head(context, q_heads, f"{name}.up_key", up_key.transpose(0, 2, 1))  # [heads, 1, rank]
        absorbed = builder.node("Squeeze", [absorbed, builder.int64(1)])  # [heads, rank]
        q_rows = builder.node("Concat", [absorbed, q_rope], axis=-1)  # [heads, rank + rope]
        mixed = attend_in_place(context, q_rows, (past, past), (new, new), at, scale)  # [heads, rank + rope]
        # The output is sliced to the latent, never the cache: slicing the cache would copy it.
        mixed = builder.node("Slice", [mixed, builder.int64(0), builder.int64(rank), builder.int64(-1)])
        mixed = builder.node("Unsqueeze", [mixed, builder.int64(1)])  # [heads, rank] -> [heads, 1, rank]
        values = linear_per_head(context, mixed, f"{name}.up_value", up_value)  # [heads, 1, width]
        builder.node("Reshape", [values, builder.int64(1, 1, heads * width)], into=decoded)  # [1, 1, heads * width]

    prefilled = builder.fresh("prefilled")
    with builder.body(prefilled) as prefill:
        rows = builder.node("Concat", [past, new], axis=0)  # [total, rank + rope]
        latents, k_ropes = builder.nodes("Split", [rows, builder.int64(rank, rope)], 2, axis=-1)
        expanded = linear_of_rows(context, latents, f"{name}.kv_b_proj", kv_b, f"{name}.kv_b_proj")
        # [total, heads * (nope + width)] -> [total, heads, nope + width] -> [heads, total, nope + width]
        expanded = builder.node("Reshape", [expanded, builder.int64(-1, heads, nope + width)])
        expanded = builder.node("Transpose", [expanded], perm=[1, 0, 2])
        keys, values = builder.nodes("Split", [expanded, builder.int64(nope, width)], 2, axis=-1)
        scores = []
        for q_part, k_part, size in ((q_nope, keys, nope), (q_rope, k_ropes, rope)):
            # [1, seq, heads * size] or [seq * heads, size] -> [seq, heads, size] -> [heads, seq, size]
            by_position = builder.node("Reshape", [q_part, builder.int64(-1, heads, size)])
            queries = builder.node("Transpose", [by_position], perm=[1, 0, 2])
            scores.append(operators.scaled_scores(queries, k_part, scale))  # [heads, seq, total]
        attend_causally(builder, builder.node("Add", scores), values, at, heads * width, prefilled)

    out = builder.branch(at.is_decode, decode[0], prefill[0])  # [1, seq, heads * width]
    return linear(context, out, f"{name}.o_proj")
