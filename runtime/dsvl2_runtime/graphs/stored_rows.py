"""Rows of a cache as the bytes of a file, in one of three types, and back.

In int8, every `BLOCK` values of a row share a scale, the largest of them divided by 127, and a row ends with a shorter
block where its length asks for it. The sizes of the official models are whole blocks, so that none of them holds both
latent values and rotated keys, or values of two heads, whose magnitudes differ. A file has the scales of all rows of a
cache tensor, [rows, blocks] in float32, and then their values, [rows, row].
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from dsvl2_runtime.errors import UsageError

RowType = Literal["float32", "float16", "int8"]

BLOCK = 64
"""Values with one scale."""
LARGEST = 127
VALUE_BYTES: dict[RowType, int] = {"float32": 4, "float16": 2, "int8": 1}
ROW_TYPES: dict[int, RowType] = {size: row_type for row_type, size in VALUE_BYTES.items()}
SCALE = np.dtype("<f4")


def stored_bytes(row: int, row_type: RowType) -> int:
    """Bytes of a row of so many values."""
    scales = -(-row // BLOCK) * SCALE.itemsize if row_type == "int8" else 0
    return row * VALUE_BYTES[row_type] + scales


def store(rows: NDArray[np.floating], row_type: RowType) -> bytes:
    """The bytes of rows, [rows, row].

    Raises:
        UsageError: a value is too large for float16, or not finite.
    """
    if row_type == "int8":
        return _quantize(rows)
    with np.errstate(over="ignore"):
        stored = rows.astype(np.dtype(row_type).newbyteorder("<"))
    if not np.isfinite(stored).all():
        raise UsageError("a value of this sequence is too large for float16; save it as float32")
    return stored.tobytes()


def restore(content: bytes, rows: int, row: int, row_type: RowType) -> NDArray[np.floating]:
    """The rows, [rows, row], from `rows * stored_bytes(row, row_type)` bytes; values may be anything, as may bytes."""
    if row_type != "int8":
        return np.frombuffer(content, np.dtype(row_type).newbyteorder("<")).reshape(rows, row)
    blocks = -(-row // BLOCK)
    scales = np.frombuffer(content, SCALE, rows * blocks).reshape(rows, blocks)
    values = np.frombuffer(content, np.int8, offset=scales.nbytes).reshape(rows, row)
    with np.errstate(over="ignore", invalid="ignore"):
        return values * np.repeat(scales, BLOCK, axis=1)[:, :row]


def _quantize(rows: NDArray[np.floating]) -> bytes:
    count, row = rows.shape
    if not np.isfinite(rows).all():
        raise UsageError("a value of this sequence is not finite; begin the conversation again")
    blocks = np.pad(rows.astype(np.float32), ((0, 0), (0, -row % BLOCK))).reshape(count, -(-row // BLOCK), BLOCK)
    scales = (np.abs(blocks).max(axis=2, initial=0) / LARGEST).astype(SCALE)  # [rows, blocks]
    with np.errstate(over="ignore"):  # rounded up, a scale of the largest numbers would give infinities back
        scales = np.where(np.isfinite(scales * LARGEST), scales, np.nextafter(scales, SCALE.type(0)))
    # A block of zeros, or of numbers so small that their scale is zero, is a block of zeros.
    divisors = np.where(scales > 0, scales, 1)[..., None]
    values = np.clip(np.rint(blocks / divisors), -LARGEST, LARGEST).astype(np.int8)
    stored: bytes = scales.tobytes() + values.reshape(count, -1)[:, :row].tobytes()
    return stored
