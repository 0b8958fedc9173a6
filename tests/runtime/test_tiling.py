"""Tiling: the plans of known sizes, and pixels to the last bit."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from dsvl2_runtime.bundle.releases import official_config
from dsvl2_runtime.geometry import (
    CELL_PATCHES,
    MOST_TILED_IMAGES,
    MOST_TILES,
    PATCH_PIXELS,
    TILE_PIXELS,
    WIDEST_PIXELS,
    cells_along,
    official_resolutions,
    patches_along,
)
from dsvl2_runtime.inputs.tiling import (
    Tiling,
    choose_resolution,
    choose_tiling,
    normalized,
    pad_to,
    pixel_tiles,
    plan_tiling,
)
from small_models import picture

CONFIG = official_config("small")
CELLS = 14

TOKENS = {
    (1, 1): 421, (1, 2): 631, (2, 1): 617, (1, 3): 841, (3, 1): 813, (1, 4): 1051, (4, 1): 1009, (2, 2): 1023,
    (1, 5): 1261, (5, 1): 1205, (1, 6): 1471, (6, 1): 1401, (2, 3): 1429, (3, 2): 1415, (1, 7): 1681, (7, 1): 1597,
    (1, 8): 1891, (8, 1): 1793, (2, 4): 1835, (4, 2): 1807, (1, 9): 2101, (9, 1): 1989, (3, 3): 2017,
}  # fmt: skip
"""Image tokens of every official resolution, in tiles."""

# (width, height), chosen, size of the picture and where it is put: in the global view, in the tiles.
PLANS = [
    ((384, 384), (384, 384), (384, 384, 0, 0), (384, 384, 0, 0)),
    ((100, 100), (384, 384), (384, 384, 0, 0), (384, 384, 0, 0)),
    ((1, 1), (384, 384), (384, 384, 0, 0), (384, 384, 0, 0)),
    ((385, 384), (768, 384), (384, 383, 0, 0), (385, 384, 192, 0)),
    ((384, 385), (384, 768), (383, 384, 0, 0), (384, 385, 0, 192)),
    ((500, 375), (768, 384), (384, 288, 0, 48), (512, 384, 128, 0)),
    ((640, 480), (768, 768), (384, 288, 0, 48), (768, 576, 0, 96)),
    ((800, 600), (1152, 768), (384, 288, 0, 48), (1024, 768, 64, 0)),
    ((1024, 768), (1152, 768), (384, 288, 0, 48), (1024, 768, 64, 0)),
    ((1280, 720), (1536, 768), (384, 216, 0, 84), (1365, 768, 86, 0)),
    ((1920, 1080), (1536, 768), (384, 216, 0, 84), (1365, 768, 86, 0)),
    ((720, 1280), (768, 1536), (216, 384, 84, 0), (768, 1365, 0, 86)),
    ((1000, 1000), (1152, 1152), (384, 384, 0, 0), (1152, 1152, 0, 0)),
    ((2000, 2000), (1152, 1152), (384, 384, 0, 0), (1152, 1152, 0, 0)),
    ((2480, 3508), (1152, 1152), (271, 384, 56, 0), (814, 1152, 169, 0)),
    ((595, 842), (768, 1152), (271, 384, 56, 0), (768, 1087, 0, 32)),
    ((1700, 2200), (1152, 1152), (297, 384, 44, 0), (890, 1152, 131, 0)),
    ((200, 1000), (384, 1152), (77, 384, 154, 0), (230, 1152, 77, 0)),
    ((3000, 300), (3072, 384), (384, 38, 0, 173), (3072, 307, 0, 38)),
    ((5000, 10), (3456, 384), (384, 1, 0, 192), (3456, 7, 0, 188)),
]

OFFICIAL_SAMPLES = {
    (724, 1086): 1429, (658, 621): 1023, (1000, 631): 1415, (5014, 2004): 1807, (1086, 724): 1415,
    (1738, 1146): 1807, (868, 1160): 2017,
}  # fmt: skip
"""Sizes of the pictures in the reference's repository."""


def test_what_a_screenshot_costs() -> None:
    """The example of the page that derives the numbers from each other."""
    patches = patches_along(TILE_PIXELS, PATCH_PIXELS)
    cells = cells_along(patches, CELL_PATCHES)
    assert (patches, cells, MOST_TILES, WIDEST_PIXELS) == (27, 14, 9, 3456)
    assert (CONFIG.vision_config.grid, CONFIG.cells) == (patches, cells)
    screenshot = choose_tiling((1920, 1080), 1, CONFIG)
    assert screenshot == choose_tiling((1920, 1080), MOST_TILED_IMAGES, CONFIG) == Tiling(4, 2)
    assert screenshot.seen_size(1920, 1080, TILE_PIXELS) == (1365, 768)
    assert (screenshot.num_tiles, screenshot.token_count(cells)) == (9, 1807)
    small = choose_tiling((1920, 1080), MOST_TILED_IMAGES + 1, CONFIG)
    assert (small.num_tiles, small.token_count(cells)) == (1, 421)


