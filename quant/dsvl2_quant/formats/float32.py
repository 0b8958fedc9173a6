"""Weights as plain float32: the format of everything that is not quantised."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

FLOAT32_BYTES = 4


@dataclass(frozen=True, slots=True)
class Float32:
    """Not quantised."""

    def bytes_of(self, shape: tuple[int, ...]) -> int:
        """Bytes of a weight of this shape."""
        return prod(shape) * FLOAT32_BYTES

    def __str__(self) -> str:
        return "fp32"


FLOAT32 = Float32()
