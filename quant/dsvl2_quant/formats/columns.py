"""Symmetric int8 per output column: the weights of `DynamicQuantizeMatMul`.

Signed weights take the int8 dot-product instructions directly and are twice as fast as unsigned ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray

from dsvl2_quant.formats.float32 import FLOAT32_BYTES

LARGEST = 127


@dataclass(frozen=True, slots=True)
class ColumnFormat:
    """Signed 8-bit integers with one float32 scale per output column."""

    def bytes_of(self, shape: tuple[int, ...]) -> int:
        """Bytes of a weight [..., out_features, in_features], integers and scales."""
        return prod(shape) + prod(shape[:-1]) * FLOAT32_BYTES

    def __str__(self) -> str:
        return "int8 columns"


@dataclass(frozen=True, slots=True)
class ColumnWeight:
    """A quantised weight, ready for `A B`."""

    values: NDArray[np.int8]
    """[..., in_features, out_features], -127..127."""
    scales: NDArray[np.float32]
    """[..., out_features]."""


def dequantize_columns(weight: ColumnWeight) -> NDArray[np.float32]:
    """The weight as the kernel uses it, [..., in_features, out_features] float32."""
    return weight.values.astype(np.float32) * weight.scales[..., None, :]