def test_there_are_23_resolutions_with_their_tokens() -> None:
    """In the official order, which decides ties."""
    found = {(w // 384, h // 384): Tiling(w // 384, h // 384).token_count(CELLS) for w, h in official_resolutions()}
    assert found == TOKENS
    assert list(found) == list(TOKENS)


@pytest.mark.parametrize(("size", "chosen", "whole", "local"), PLANS)
def test_known_plans(
    size: tuple[int, int], chosen: tuple[int, int], whole: tuple[int, ...], local: tuple[int, ...]
) -> None:
    """The resolution, and where the picture lies on the grey of both views."""
    assert choose_resolution(*size, official_resolutions()) == chosen
    image = Image.new("RGB", size, (255, 0, 0))
    for box, placed in (((384, 384), whole), (chosen, local)):
        red = np.asarray(pad_to(image, *box))[..., 2] < 64
        rows, columns = np.flatnonzero(red.any(1)), np.flatnonzero(red.any(0))
        found = (len(columns), len(rows), int(columns[0]), int(rows[0]))
        assert found == placed


@pytest.mark.parametrize(("size", "tokens"), OFFICIAL_SAMPLES.items())
def test_tokens_of_the_official_samples(size: tuple[int, int], tokens: int) -> None:
    """What the reference counts for its own pictures."""
    assert plan_tiling([size], CONFIG)[0].token_count(CELLS) == tokens


def test_three_images_are_not_tiled() -> None:
    """Two keep their tiles; with a third, each is one tile."""
    assert plan_tiling([(800, 600)] * 2, CONFIG) == [Tiling(3, 2)] * 2
    assert plan_tiling([(800, 600)] * 3, CONFIG) == [Tiling(1, 1)] * 3
    assert plan_tiling([], CONFIG) == []


def test_one_tile_is_encoded_once() -> None:
    """The tile is the global view; all others are encoded beside it."""
    assert Tiling(1, 1).num_tiles == 1
    assert {tiles: Tiling(*tiles).num_tiles for tiles in TOKENS if tiles != (1, 1)} == {
        (wide, high): 1 + wide * high for wide, high in TOKENS if (wide, high) != (1, 1)
    }
    assert pixel_tiles(picture(50, 40, 0), Tiling(1, 1), 384).shape == (1, 3, 384, 384)


def reference_pixels(image: Image.Image, box: tuple[int, int]) -> NDArray[np.float32]:
    """One view written from the formulas: fit, paste on grey, to tensor."""
    ratio, box_ratio = image.width / image.height, box[0] / box[1]
    width = box[0] if ratio >= box_ratio else round(image.width / image.height * box[1])
    height = box[1] if ratio <= box_ratio else round(image.height / image.width * box[0])
    canvas = Image.new("RGB", box, (127, 127, 127))
    resized = image.resize((width, height), Image.Resampling.BICUBIC)
    corner = (round((box[0] - width) * 0.5), 0) if width != box[0] else (0, round((box[1] - height) * 0.5))
    canvas.paste(resized, corner)
    tensor = np.asarray(canvas).astype(np.float32).transpose(2, 0, 1) / np.float32(255)
    result: NDArray[np.float32] = (tensor - np.float32(0.5)) / np.float32(0.5)
    return result


@pytest.mark.parametrize("size", [(640, 480), (120, 700), (385, 384), (1000, 1000), (60, 61)])
def test_pixels_are_exact(size: tuple[int, int]) -> None:
    """Global view first, then tiles row by row, bit for bit what the formulas give."""
    image = picture(*size, seed=2)
    (tiling,) = plan_tiling([size], CONFIG)
    found = pixel_tiles(image, tiling, 384)
    assert found.dtype == np.float32
    assert np.array_equal(found[0], reference_pixels(image, (384, 384)))
    if tiling.num_tiles == 1:
        return
    local = reference_pixels(image, (tiling.tiles_wide * 384, tiling.tiles_high * 384))
    tile = 1
    for row in range(tiling.tiles_high):
        for column in range(tiling.tiles_wide):
            expected = local[:, row * 384 : (row + 1) * 384, column * 384 : (column + 1) * 384]
            assert np.array_equal(found[tile], expected)
            tile += 1
    assert tile == len(found)


def test_pixels_lie_in_the_room_that_is_given() -> None:
    """As the encoder reads them, without another copy; what the room had before is in none of them."""
    tiles = np.random.default_rng(1).integers(0, 256, (2, 16, 16, 3), np.uint8)
    room = np.full((3, 3, 16, 16), np.nan, np.float32)
    found = normalized(tiles, room)
    assert np.shares_memory(found, room)
    assert np.isnan(room[2]).all()
    assert found.flags.c_contiguous
    assert normalized(tiles).flags.c_contiguous
    expected = (tiles.transpose(0, 3, 1, 2).astype(np.float32) / np.float32(255) - np.float32(0.5)) / np.float32(0.5)
    assert np.array_equal(found, expected)
    assert np.array_equal(normalized(tiles), expected)
    with pytest.raises(ValueError, match="shorter"):
        normalized(tiles, room[:1])


@settings(deadline=None)
@given(st.integers(1, 6000), st.integers(1, 6000))
def test_the_choice_keeps_most_and_wastes_least(width: int, height: int) -> None:
    """No other resolution keeps more of the picture, and none that keeps as much is smaller."""
    candidates = official_resolutions()

    def judged(candidate: tuple[int, int]) -> tuple[int, int]:
        scale = min(candidate[0] / width, candidate[1] / height)
        kept = min(math.floor(width * scale) * math.floor(height * scale), width * height)
        return -kept, candidate[0] * candidate[1] - kept

    assert judged(choose_resolution(width, height, candidates)) == min(map(judged, candidates))


def test_other_tile_sizes_scale_the_plan() -> None:
    """The demonstration model's tiles are smaller; the same rule holds."""
    vision = dataclasses.replace(CONFIG.vision_config, image_size=224)
    small = dataclasses.replace(CONFIG, vision_config=vision, candidate_resolutions=official_resolutions(224))
    assert plan_tiling([(420, 560)], small) == [Tiling(2, 3)]
    assert plan_tiling([(224, 224)], small) == [Tiling(1, 1)]
