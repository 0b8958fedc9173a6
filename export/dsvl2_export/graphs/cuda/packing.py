"""The layout in which ONNX Runtime's `QMoE` reads 4- and 8-bit weights on a GPU, `weights_prepacked=-1`.

ONNX Runtime gives every GPU the layout of compute capability 8.0. A kernel there loads columns of a tile together, so
rows of the input are permuted, columns are interleaved, and values within a word are shuffled for its conversion to
floats. Source: `contrib_ops/cuda/llm/fpA_intB_gemm_preprocessors_impl.cu` of ONNX Runtime.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dsvl2_quant.formats.integers import INTEGERS
from dsvl2_runtime.errors import UsageError

TILE = 64
"""Input features that are loaded together; a weight has whole tiles of them, and whole tiles of outputs."""
WORD_BITS = 32
INTERLEAVED_BITS = 16
"""Columns are interleaved as often as a value goes into so many bits."""
WORD_ORDER = {4: (0, 2, 4, 6, 1, 3, 5, 7), 8: (0, 2, 1, 3)}
"""By bits: which value of a word stands where."""
PAIR = 2
"""Neighbouring rows that stay together."""


def row_order(bits: int) -> NDArray[np.int64]:
    """Within one group of rows, which row stands where: pairs from four quarters of eight take turns.

    4 bit: 0 1 8 9 16 17 24 25, 2 3 10 11 …; 8 bit: 0 1 8 9, 2 3 10 11 ….
    """
    quarters = INTERLEAVED_BITS // bits
    rows = np.arange(quarters * 8).reshape(quarters, 8 // PAIR, PAIR)  # [quarters, pairs, 2]
    return rows.transpose(1, 0, 2).reshape(-1)


def require_tiles(sizes: dict[str, int]) -> None:
    """Refuse sizes that the kernels do not take.

    Raises:
        UsageError: a size is no multiple of a tile.
    """
    wrong = [f"{name} {size}" for name, size in sizes.items() if size % TILE]
    if wrong:
        raise UsageError(
            f"the GPU's kernels for experts take multiples of {TILE}, but this model has {', '.join(wrong)}"
        )


def pack_experts(raw: NDArray[np.uint8], bits: int) -> NDArray[np.uint8]:
    """Weights of experts as the CPU reads them to the layout of the GPU; the bytes of one expert stay together.

    Args:
        raw: [experts, out_features, in_features * bits / 8].
        bits: 4 or 8.

    Returns:
        The same shape, as the operator declares it; each expert is [in_features, out_features * bits / 8] in truth.
    """
    return np.stack([_pack(INTEGERS[bits].unpack(expert), bits).reshape(expert.shape) for expert in raw])


def _pack(values: NDArray[np.uint8], bits: int) -> NDArray[np.uint8]:
    """[out_features, in_features] of one integer a byte -> the packed bytes in their order."""
    out_features, in_features = values.shape
    order = row_order(bits)
    rows = (np.arange(0, in_features, len(order))[:, None] + order).reshape(-1)
    columns = INTERLEAVED_BITS // bits
    tiles = values[:, rows].reshape(out_features // columns, columns, in_features // TILE, TILE)
    words = tiles.transpose(0, 2, 1, 3).reshape(-1, WORD_BITS // bits)
    return INTEGERS[bits].pack(np.ascontiguousarray(words[:, WORD_ORDER[bits]].reshape(-1)))
