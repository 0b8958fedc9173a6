"""Attention over a cache of rows, without any cache operator: what latent and plain attention have in common.

The past rows come in as a view of the caller's buffer and the new rows go out right after them, so the graph joins
scores, not caches. One position (a decode step) runs in another branch than many (prefill):

* decode: all heads are rows of one matrix product over the cached rows, which are read once and never copied;
* prefill: keys and values are expanded per head, which takes a third of the multiplications.

Weights that both branches use are outside them; otherwise each branch would pack its own copy.
"""

from __future__ import annotations

from dsvl2_export.graphs.builder import GraphBuilder
from dsvl2_export.graphs.decoder.context import DecoderContext
from dsvl2_export.graphs.decoder.positions import Positions


def attend_in_place(
    context: DecoderContext, queries: str, past: tuple[str, str], new: tuple[str, str], at: Positions, scale: float
) -> str:
    """Attention of query rows over past and new rows, for one position.

    Args:
        context: of the decoder.
        queries: [heads, row]; with three axes the heads would read the cache one by one.
        past: (keys, values), each [past, row]; views of the cache.
        new: (keys, values), each [1, row].
        at: the position.
        scale: of the scores.

    Returns:
        [heads, row], the mixed value rows.
    """
    builder = context.builder
    scores = [context.operators.scaled_scores(queries, keys, scale) for keys in (past[0], new[0])]
    weights = builder.node("Softmax", [builder.node("Concat", scores, axis=-1)], axis=-1)  # [heads, past + 1]
    over_past, over_new = builder.nodes("Split", [weights, at.past_and_one], 2, axis=-1)
    return builder.node("Gemm", [over_new, new[1], builder.node("MatMul", [over_past, past[1]])])


def attend_causally(builder: GraphBuilder, scores: str, values: str, at: Positions, row: int, into: str) -> None:
    """Softmax of masked scores [heads, seq, total] over values [heads, total, width], written as [1, seq, row]."""
    weights = builder.node("Softmax", [builder.node("Add", [scores, at.mask])], axis=-1)
    mixed = builder.node("Transpose", [builder.node("MatMul", [weights, values])], perm=[1, 0, 2])
    builder.node("Reshape", [mixed, builder.int64(1, -1, row)], into=into)  # [seq, heads, width] -> [1, seq, row]
