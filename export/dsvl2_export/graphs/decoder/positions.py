"""What all layers of the decoder share: where the new positions are, what they may attend to, how they are rotated."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dsvl2_export.graphs.builder import GraphBuilder
from dsvl2_export.graphs.decoder.context import DecoderContext
from dsvl2_runtime.config import LanguageConfig


@dataclass(frozen=True, slots=True)
class Positions:
    """Names of the shared tensors."""

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


def write_positions(
    builder: GraphBuilder, inputs_embeds: str, position_ids: str, past: str, config: LanguageConfig
) -> Positions:
    """Write the tensors that every layer needs.

    Args:
        builder: the graph.
        inputs_embeds: [1, seq, hidden] float32.
        position_ids: [1, seq] int64.
        past: [past, row], any one of the cache inputs.
        config: sizes.
    """
    one = builder.constant(np.array(1, np.int64))
    seq = builder.node("Shape", [inputs_embeds], start=1, end=2)  # [1]
    is_decode = builder.node("Equal", [seq, builder.int64(1)])
    cached = builder.node("Shape", [past], start=0, end=1)  # [1]
    past_and_one = builder.node("Concat", [cached, builder.int64(1)], axis=0)
    total = builder.node("Add", [cached, seq])
    keys = builder.node("Range", [builder.constant(np.array(0, np.int64)), total, one])  # [total]
    queries = builder.node("Reshape", [position_ids, builder.int64(-1, 1)])  # [1, seq] -> [seq, 1]
    hidden = builder.node("Greater", [keys, queries])  # [seq, total]
    mask = builder.node("Where", [hidden, builder.scalar(-np.inf), builder.scalar(0.0)])
    cos, sin = rope_tables(config)
    tables = builder.weight("rope.cos", cos), builder.weight("rope.sin", sin)
    return Positions(position_ids, is_decode, mask, past_and_one, *tables)


def rotate(context: DecoderContext, x: str, at: Positions, *, interleaved: bool) -> str:
    """Rotary embedding of [1, heads, seq, rope_dim] or [1, seq, heads * rope_dim]; the shape stays."""
    return context.operators.rotary_embedding(x, at.position_ids, at.cos, at.sin, interleaved=interleaved)
