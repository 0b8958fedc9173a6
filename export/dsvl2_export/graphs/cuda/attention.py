"""Attention of one layer for a GPU: one position over a fixed buffer, or many behind a past.

A step reads a buffer of all positions of the context, with a mask that hides those that are not written yet: its shape
never changes, so it can be captured as a CUDA graph, and its cost does not depend on how much is cached. The new row is
written into the buffer where it lies (`ScatterND` with input and output bound to one address).

A prompt expands keys and values per head and runs `MultiHeadAttention`, which hides later positions by itself. Its
kernel that needs no plan for each new length (`target.CUDA_OPTIONS`) wants heads of one width, so values are filled up
to that of keys. ONNX's own `Attention` gave wrong rows for heads of unequal width, and `GroupQueryAttention` takes no
heads above 512.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dsvl2_export.graphs.cuda.stored_weights import StoredWeights
from dsvl2_export.graphs.cuda.writer import CudaWriter
from dsvl2_export.graphs.decoder.positions import rope_tables
from dsvl2_runtime.config import KV_A_NORM_EPS, LanguageConfig
from dsvl2_runtime.graphs.graph_io import POSITION_IDS, CacheTensor


@dataclass(frozen=True, slots=True)
class Place:
    """Names of what all layers of one graph share."""

    position_ids: str
    """[1, seq] int64."""
    mask: str
    """Added to scores: of a step [1, context], of a prompt for the CPU [1, 1, seq, total]; else a prompt has none."""
    cos: str
    sin: str
    index: str = ""
    """Of a step: where each value of its row goes, [row, 2] int64 of `row_index`; empty in the graph of a prompt."""


def row_index(writer: CudaWriter, row: int) -> str:
    """Where the values of the row of a step lie in its buffers [context, row]: [row, 2] int64.

    `ScatterND` copies what belongs to one index by one thread, so each value has its own; a row with one index took
    18 µs on an H100, a sixth of the whole step.
    """
    columns = np.stack([np.zeros(row, np.int64), np.arange(row)], axis=-1)  # [row, 2]
    down = writer.node("Mul", [POSITION_IDS, writer.constant(np.array([[1, 0]]))])  # [1, 2]
    return writer.node("Add", [down, writer.constant(columns)])


def rope(writer: CudaWriter, config: LanguageConfig) -> tuple[str, str]:
    """Names of the tables, [context, rope_dim / 2]."""
    cos, sin = rope_tables(config)
    element = writer.form.decoder
    return writer.typed("rope.cos", lambda: cos, element), writer.typed("rope.sin", lambda: sin, element)


def latent_attention(
    writer: CudaWriter, stored: StoredWeights, config: LanguageConfig, x: str, name: str, cache: CacheTensor, at: Place
) -> str:
    """Multi-head latent attention: [1, seq, hidden] -> [1, seq, hidden]; see `decoder/latent_attention.py`."""
    heads, rank, hidden = config.num_attention_heads, config.latent_rank, config.hidden_size
    nope, rotated_width, width = config.qk_nope_head_dim, config.qk_rope_head_dim, config.v_head_dim
    row, element, scale = rank + rotated_width, writer.form.decoder, float(config.head_dim**-0.5)
    both = f"{name}.q_and_kv_a_proj"
    projected = writer.block_linear(x, both, lambda: stored.blocks(both, hidden), element)
    q_nope, rotated, latent = writer.split(projected, heads * nope, (heads + 1) * rotated_width, rank)
    rotated = writer.contrib("RotaryEmbedding", [rotated, at.position_ids, at.cos, at.sin], interleaved=1)
    q_rope, k_rope = writer.split(rotated, heads * rotated_width, rotated_width)
    norm = f"{name}.kv_a_layernorm"
    latent = writer.rms_norm(latent, norm, lambda: stored.array(norm), KV_A_NORM_EPS)
    rows = writer.node("Concat", [latent, k_rope], axis=-1)  # [1, seq, row]

    def kv_b() -> NDArray[np.float32]:
        whole = stored.dequantized(f"{name}.kv_b_proj", rank)
        return whole.reshape(heads, nope + width, rank)  # [heads, nope + width, rank]

    if at.index:
        up_key = writer.typed(f"{name}.up_key", lambda: kv_b()[:, :nope], element)  # [heads, nope, rank]
        up_value = writer.typed(f"{name}.up_value", lambda: kv_b()[:, nope:].transpose(0, 2, 1), element)
        absorbed = writer.node("MatMul", [writer.reshape(q_nope, heads, 1, nope), up_key])  # [heads, 1, rank]
        parts = [writer.reshape(absorbed, heads, rank), writer.reshape(q_rope, heads, rotated_width)]
        queries = writer.node("Concat", parts, axis=-1)  # [heads, row]
        writer.node("ScatterND", [cache.past, at.index, writer.reshape(rows, row)], into=cache.new)  # [context, row]
        mixed = _attend(writer, queries, cache.new, cache.new, at.mask, scale)  # [heads, row]
        mixed = writer.reshape(writer.slice_of(mixed, 0, rank, 1), heads, 1, rank)
        out = writer.reshape(writer.node("MatMul", [mixed, up_value]), 1, 1, heads * width)
    else:
        rows = writer.reshape(rows, -1, row)
        writer.node("Identity", [rows], into=cache.new)
        rows = writer.node("Concat", [cache.past, rows], axis=0)  # [total, row]
        latents, k_ropes = writer.split(rows, rank, rotated_width)

        def expand() -> NDArray[np.float32]:
            parts = [kv_b()[:, :nope].reshape(-1, rank), kv_b()[:, nope:].reshape(-1, rank)]
            return np.concatenate(parts).T  # [rank, heads * nope + heads * width]

        expanded = writer.node("MatMul", [latents, writer.typed(f"{name}.kv_b", expand, element)])
        keys, values = writer.split(expanded, heads * nope, heads * width)
        k_ropes = writer.reshape(k_ropes, 1, -1, 1, rotated_width)
        k_ropes = writer.node("Expand", [k_ropes, writer.int64(1, 1, heads, 1)])  # [1, total, heads, rope]
        keys = writer.node("Concat", [writer.reshape(keys, 1, -1, heads, nope), k_ropes], axis=-1)
        values = writer.reshape(values, 1, -1, heads, width)
        by_head = [writer.reshape(part, 1, -1, heads, size) for part, size in ((q_nope, nope), (q_rope, rotated_width))]
        joined = writer.node("Concat", by_head, axis=-1)
        out = _attend_causally(writer, joined, keys, values, (heads, config.head_dim, width), at.mask, scale)
    return writer.block_linear(out, f"{name}.o_proj", lambda: stored.blocks(f"{name}.o_proj", heads * width), element)


def plain_attention(
    writer: CudaWriter,
    stored: StoredWeights,
    config: LanguageConfig,
    x: str,
    name: str,
    cache: Sequence[CacheTensor],
    at: Place,
) -> str:
    """Attention with whole keys and values: [1, seq, hidden] -> [1, seq, hidden]; see `decoder/plain_attention.py`.

    A step spreads each head's query over a whole row, zero outside its own head, so that the buffer is read as it lies.
    """
    heads, width, hidden = config.num_attention_heads, config.head_dim, config.hidden_size
    row, element, scale = heads * width, writer.form.decoder, float(width**-0.5)
    keys_at, values_at = cache
    qkv = f"{name}.qkv_proj"
    projected = writer.block_linear(x, qkv, lambda: stored.blocks(qkv, hidden), element)
    rotated, v = writer.split(projected, 2 * row, row)
    rotated = writer.contrib("RotaryEmbedding", [rotated, at.position_ids, at.cos, at.sin], interleaved=0)
    q, k = writer.split(rotated, row, row)
    if at.index:
        own_head: NDArray[np.float32] = np.repeat(np.eye(heads, dtype=np.float32), width, axis=1)  # [heads, row]
        own = writer.typed("own_head", lambda: own_head, element)
        queries = writer.node("Mul", [writer.reshape(q, 1, row), own])  # [heads, row]
        for tensor, part in ((keys_at, k), (values_at, v)):
            writer.node("ScatterND", [tensor.past, at.index, writer.reshape(part, row)], into=tensor.new)
        mixed = _attend(writer, queries, keys_at.new, values_at.new, at.mask, scale)  # [heads, row]
        ones = writer.number(np.ones((1, heads), np.float32), element)
        out = writer.reshape(writer.node("MatMul", [ones, writer.node("Mul", [mixed, own])]), 1, 1, row)
    else:
        k_rows, v_rows = (writer.reshape(part, -1, row) for part in (k, v))  # [seq, row]
        writer.node("Identity", [k_rows], into=keys_at.new)
        writer.node("Identity", [v_rows], into=values_at.new)
        pairs = ((keys_at.past, k_rows), (values_at.past, v_rows))
        k, v = (writer.reshape(writer.node("Concat", list(pair), axis=0), 1, -1, heads, width) for pair in pairs)
        q = writer.reshape(q, 1, -1, heads, width)
        out = _attend_causally(writer, q, k, v, (heads, width, width), at.mask, scale)
    return writer.block_linear(out, f"{name}.o_proj", lambda: stored.blocks(f"{name}.o_proj", row), element)


def _attend(writer: CudaWriter, queries: str, keys: str, values: str, mask: str, scale: float) -> str:
    """[heads, row] over a buffer [context, row] -> [heads, row]."""
    scores = writer.contrib("FusedMatMul", [queries, keys], transB=1, alpha=scale)  # [heads, context]
    weights = writer.node("Softmax", [writer.node("Add", [scores, mask])], axis=-1)
    return writer.node("MatMul", [weights, values])


def _attend_causally(
    writer: CudaWriter, q: str, k: str, v: str, sizes: tuple[int, int, int], mask: str, scale: float
) -> str:
    """The last positions over all: [1, seq, heads, width] -> [1, seq, heads * width of a value].

    Args:
        writer: of the graph.
        q: queries [1, seq, heads, width].
        k: keys [1, total, heads, width].
        v: values [1, total, heads, width of a value].
        sizes: heads, their width, and that of a value, which is no larger.
        mask: [1, 1, seq, total] to add; empty where the kernel hides later positions by itself.
        scale: of the scores.
    """
    heads, width, value_width = sizes
    if not mask and value_width < width:  # what fills them up is cut off again; some of the keys are as good as zeros
        v = writer.node("Concat", [v, writer.slice_of(k, value_width, width, 3)], axis=-1)
    whole_value = value_width if mask else width
    q, k = (writer.reshape(part, 1, -1, heads * width) for part in (q, k))
    v = writer.reshape(v, 1, -1, heads * whole_value)
    if mask:
        return writer.contrib("MultiHeadAttention", [q, k, v, "", "", mask], num_heads=heads, scale=scale)
    out = writer.contrib("MultiHeadAttention", [q, k, v], num_heads=heads, scale=scale, unidirectional=1)
    if value_width == width:
        return out
    out = writer.slice_of(writer.reshape(out, 1, -1, heads, width), 0, value_width, 3)
    return writer.reshape(out, 1, -1, heads * value_width)
