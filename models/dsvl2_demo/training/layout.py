"""Which characters lie in which patch: the dense supervision of the eyes and, embedded, a stand-in for them.

For every patch of every tile there are `FEATURES` small integers, 0 meaning nothing: the characters whose centre lies
in the patch from left to right, then where exactly they stand, how large they are, and whether a button holds them.
The recipe and its measurements are in the model card.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dsvl2_demo.pages.page import Page

CHARACTERS = "".join(map(chr, range(33, 127))) + "€£"
"""Characters a patch can hold, apart from none (0) and any other (the last class)."""

SLOTS = 4
"""Characters told apart in one patch; at 13 pixels a patch holds two or three."""

SUB_PIXELS = 2
"""Width of a bin of positions within a patch, in pixels."""

LARGEST_EM_BIN = 23
SMALLEST_LEGIBLE_EM = 8.0
"""Text below this em, in pixels of the tile, is taken as illegible and left out."""

_CLASS_OF = {character: index + 1 for index, character in enumerate(CHARACTERS)}
_OTHER = len(CHARACTERS) + 1


def feature_classes(patch_size: int) -> tuple[int, ...]:
    """Number of classes of each feature, class 0 (nothing) included."""
    positions = -(-patch_size // SUB_PIXELS) + 1
    return (_OTHER + 1,) * SLOTS + (positions, LARGEST_EM_BIN + 1, positions, positions, 3)


FEATURES = SLOTS + 5
"""Slots, then height within the patch, em, position of the first and of the last character, button."""

_ROW, _EM, _FIRST, _LAST, _BUTTON = range(SLOTS, FEATURES)


@dataclass(frozen=True, slots=True)
class View:
    """How a tile sees the picture: tile pixel = picture pixel × scale + offset."""

    scale_x: float
    scale_y: float
    offset_x: float
    offset_y: float


def views_of(size: tuple[int, int], tiling: tuple[int, int], tile: int) -> list[View]:
    """The views of one picture in the official order: global, then the tiles row by row.

    `ImageOps.pad` fits the picture into the box keeping its shape and centres it; both views come from the original.

    Args:
        size: (width, height) of the picture in pixels.
        tiling: (tiles across, tiles down).
        tile: side of a tile in pixels.
    """
    across, down = tiling
    whole = _padded(size, (tile, tile))
    local = _padded(size, (across * tile, down * tile))
    return [whole] + [
        View(local.scale_x, local.scale_y, local.offset_x - column * tile, local.offset_y - row * tile)
        for row in range(down)
        for column in range(across)
    ]


def _padded(size: tuple[int, int], box: tuple[int, int]) -> View:
    (width, height), (box_width, box_height) = size, box
    ratio, box_ratio = width / height, box_width / box_height
    fitted_width = box_width if ratio >= box_ratio else round(width / height * box_height)
    fitted_height = box_height if ratio <= box_ratio else round(height / width * box_width)
    return View(
        fitted_width / width,
        fitted_height / height,
        round((box_width - fitted_width) * 0.5),
        round((box_height - fitted_height) * 0.5),
    )


@dataclass(frozen=True, slots=True, order=True)
class Seen:
    """One character as a patch holds it, ordered from left to right; places in pixels from the patch's corner."""

    x: float
    y: float
    em: float
    class_: int


def characters_in(page: Page, view: View, tile: int, patch_size: int) -> dict[int, list[Seen]]:
    """The legible characters of each patch of one tile that holds any, from left to right; spaces left out."""
    grid = tile // patch_size
    patches: dict[int, list[Seen]] = {}
    for run in page.runs:
        em = run.em * view.scale_y
        y = run.middle * view.scale_y + view.offset_y
        row = int(y // patch_size)
        if em < SMALLEST_LEGIBLE_EM or not 0 <= row < grid:
            continue
        for character, centre in zip(run.text, run.centres, strict=True):
            x = centre * view.scale_x + view.offset_x
            column = int(x // patch_size)
            if character != " " and 0 <= column < grid:
                seen = Seen(x - column * patch_size, y - row * patch_size, em, _CLASS_OF.get(character, _OTHER))
                patches.setdefault(row * grid + column, []).append(seen)
    for found in patches.values():
        found.sort()
    return patches


def layout_of(page: Page, views: Sequence[View], tile: int, patch_size: int) -> NDArray[np.uint8]:
    """The classes of every patch, `[num_tiles, grid * grid, FEATURES] uint8`, patches row by row."""
    grid = tile // patch_size
    layout = np.zeros((len(views), grid * grid, FEATURES), np.uint8)
    buttons = [(*button.box, 2 if button.highlighted else 1) for button in page.buttons]
    for tile_layout, view in zip(layout, views, strict=True):
        for patch, found in characters_in(page, view, tile, patch_size).items():
            cell = tile_layout[patch]
            for slot, seen in enumerate(found[:SLOTS]):
                cell[slot] = seen.class_
            cell[_ROW] = 1 + int(found[0].y // SUB_PIXELS)
            cell[_EM] = min(LARGEST_EM_BIN, max(1, round(found[0].em / 2)))
            cell[_FIRST] = 1 + int(found[0].x // SUB_PIXELS)
            cell[_LAST] = 1 + int(found[-1].x // SUB_PIXELS)
            row, column = divmod(patch, grid)
            x = ((column + 0.5) * patch_size - view.offset_x) / view.scale_x
            y = ((row + 0.5) * patch_size - view.offset_y) / view.scale_y
            for left, top, right, bottom, mark in buttons:
                if left <= x <= right and top <= y <= bottom:
                    cell[_BUTTON] = mark
    return layout
