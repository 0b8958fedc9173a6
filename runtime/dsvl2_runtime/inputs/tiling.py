"""Cuts an image into tiles: one global view, and the image again at the best of 23 resolutions (`geometry.py`).

Source: `processing_deepseek_vl_v2.py` `select_best_resolution`, `DeepseekVLV2Processor.tokenize_with_images`.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from dsvl2_runtime.config import ModelConfig
from dsvl2_runtime.geometry import MOST_TILED_IMAGES, tiles_to_encode, tokens_of_image

BACKGROUND = (127, 127, 127)
MEAN = STD = 0.5
PREPROCESSING_VERSION = 1
"""Raised when the same image would give other tiles than before; features that were kept are then of no use."""


@dataclass(frozen=True, slots=True)
class Tiling:
    """How many tiles one image is cut into, apart from its global view."""

    tiles_wide: int
    tiles_high: int

    @property
    def num_tiles(self) -> int:
        """Tiles to encode, the global view among them."""
        return tiles_to_encode(self.tiles_wide, self.tiles_high)

    def token_count(self, cells: int) -> int:
        """Image tokens with so many cells along a side of a tile."""
        return tokens_of_image(self.tiles_wide, self.tiles_high, cells)

    def seen_size(self, width: int, height: int, image_size: int) -> tuple[int, int]:
        """(width, height) in pixels at which the model sees an image of this size in its tiles."""
        scale = min(self.tiles_wide * image_size / width, self.tiles_high * image_size / height)
        return max(1, round(width * scale)), max(1, round(height * scale))


ONE_TILE = Tiling(1, 1)
"""Of all tilings the one with the fewest image tokens."""


def choose_resolution(width: int, height: int, candidates: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """The candidate (width, height) that keeps most of an image's pixels, then wastes least, then comes first."""
    best, most, least = candidates[0], -1, 0
    for candidate in candidates:
        scale = min(candidate[0] / width, candidate[1] / height)
        scaled = int(width * scale) * int(height * scale)
        kept = min(scaled, width * height)
        wasted = candidate[0] * candidate[1] - kept
        if kept > most or (kept == most and wasted < least):
            best, most, least = candidate, kept, wasted
    return best


def is_tiled(num_images: int) -> bool:
    """Whether each of so many images of a conversation is cut into tiles; of more, each is seen as one tile."""
    return num_images <= MOST_TILED_IMAGES


def choose_tiling(size: tuple[int, int], num_images: int, config: ModelConfig, enlargement: float = 1.0) -> Tiling:
    """The tiling of an image of (width, height) pixels that is one of so many in its conversation.

    With an enlargement it is that of an image so many times as large, which the reference has not.
    """
    if not is_tiled(num_images):
        return ONE_TILE
    tile = config.vision_config.image_size
    enlarged = round(size[0] * enlargement), round(size[1] * enlargement)
    width, height = choose_resolution(*enlarged, config.candidate_resolutions)
    return Tiling(width // tile, height // tile)


def plan_tiling(image_sizes: Sequence[tuple[int, int]], config: ModelConfig) -> list[Tiling]:
    """Tilings of all images of a conversation, from their (width, height) alone."""
    return [choose_tiling(size, len(image_sizes), config) for size in image_sizes]


def pad_to(image: Image.Image, width: int, height: int) -> Image.Image:
    """The image scaled into a box, bicubic, on grey; `ImageOps.pad` is what the reference calls."""
    return ImageOps.pad(image, (width, height), method=Image.Resampling.BICUBIC, color=BACKGROUND)


def cut_tiles(
    image: Image.Image, tiling: Tiling, image_size: int, other_thread: Executor | None = None
) -> NDArray[np.uint8]:
    """The tiles of one image.

    Args:
        image: RGB, decoded.
        tiling: of this image.
        image_size: pixels along a side of a tile.
        other_thread: scales the global view while this one scales the image for its tiles; Pillow lets both work.

    Returns:
        [num_tiles, image_size, image_size, 3] uint8: the global view, then the tiles row by row.
    """
    tiles = np.empty((tiling.num_tiles, image_size, image_size, 3), np.uint8)

    def put_global_view() -> None:
        tiles[0] = np.asarray(pad_to(image, image_size, image_size))

    if tiling.num_tiles == 1:
        put_global_view()
        return tiles
    beside = None if other_thread is None else other_thread.submit(put_global_view)
    wide, high = tiling.tiles_wide, tiling.tiles_high
    whole = np.asarray(pad_to(image, wide * image_size, high * image_size))
    grid = whole.reshape(high, image_size, wide, image_size, 3).swapaxes(1, 2)
    tiles[1:].reshape(grid.shape)[:] = grid
    if beside is None:
        put_global_view()
    else:
        beside.result()
    return tiles


def normalized(tiles: NDArray[np.uint8], out: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
    """Tiles as the vision encoder takes them.

    Args:
        tiles: [num_tiles, image_size, image_size, 3] uint8.
        out: room for at least as many tiles as the result has, which is its beginning then; by default new memory.

    Returns:
        [num_tiles, 3, image_size, image_size] float32 in -1..1, contiguous.
    """
    num_tiles, high, wide, channels = tiles.shape
    pixels = np.empty((num_tiles, channels, high, wide), np.float32) if out is None else out[:num_tiles]
    # One after the other, as a tile stays in the processor's cache; in the reference's order, for the same bits.
    for tile, planes in zip(tiles, pixels, strict=True):
        planes[:] = tile.transpose(2, 0, 1)
        np.divide(planes, 255, out=planes)
        np.subtract(planes, MEAN, out=planes)
        np.divide(planes, STD, out=planes)
    return pixels


def pixel_tiles(image: Image.Image, tiling: Tiling, image_size: int) -> NDArray[np.float32]:
    """`cut_tiles` and `normalized` in one: [num_tiles, 3, image_size, image_size] float32 in -1..1."""
    return normalized(cut_tiles(image, tiling, image_size))
