"""Symmetric block formats: the weights of `MatMulNBits`, `QMoE` and `GatherBlockQuantized`.

A row of a weight [out_features, in_features] is cut into blocks along in_features; a block is stored as integers and
one float32 scale, value = (integer - zero_point) * scale with zero_point 8 (4 bit) or 128 (8 bit). The last block of a
row may be partial; it is filled with zeros. Layout: `docs/ContribOperators.md`, MatMulNBits, of ONNX Runtime.
Asymmetric blocks are not offered: with AVX2 alone ONNX Runtime computes them wrongly (microsoft/onnxruntime#29853).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Self

import numpy as np
from numpy.typing import NDArray

from dsvl2_quant.formats.float32 import FLOAT32_BYTES
from dsvl2_quant.formats.integers import INTEGERS, Integers
from dsvl2_runtime.errors import UsageError

SMALLEST_BLOCK = 16
"""Elements; ONNX Runtime has no kernel below (`matmul_nbits.cc`)."""


@dataclass(frozen=True, slots=True)
class BlockFormat:
    """Symmetric blocks along the input features.

    Raises:
        UsageError: ONNX Runtime has no kernels for these bits or this block size.
    """

    bits: int
    """Per weight: 4 or 8."""
    block_size: int
    """Weights that share a scale, a power of two from 16."""

    def __post_init__(self) -> None:
        if self.bits not in INTEGERS:
            kernels = " and ".join(map(str, INTEGERS))
            raise UsageError(f"{self.bits} bits per weight were asked for; there are kernels for {kernels}")
        if self.block_size < SMALLEST_BLOCK or self.block_size & (self.block_size - 1):
            raise UsageError(
                f"a block of {self.block_size} was asked for; it must be a power of two from {SMALLEST_BLOCK}"
            )

    @property
    def integers(self) -> Integers:
        """Range and packing of the stored integers."""
        return INTEGERS[self.bits]

    @property
    def packed_block_bytes(self) -> int:
        """Bytes of the integers of one block."""
        return self.integers.packed_bytes(self.block_size)

    def blocks_of(self, in_features: int) -> int:
        """Blocks in one row; the last one may be partial."""
        return -(-in_features // self.block_size)

    def bytes_of(self, shape: tuple[int, ...]) -> int:
        """Bytes of a weight of this shape, integers and scales."""
        return prod(shape[:-1]) * self.blocks_of(shape[-1]) * (self.packed_block_bytes + FLOAT32_BYTES)

    def __str__(self) -> str:
        return f"int{self.bits} block {self.block_size}"


@dataclass(frozen=True, slots=True)
class BlockWeight:
    """A quantised weight; a method fills it some rows at a time."""

    packed: NDArray[np.uint8]
    """[out_features, blocks, packed_block_bytes]; 4-bit values in pairs, the first one in the low nibble."""
    scales: NDArray[np.float32]
    """[out_features, blocks]; may be negative."""
    form: BlockFormat
    in_features: int

    @classmethod
    def empty(cls, out_features: int, in_features: int, form: BlockFormat) -> Self:
        """Room for a weight [out_features, in_features] whose rows are not set yet."""
        blocks = form.blocks_of(in_features)
        packed = np.empty((out_features, blocks, form.packed_block_bytes), np.uint8)
        return cls(packed, np.empty((out_features, blocks), np.float32), form, in_features)

    def put(self, rows: slice, values: NDArray[np.float32], scales: NDArray[np.float32]) -> None:
        """Set some rows.

        Args:
            rows: which ones.
            values: [rows, blocks, block_size] whole numbers in the range of the format.
            scales: [rows, blocks].
        """
        integers = self.form.integers
        self.packed[rows] = integers.pack((values + np.float32(integers.zero_point)).astype(np.uint8))
        self.scales[rows] = scales


def split_into_blocks(rows: NDArray[np.float32], form: BlockFormat) -> NDArray[np.float32]:
    """[rows, in_features] -> [rows, blocks, block_size], a copy whose last block is filled with zeros.

    Raises:
        UsageError: a value is not finite.
    """
    count, in_features = rows.shape
    blocks = form.blocks_of(in_features)
    filled = np.zeros((count, blocks * form.block_size), np.float32)
    filled[:, :in_features] = rows
    if not np.isfinite(filled).all():
        raise UsageError("the weight holds values that are not finite, which no block format can store")
    return filled.reshape(count, blocks, form.block_size)


def dequantize_blocks(weight: BlockWeight) -> NDArray[np.float32]:
    """The weight as the kernels use it, [out_features, in_features] float32."""
    integers = weight.form.integers
    values = integers.unpack(weight.packed)
    full = (values.astype(np.float32) - np.float32(integers.zero_point)) * weight.scales[..., None]
    return full.reshape(len(full), -1)[:, : weight.in_features]


def fitting_block_size(sizes: Sequence[int], preferred: int) -> int:
    """The largest power of two, at most `preferred`, that divides every size; `QMoE` takes no partial blocks.

    Raises:
        UsageError: no such block of at least 16 exists.
    """
    block_size = preferred
    while block_size >= SMALLEST_BLOCK:
        if all(size % block_size == 0 for size in sizes):
            return block_size
        block_size //= 2
    raise UsageError(
        f"sizes {', '.join(map(str, sizes))} have no common block of at least {SMALLEST_BLOCK}; "
        "export this model with --precision fp32"
    )
