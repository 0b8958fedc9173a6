"""Large images in strips: all of it is seen, nothing is cut through, and small ones stay whole."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from PIL import Image

from dsvl2_runtime.geometry import official_resolutions
from dsvl2_runtime.inputs.split import Strip, split_image

RESOLUTIONS = official_resolutions()


def lined(width: int, height: int, pitch: int, thickness: int) -> Image.Image:
    """Black lines of text, each `thickness` rows of stripes, on white."""
    rows = np.full((height, width, 3), 255, np.uint8)
    for top in range(pitch // 4, height - thickness, pitch):
        rows[top : top + thickness, ::2] = 0
    return Image.fromarray(rows)


def put_together(strips: tuple[Strip, ...], size: tuple[int, int]) -> Image.Image:
    whole = Image.new("RGB", size, "red")
    for strip in strips:
        whole.paste(strip.image, (strip.left, strip.top))
    return whole


@pytest.mark.parametrize("size", [(800, 600), (1920, 1080), (1152, 1152), (384, 3400), (2000, 2000), (60, 40)])
def test_an_image_that_is_seen_as_well_whole_stays_whole(size: tuple[int, int]) -> None:
    """Also a large square one, of which a strip would be the whole."""
    image = lined(*size, 40, 10)
    (strip,) = split_image(image, RESOLUTIONS)
    assert (strip.number, strip.count, strip.left, strip.top) == (1, 1, 0, 0)
    assert strip.image is image


@pytest.mark.parametrize("size", [(1170, 9000), (2480, 3508), (700, 30000)])
def test_strips_end_between_lines_and_cover_everything(size: tuple[int, int]) -> None:
    """Their first and last rows are blank, they follow on each other without overlap, and none is longer than wide."""
    image = lined(*size, 40, 20)
    strips = split_image(image, RESOLUTIONS)
    assert len(strips) >= size[1] / max(size[0], 1152)
    assert [strip.number for strip in strips] == list(range(1, len(strips) + 1))
    assert put_together(strips, size).tobytes() == image.tobytes()
    assert sum(strip.image.height for strip in strips) == size[1]
    for strip in strips:
        assert strip.image.height <= max(size[0], 1152)
        assert strip.count == len(strips)
    for strip in strips[:-1]:
        assert np.asarray(strip.image)[-1].min() == 255
    for strip in strips[1:]:
        assert np.asarray(strip.image)[0].min() == 255


def test_without_blank_rows_strips_overlap() -> None:
    """So that what is cut in one is whole in the other."""
    noise = Image.effect_noise((1170, 5000), 80).convert("RGB")
    strips = split_image(noise, RESOLUTIONS)
    assert put_together(strips, noise.size).tobytes() == noise.tobytes()
    for one, other in itertools.pairwise(strips):
        assert one.top + one.image.height - other.top >= 100


def test_a_wide_image_is_cut_into_columns() -> None:
    """From the left."""
    image = lined(1170, 9000, 40, 20).transpose(Image.Transpose.TRANSPOSE)
    strips = split_image(image, RESOLUTIONS)
    assert len(strips) > 7
    assert all((strip.top, strip.image.height) == (0, 1170) for strip in strips)
    assert put_together(strips, image.size).tobytes() == image.tobytes()
