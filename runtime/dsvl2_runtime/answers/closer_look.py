"""A closer look at places: around each box a window is cut out, enlarged and asked about again, for an exact box.

On a whole page the model finds about the right place and misses the edges of the line by more than the line is high. In
the window the line is as large as on a small picture.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from PIL import Image

from dsvl2_runtime.answers.boxes import LARGEST, Box, parse_boxes, with_places
from dsvl2_runtime.inputs.images import DecodedImage

WINDOW = 0.58
"""Sides of a window, as a part of a tile: 224 of 384 pixels, where those of the image are seen as they are."""
AROUND = 1.3
"""A window is at least so many times as large as the box."""
MOST_PLACES = 8
"""An answer with more boxes stays as it is; each costs a question about a picture of one tile."""
Place = tuple[int, int, int, int]
"""(left, top, right, bottom)."""


def with_closer_places(
    answer: str, image: DecodedImage, seen_width: int, tile_pixels: int, ask: Callable[[Image.Image], str]
) -> str:
    """An answer about one image, with each of its boxes where it is found in a window around it.

    Args:
        answer: with boxes.
        image: that it is about.
        seen_width: pixels at which the model sees the image's width.
        tile_pixels: along a side of a tile.
        ask: asks the same question about a window.
    """
    size = image.image.size
    boxes, dropped = parse_boxes(answer, [size])
    if dropped or not 0 < len(boxes) <= MOST_PLACES:
        return answer
    side = WINDOW * tile_pixels * max(1.0, size[0] / seen_width)

    def closer(box: Box) -> Place:
        window = window_around(box.px, size, side)
        width, height = window[2] - window[0], window[3] - window[1]
        found = parse_boxes(ask(image.image.crop(window)), [(width, height)])[0]
        if not found:
            return box.norm999
        middle = _middle(_moved(box.px, -window[0], -window[1]))
        nearest = min(found, key=lambda each: math.dist(_middle(each.px), middle))
        return _norm(_moved(nearest.px, window[0], window[1]), size)

    return with_places(answer, [size], closer)


def window_around(box: Place, size: tuple[int, int], side: float) -> Place:
    """The window around a box, in pixels of an image of (width, height), and never beyond its edges."""
    spans = []
    for low, high, whole in ((box[0], box[2], size[0]), (box[1], box[3], size[1])):
        length = min(whole, round(max(side, AROUND * (high - low))))
        begin = min(max(0, round((low + high - length) / 2)), whole - length)
        spans.append((begin, begin + length))
    (left, right), (top, bottom) = spans
    return left, top, right, bottom


def _moved(box: Place, across: int, down: int) -> Place:
    return box[0] + across, box[1] + down, box[2] + across, box[3] + down


def _middle(box: Place) -> tuple[float, float]:
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2


def _norm(box: Place, size: tuple[int, int]) -> Place:
    left, top, right, bottom = (
        min(LARGEST, round(place / side * LARGEST)) for place, side in zip(box, (*size, *size), strict=True)
    )
    return left, top, right, bottom
