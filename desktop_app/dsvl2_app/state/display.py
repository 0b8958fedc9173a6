"""Pictures for the screen: decoded once more when one is looked at, at sizes from which a window draws at once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dsvl2_runtime.inputs.images import decode_image
from dsvl2_runtime.inputs.rgb import bands

LONGEST_SHOWN = 4096
"""Pixels of the longest side that is shown; the engine reads the whole picture."""
COPIED_PIXELS = 250_000
"""At once."""
SHORTEST_LEVEL = 256
"""A level is not halved below this."""


@dataclass(frozen=True, slots=True)
class Level:
    """One size of a picture."""

    pixels: NDArray[np.uint8]
    """[height, width, 4]: blue, green, red and an unused byte, which a screen takes as they are."""

    @property
    def width(self) -> int:
        """In pixels."""
        return int(self.pixels.shape[1])

    @property
    def height(self) -> int:
        """In pixels."""
        return int(self.pixels.shape[0])


@dataclass(frozen=True, slots=True)
class ShownPicture:
    """A picture at several sizes, each about half of the one before."""

    sha256: str
    """Of its content."""
    size: tuple[int, int]
    """(width, height) in pixels of the whole picture, upright."""
    levels: tuple[Level, ...]

    def level_for(self, scale: float) -> Level:
        """The smallest level that has a pixel for each one of the screen.

        Args:
            scale: pixels of the screen for one of the whole picture.
        """
        wanted = scale * self.size[0]
        return next((level for level in reversed(self.levels) if level.width >= wanted), self.levels[0])


def shown_picture(sha256: str, path: Path) -> ShownPicture:
    """Decode a picture for the screen; raises like `decode_image`."""
    decoded = decode_image(path)
    image = decoded.image
    image.thumbnail((LONGEST_SHOWN, LONGEST_SHOWN), Image.Resampling.LANCZOS, reducing_gap=2.0)
    levels = [_level(image)]
    while max(image.size) > 2 * SHORTEST_LEVEL:
        image = image.reduce(2)
        levels.append(_level(image))
    return ShownPicture(sha256, decoded.size, tuple(levels))


def thumbnail_picture(sha256: str, size: tuple[int, int], thumbnail: Image.Image) -> ShownPicture:
    """A picture that is shown coarsely until it is decoded."""
    return ShownPicture(sha256, size, (_level(thumbnail),))


def _level(image: Image.Image) -> Level:
    return Level(screen_pixels(image))


def screen_pixels(image: Image.Image) -> NDArray[np.uint8]:
    """An RGB image as [height, width, 4] of uint8 for the screen.

    It is copied a few rows at a time: whoever copies 16 MB at once holds up all other threads of Python, the window's
    among them, for 10 ms.
    """
    pixels = np.empty((image.height, image.width, 4), np.uint8)
    for top, band in bands(image, band_pixels=COPIED_PIXELS):
        rows = np.frombuffer(band.tobytes("raw", "BGRX"), np.uint8)
        pixels[top : top + band.height] = rows.reshape(band.height, band.width, 4)
    return pixels
