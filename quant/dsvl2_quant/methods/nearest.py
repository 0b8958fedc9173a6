"""Every weight goes to its nearest integer; the scale is searched for by the error of the weights alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dsvl2_quant.formats.blocks import BlockFormat, BlockWeight, split_into_blocks
from dsvl2_quant.formats.columns import LARGEST, ColumnFormat, ColumnWeight
from dsvl2_quant.formats.integers import Integers
from dsvl2_quant.methods.quantizer import LinearInput

CHUNK_ELEMENTS = 1 << 18
"""Values quantised at a time: their temporaries stay in the second-level cache, which doubles the rate."""
SHRINKS = {4: tuple(1 - step * 0.035 for step in range(8)), 8: (1.0,)}
"""By bits: candidate scales relative to the one that represents the block's extreme value exactly."""


@dataclass(frozen=True, slots=True)
class Nearest:
    """A `Quantizer` that needs no activations."""

    @property
    def identity(self) -> str:
        """There is nothing to set."""
        return "nearest"

    def blocks(self, weight: NDArray[np.float32], form: BlockFormat, reads: LinearInput | None = None) -> BlockWeight:  # noqa: ARG002
        """Quantise a weight [out_features, in_features]; see `quantize_blocks`."""
        return quantize_blocks(weight, form)

    def columns(
        self,
        weight: NDArray[np.float32],
        form: ColumnFormat,  # noqa: ARG002
        reads: LinearInput | None = None,  # noqa: ARG002
    ) -> ColumnWeight:
        """Quantise a weight [..., in_features, out_features]; see `quantize_columns`."""
        return quantize_columns(weight)


def quantize_blocks(weight: NDArray[np.float32], form: BlockFormat) -> BlockWeight:
    """Quantise a weight [out_features, in_features] float32.

    The block's value of largest magnitude maps to the most negative integer (the signed range has one more negative
    value), so the scale takes the opposite sign of that value. In 4 bit some smaller scales are tried as well, and each
    block keeps the one with the least squared error.

    Raises:
        UsageError: a value is not finite.
    """
    out_features, in_features = weight.shape
    found = BlockWeight.empty(out_features, in_features, form)
    step = max(1, CHUNK_ELEMENTS // (form.blocks_of(in_features) * form.block_size))
    for start in range(0, out_features, step):
        rows = slice(start, start + step)
        found.put(rows, *_nearest(split_into_blocks(weight[rows], form), form.integers))
    return found


def quantize_columns(weight: NDArray[np.float32]) -> ColumnWeight:
    """Quantise [..., in_features, out_features] float32 with one scale per column; a column of zeros gets scale 1."""
    extreme = np.abs(weight).max(axis=-2)
    scales = np.where(extreme > 0, extreme / LARGEST, 1).astype(np.float32)
    values = np.clip(np.rint(weight / scales[..., None, :]), -LARGEST, LARGEST).astype(np.int8)
    return ColumnWeight(values, scales)


def _nearest(blocks: NDArray[np.float32], integers: Integers) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """[rows, blocks, block_size] -> whole numbers of the same shape and scales [rows, blocks]."""
    at = np.abs(blocks).argmax(axis=-1, keepdims=True)
    extreme = np.take_along_axis(blocks, at, axis=-1)[..., 0] / np.float32(integers.lowest)
    best_error = np.full(extreme.shape, np.nan, np.float32)
    best_scale = extreme.copy()
    best, rounded, difference = np.zeros_like(blocks), np.empty_like(blocks), np.empty_like(blocks)
    for shrink in SHRINKS[integers.bits]:
        scale = extreme * np.float32(shrink)
        with np.errstate(divide="ignore", over="ignore"):
            inverse = np.where(scale == 0, np.float32(0), np.float32(1) / scale)
        # A subnormal scale has no finite inverse; such a block is as good as zero.
        inverse[~np.isfinite(inverse)] = 0
        np.multiply(blocks, inverse[..., None], out=rounded)
        np.rint(rounded, out=rounded)
        np.clip(rounded, integers.lowest, integers.highest, out=rounded)
        np.multiply(rounded, scale[..., None], out=difference)
        np.subtract(difference, blocks, out=difference)
        error = np.einsum("rbk,rbk->rb", difference, difference)
        # The first scale is taken even where squares of huge values overflow.
        better = ~(error >= best_error)
        np.copyto(best_error, error, where=better)
        np.copyto(best_scale, scale, where=better)
        np.copyto(best, rounded, where=better[..., None])
    return best, best_scale
