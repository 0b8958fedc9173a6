"""The integers that weights are stored as: the one table of their ranges and of their layout in bytes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Packing = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]


def pack_int4(values: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """[..., n] of 0..15 -> [..., n / 2], the first of each pair in the low nibble; n is even."""
    return values[..., 0::2] | np.left_shift(values[..., 1::2], 4, dtype=np.uint8)


def unpack_int4(packed: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The inverse of `pack_int4`."""
    values = np.empty((*packed.shape[:-1], packed.shape[-1] * 2), np.uint8)
    values[..., 0::2] = packed & 15
    values[..., 1::2] = packed >> 4
    return values


@dataclass(frozen=True, slots=True)
class Integers:
    """Unsigned integers that encode signed ones: value = integer - zero_point."""

    bits: int
    pack: Packing
    """[..., n] of one integer a byte -> [..., n * bits / 8]."""
    unpack: Packing
    """The inverse of `pack`."""

    @property
    def zero_point(self) -> int:
        """The integer that encodes 0."""
        return 1 << (self.bits - 1)

    @property
    def lowest(self) -> int:
        """The most negative value; its opposite is out of range."""
        return -self.zero_point

    @property
    def highest(self) -> int:
        """The largest value."""
        return self.zero_point - 1

    def packed_bytes(self, count: int) -> int:
        """Bytes of `count` integers."""
        return count * self.bits // 8


INTEGERS: Mapping[int, Integers] = {
    4: Integers(4, pack_int4, unpack_int4),
    8: Integers(8, lambda values: values, lambda packed: packed),
}
"""By bits per weight: those that ONNX Runtime has kernels for with quantised activations."""
