"""Types of values in cached rows and in a GPU's memory, and their way to float32 and back; NumPy knows no bfloat16."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Element:
    """One type."""

    onnx: int
    """Of `TensorProto.DataType`."""
    nbytes: int
    dlpack: tuple[int, int]
    """(code, bits) of `DLDataType`."""
    dtype: type[np.generic]
    """NumPy's, of the same bits."""
    largest: float = float(np.finfo(np.float32).max)
    """The largest value, of those that cached rows may have."""


FLOAT32 = Element(1, 4, (2, 32), np.float32)
UINT8 = Element(2, 1, (1, 8), np.uint8)
INT8 = Element(3, 1, (0, 8), np.int8)
INT64 = Element(7, 8, (0, 64), np.int64)
BOOL = Element(9, 1, (6, 8), np.bool_)
FLOAT16 = Element(10, 2, (2, 16), np.float16, 65504.0)
BFLOAT16 = Element(16, 2, (4, 16), np.uint16, float(np.uint32(0x7F7F0000).view(np.float32)))
BY_NAME = {"float32": FLOAT32, "float16": FLOAT16, "bfloat16": BFLOAT16, "int8": INT8, "uint8": UINT8}
BY_ONNX = {element.onnx: element for element in (FLOAT32, UINT8, INT8, INT64, BOOL, FLOAT16, BFLOAT16)}

BFLOAT16_SHIFT = 16
"""Bits of a float32 that bfloat16 leaves out."""


def to_float32(raw: NDArray[np.uint8], element: Element) -> NDArray[np.float32]:
    """Values from their bytes."""
    if element is BFLOAT16:
        return (raw.view(np.uint16).astype(np.uint32) << BFLOAT16_SHIFT).view(np.float32)
    found: NDArray[np.float32] = raw.view(np.float16 if element is FLOAT16 else np.float32).astype(np.float32)
    return found


def from_float32(values: NDArray[np.float32], element: Element) -> NDArray[Any]:
    """Bytes of values, rounded to the nearest, to the even one of two; they are finite."""
    if element is BFLOAT16:
        bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
        rounded = bits + np.uint32(0x7FFF) + ((bits >> BFLOAT16_SHIFT) & 1)
        return (rounded >> BFLOAT16_SHIFT).astype(np.uint16)
    return values.astype(np.float16 if element is FLOAT16 else np.float32)
