"""Symmetric int8 per output column: the weights of `DynamicQuantizeMatMul`.

Signed weights take the int8 dot-product instructions directly and are twice as fast as unsigned ones.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LARGEST = 127


@dataclass(frozen=True, slots=True)
class ColumnWeight:
    """A quantised weight, ready for `A B`."""

    values: NDArray[np.int8]
    """[..., in_features, out_features], -127..127."""
    scales: NDArray[np.float32]
    """[..., out_features]."""


def quantize_columns(weight: NDArray[np.float32]) -> ColumnWeight:
    """Quantise [..., in_features, out_features] float32 with one scale per column; a column of zeros gets scale 1."""
    extreme = np.abs(weight).max(axis=-2)
    scales = np.where(extreme > 0, extreme / LARGEST, 1).astype(np.float32)
    values = np.clip(np.rint(weight / scales[..., None, :]), -LARGEST, LARGEST).astype(np.int8)
    return ColumnWeight(values, scales)


def dequantize_columns(weight: ColumnWeight) -> NDArray[np.float32]:
    """[..., in_features, out_features] float32."""
    return weight.values.astype(np.float32) * weight.scales[..., None, :]
