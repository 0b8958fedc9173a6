"""Cuts large pages and long scrolling captures into strips that the model sees about as large as a person does.

Each strip has the whole width (or height, of a wide image), since lines of text must not be cut, and is as long as it
is wide, which fills the largest square grid of tiles. It ends in blank rows where there are some near its end, and
overlaps the next strip where there are none.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dsvl2_runtime.inputs.rgb import bands

BLANK_STEP = 10
"""Of 255 levels of brightness: rows with no larger difference along them count as blank."""
SEARCHED, OVERLAP = 0.3, 0.1
"""Parts of a strip: so far from its end blank rows are looked for, and so much is shown twice where there are none."""
LEAST_GAIN, LEAST_GAIN_OF_WIDE = 1.3, 2.0
"""An image is cut if the model sees the strips so many times as large; a wide one later: its lines are cut too."""


@dataclass(frozen=True, slots=True)
class Strip:
    """One piece of an image."""

    number: int
    """From the top, or from the left, counted from 1."""
    count: int
    left: int
    top: int
    """Its corner in pixels of the whole image."""
    image: Image.Image


def split_image(image: Image.Image, resolutions: Sequence[tuple[int, int]]) -> tuple[Strip, ...]:
    """The strips of an image; a single one, the image itself, where cutting would show nothing more.

    Args:
        image: RGB, upright.
        resolutions: (width, height) in pixels at which the model can see an image.
    """
    across, along = sorted(image.size)
    side = math.isqrt(max(width * height for width, height in resolutions))
    length = max(across, side)
    whole = max(min(width / image.width, height / image.height, 1.0) for width, height in resolutions)
    is_tall = image.height > image.width
    least_gain = LEAST_GAIN if is_tall else LEAST_GAIN_OF_WIDE
    if along <= length or min(1.0, side / length) < least_gain * whole:
        return (Strip(1, 1, 0, 0, image),)
    cuts = list(_cuts(_blank_rows(image if is_tall else image.transpose(Image.Transpose.TRANSPOSE)), length))
    strips = []
    for number, (start, stop) in enumerate(cuts, 1):
        box = (0, start, image.width, stop) if is_tall else (start, 0, stop, image.height)
        strips.append(Strip(number, len(cuts), box[0], box[1], image.crop(box)))
    return tuple(strips)


def _blank_rows(image: Image.Image) -> NDArray[np.bool_]:
    """[height] bool: rows in which there is nothing."""
    rows = [np.ptp(np.asarray(band.convert("L")), axis=1) <= BLANK_STEP for _, band in bands(image)]
    return np.concatenate(rows)


def _cuts(is_blank: NDArray[np.bool_], length: int) -> Iterator[tuple[int, int]]:
    """(start, stop) of strips of about `length` rows, which together cover all rows."""
    start, total = 0, len(is_blank)
    while total - start > length:
        first = start + round(length * (1 - SEARCHED))
        blank = np.flatnonzero(is_blank[first : start + length])
        if len(blank):
            last = int(blank[-1])  # the last run of blank rows, cut in its middle
            run = last
            while run > 0 and is_blank[first + run - 1]:
                run -= 1
            stop = first + (run + last) // 2 + 1
            yield start, stop
            start = stop
        else:
            yield start, start + length
            start += round(length * (1 - OVERLAP))
    yield start, total
