"""Attention of a decoder in NumPy, in double precision, by its formula."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

F = np.float32


def softmax(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    result: NDArray[np.float64] = weights / weights.sum(-1, keepdims=True)
    return result


def plain_step(q: NDArray[F], keys: NDArray[F], values: NDArray[F]) -> NDArray[np.float64]:
    """[heads, seq, width] over [total, heads * width], the last rows of which are the positions' own -> [seq, row]."""
    heads, seq, width = q.shape
    total = len(keys)
    by_head = [rows.reshape(total, heads, width).transpose(1, 0, 2).astype(np.float64) for rows in (keys, values)]
    scores = q.astype(np.float64) @ by_head[0].transpose(0, 2, 1) / np.sqrt(width)
    hidden = np.arange(total)[None, :] > np.arange(total - seq, total)[:, None]
    mixed = softmax(np.where(hidden, -np.inf, scores)) @ by_head[1]
    return np.asarray(mixed.transpose(1, 0, 2).reshape(seq, -1), np.float64)


def latent_step(
    q_nope: NDArray[F],
    q_rope: NDArray[F],
    rows: NDArray[F],
    up_key: tuple[NDArray[np.int8], NDArray[F]],
    up_value: tuple[NDArray[np.int8], NDArray[F]],
) -> NDArray[np.float64]:
    """[heads, nope], [heads, rope], [total, rank + rope] -> [heads, value]; matrices as int8 and scales per column."""
    key, value = (matrix.astype(np.float64) * scales.astype(np.float64) for matrix, scales in (up_key, up_value))
    nope, rope = q_nope.shape[1], q_rope.shape[1]
    rank = key.shape[2]
    latent = np.einsum("hn,hnr->hr", np.float64(q_nope), key)
    scores = latent @ rows[:, :rank].T + q_rope @ np.float64(rows[:, rank:]).T
    mixed = softmax(scores / np.sqrt(nope + rope)) @ rows[:, :rank]
    result: NDArray[np.float64] = np.einsum("hr,hrv->hv", mixed, value)
    return result


def bf16(values: NDArray[F]) -> NDArray[np.uint16]:
    """The bits of values rounded to bfloat16, to the even one of two."""
    bits = np.ascontiguousarray(values, F).view(np.uint32).astype(np.uint64)
    upper: NDArray[np.uint16] = ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16)
    return upper


def widened(halves: NDArray[np.uint16]) -> NDArray[F]:
    """The values of bfloat16 from their bits."""
    return (halves.astype(np.uint32) << 16).view(F)


def split(values: NDArray[Any]) -> NDArray[np.float64]:
    """fp32 as the sum of two bf16, each rounded to the nearest, halves away from zero."""

    def high_half(x: NDArray[F]) -> NDArray[F]:
        return ((x.view(np.uint32) + np.uint32(0x8000)) & np.uint32(0xFFFF0000)).view(F)

    x = np.ascontiguousarray(values, F)
    high = high_half(x)
    return high.astype(np.float64) + high_half(x - high)


def split_latent_step(
    q_nope: NDArray[F],
    q_rope: NDArray[F],
    rows: NDArray[F],
    up_key: tuple[NDArray[np.int8], NDArray[F]],
    up_value: tuple[NDArray[np.int8], NDArray[F]],
) -> NDArray[np.float64]:
    """`latent_step` over rows of bf16 with queries and weights split in two of them, all other sums exact."""
    key, value = (matrix.astype(np.float64) * scales.astype(np.float64) for matrix, scales in (up_key, up_value))
    nope, rope = q_nope.shape[1], q_rope.shape[1]
    rank = key.shape[2]
    latent = np.einsum("hn,hnr->hr", np.float64(q_nope), key)
    queries = np.concatenate([latent, q_rope], -1) * (np.log2(np.e) / np.sqrt(nope + rope))
    scores = split(queries) @ rows.T
    weights = np.exp2(scores - scores.max(-1, keepdims=True))
    mixed = split(weights) @ rows[:, :rank] / weights.sum(-1, keepdims=True)
    result: NDArray[np.float64] = np.einsum("hr,hrv->hv", mixed, value)
    return result


def latent_prompt(
    q_nope: NDArray[F], q_rope: NDArray[F], expanded: NDArray[F], rows: NDArray[F], heads: int
) -> NDArray[np.float64]:
    """[seq, heads * nope], [seq * heads, rope], [total, heads * (nope + value)], rows -> [seq, heads * value]."""
    seq, total = len(q_nope), len(rows)
    nope, rope = q_nope.shape[1] // heads, q_rope.shape[1]
    q = np.concatenate([q_nope.reshape(seq, heads, nope), q_rope.reshape(seq, heads, rope)], -1, dtype=np.float64)
    both = expanded.reshape(total, heads, -1).astype(np.float64)
    k_rope = np.broadcast_to(rows[:, None, rows.shape[1] - rope :], (total, heads, rope))
    k = np.concatenate([both[..., :nope], k_rope], -1)
    scores = np.einsum("shd,thd->hst", q, k) / np.sqrt(nope + rope)
    hidden = np.arange(total)[None, :] > np.arange(total - seq, total)[:, None]
    mixed = softmax(np.where(hidden, -np.inf, scores)) @ both[..., nope:].transpose(1, 0, 2)
    return np.asarray(mixed.transpose(1, 0, 2).reshape(seq, -1), np.float64)
