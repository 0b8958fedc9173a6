"""A small version of a picture."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from dsvl2_runtime.inputs.images import decode_image


@dataclass(frozen=True, slots=True)
class SmallVersion:
    """Of a picture."""

    image: Image.Image
    """RGB."""
    size: tuple[int, int]
    """(width, height) in pixels of the whole picture, upright."""


def small_version(path: Path, side: int) -> SmallVersion:
    """Decode a picture and make it small; raises like `decode_image`.

    Args:
        path: of the picture.
        side: the most pixels of its longer side.
    """
    decoded = decode_image(path)
    decoded.image.thumbnail((side, side), Image.Resampling.LANCZOS)
    return SmallVersion(decoded.image, decoded.size)
