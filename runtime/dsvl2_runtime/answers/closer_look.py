"""A closer look at places: around each box two windows are cut out, enlarged and asked about again, for an exact box.

On a whole page the model finds about the right place and misses the edges of the line by more than the line is high. In
a window the line is as large as on a small picture. What is left is a miss of a few pixels, another one in each window,
so their mean misses by less.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from PIL import Image

from dsvl2_runtime.answers.boxes import LARGEST, Box, parse_boxes, with_places
from dsvl2_runtime.answers.parts_look import Place
from dsvl2_runtime.inputs.images import DecodedImage

WINDOWS = (0.58, 0.42)
"""Sides of the windows, as parts of a tile: 224 and 160 of 384 pixels, where an image's pixels are seen as they are."""
AROUND = 1.3
"""A window is at least so many times as large as the box."""
MOST_PLACES = 8
"""An answer with more boxes stays as it is; each costs two questions about pictures of one tile."""


def with_closer_places(
    answer: str, image: DecodedImage, seen_width: int, tile_pixels: int, ask: Callable[[Image.Image], str]
) -> str:
    """An answer about one image, with each of its boxes where it is found in windows around it.

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
    tile = tile_pixels * max(1.0, size[0] / seen_width)

    def closer(box: Box) -> Place:
        windows = [window_around(box.px, size, part * tile) for part in WINDOWS]
        found = [place for window in windows if (place := _found_in(window, box.px, image.image, ask)) is not None]
        return _norm(_mean([place for place in found if _overlap(place, found[0])]), size) if found else box.norm999

    return with_places(answer, [size], closer)


def _found_in(window: Place, place: Place, image: Image.Image, ask: Callable[[Image.Image], str]) -> Place | None:
    """What is found in a window of an image, nearest to a place in it; all are in pixels of the image."""
    size = window[2] - window[0], window[3] - window[1]
    found = parse_boxes(ask(image.crop(window)), [size])[0]
    middle = _middle(_moved(place, -window[0], -window[1]))
    nearest = min(found, key=lambda each: math.dist(_middle(each.px), middle), default=None)
    return None if nearest is None else _moved(nearest.px, window[0], window[1])


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


def _overlap(first: Place, second: Place) -> bool:
    """Whether they are about the same thing; edges count."""
    return all(max(first[at], second[at]) <= min(first[at + 2], second[at + 2]) for at in (0, 1))


def _mean(places: Sequence[Place]) -> tuple[float, ...]:
    return tuple(sum(side) / len(places) for side in zip(*places, strict=True))


def _middle(box: Place) -> tuple[float, float]:
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2


def _norm(box: Sequence[float], size: tuple[int, int]) -> Place:
    left, top, right, bottom = (
        min(LARGEST, round(place / side * LARGEST)) for place, side in zip(box, (*size, *size), strict=True)
    )
    return left, top, right, bottom
