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

CHARACTERS = (
    "".join(map(chr, range(33, 127))) + "€£" + "äöüßÄÖÜéèêëàâáãåæçíîïñóôõøúùûÀÉÈÇÑÓÅØąćęłńśźżŁŚŻčďěňřšťůžŠŽº°¥·•×–"
)
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


@dataclass(frozen=True, slots=True)
class Characters:
    """All characters of a page but its spaces, one array entry for each; places in pixels of the page."""

    classes: NDArray[np.uint8]
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    em: NDArray[np.float64]

    @classmethod
    def of(cls, page: Page) -> Characters:
        """Those of a page."""
        classes: list[int] = []
        x: list[float] = []
        counts: list[int] = []
        runs = page.runs
        for run in runs:
            before = len(classes)
            for character, centre in zip(run.text, run.centres, strict=True):
                if character != " ":
                    classes.append(_CLASS_OF.get(character, _OTHER))
                    x.append(centre)
            counts.append(len(classes) - before)
        y = np.repeat([run.middle for run in runs], counts)
        em = np.repeat([run.em for run in runs], counts)
        return cls(np.array(classes, np.uint8), np.array(x, np.float64), y.astype(np.float64), em.astype(np.float64))


@dataclass(frozen=True, slots=True)
class SeenCharacters:
    """The legible characters of one tile, patch by patch and in each from left to right; `[count]` each."""

    patch: NDArray[np.int64]
    slot: NDArray[np.int64]
    """Which of its patch it is."""
    x: NDArray[np.float64]
    """In pixels from the patch's left edge."""
    y: NDArray[np.float64]
    """In pixels from the patch's upper edge."""
    em: NDArray[np.float64]
    """In pixels of the tile."""
    classes: NDArray[np.uint8]


def characters_in(characters: Characters, view: View, tile: int, patch_size: int) -> SeenCharacters:
    """What one tile shows of a page's characters."""
    grid = tile // patch_size
    x = characters.x * view.scale_x + view.offset_x
    y = characters.y * view.scale_y + view.offset_y
    em = characters.em * view.scale_y
    column, row = np.floor(x / patch_size).astype(np.int64), np.floor(y / patch_size).astype(np.int64)
    kept = (em >= SMALLEST_LEGIBLE_EM) & (row >= 0) & (row < grid) & (column >= 0) & (column < grid)
    x, y, em, classes = x[kept], y[kept], em[kept], characters.classes[kept]
    column, row = column[kept], row[kept]
    patch = row * grid + column
    order = np.lexsort((x, patch))
    patch = patch[order]
    starts = np.searchsorted(patch, patch)  # of each character's patch
    slot = np.arange(len(patch)) - starts
    x, y = (x - column * patch_size)[order], (y - row * patch_size)[order]
    return SeenCharacters(patch, slot, x, y, em[order], classes[order])


def layout_of(page: Page, views: Sequence[View], tile: int, patch_size: int) -> NDArray[np.uint8]:
    """The classes of every patch, `[num_tiles, grid * grid, FEATURES] uint8`, patches row by row."""
    characters = Characters.of(page)
    seen = [characters_in(characters, view, tile, patch_size) for view in views]
    return layout_seen(page, views, seen, tile, patch_size)


def layout_seen(
    page: Page, views: Sequence[View], seen: Sequence[SeenCharacters], tile: int, patch_size: int
) -> NDArray[np.uint8]:
    """The same, of characters that have been sorted into patches already."""
    grid = tile // patch_size
    layout = np.zeros((len(views), grid * grid, FEATURES), np.uint8)
    for cells, view, found in zip(layout, views, seen, strict=True):
        if not len(found.patch):
            continue
        slotted = found.slot < SLOTS
        cells[found.patch[slotted], found.slot[slotted]] = found.classes[slotted]
        first = found.slot == 0
        last = np.append(first[1:], True)
        patches = found.patch[first]
        cells[patches, _ROW] = 1 + (found.y[first] // SUB_PIXELS).astype(np.int64)
        cells[patches, _EM] = np.clip(np.round(found.em[first] / 2), 1, LARGEST_EM_BIN)
        cells[patches, _FIRST] = 1 + (found.x[first] // SUB_PIXELS).astype(np.int64)
        cells[patches, _LAST] = 1 + (found.x[last] // SUB_PIXELS).astype(np.int64)
        row, column = np.divmod(patches, grid)
        x = ((column + 0.5) * patch_size - view.offset_x) / view.scale_x
        y = ((row + 0.5) * patch_size - view.offset_y) / view.scale_y
        for button in page.buttons:
            left, top, right, bottom = button.box
            inside = (left <= x) & (x <= right) & (top <= y) & (y <= bottom)
            cells[patches[inside], _BUTTON] = 2 if button.highlighted else 1
    return layout
