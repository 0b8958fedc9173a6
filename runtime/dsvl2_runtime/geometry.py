"""What an image costs, from pixels to tokens; the numbers are those of all three releases.

    tile    384 px along a side, the image size of the vision tower
    patch    14 px: 384 // 14 = 27 along a tile; 6 px at the right and at the bottom are not seen
    cell      2 patches, the last one with a row of zeros: 14 along a tile; each cell is one image token

An image is seen twice: as a whole in one tile (the global view), and in that grid of tiles, one of 23, which keeps most
of its pixels. Where the grid is a single tile, both views have the same pixels and are encoded once. In the prompt each
of the two grids of cells has a token at the end of every row, and one token separates the grids.

A screenshot of 1920x1080 px fills 4x2 tiles (1536x768 px) as 1365x768 px. That is 1 + 4 * 2 = 9 tiles to encode, with
27 * 27 patches each, and 14 * (14 + 1) + 1 + 2 * 14 * (4 * 14 + 1) = 1807 tokens of the prompt. In a conversation of
more than two images each takes one tile and 421 tokens.

Source: `config.json` and `processing_deepseek_vl_v2.py` of github.com/deepseek-ai/DeepSeek-VL2.
"""

from __future__ import annotations

TILE_PIXELS = 384
"""Along a side of a tile."""
PATCH_PIXELS = 14
"""Along a side of a patch."""
CELL_PATCHES = 2
"""Patches along a side of a cell; the projector merges them."""
MOST_TILED_IMAGES = 2
"""Images of a conversation that are cut into several tiles; with one more, each is seen as one tile."""
ENLARGEMENT = 1.5
"""Of the images in a second look (`answers/second_look.py`); this is ours, and not of the releases."""

CANDIDATE_TILES: tuple[tuple[int, int], ...] = (
    (1, 1), (1, 2), (2, 1), (1, 3), (3, 1), (1, 4), (4, 1), (2, 2), (1, 5), (5, 1), (1, 6), (6, 1),
    (2, 3), (3, 2), (1, 7), (7, 1), (1, 8), (8, 1), (2, 4), (4, 2), (1, 9), (9, 1), (3, 3),
)  # fmt: skip
"""(width, height) in tiles of the 23 official grids, in the official order, which decides ties."""
MOST_TILES = max(wide * high for wide, high in CANDIDATE_TILES)
"""Tiles of one grid at most."""
WIDEST_PIXELS = TILE_PIXELS * max(wide for wide, _ in CANDIDATE_TILES)
"""Pixels along a side that the model can see at most."""
LARGEST_PIXELS = 100_000_000
"""Of an image that is opened: a page of A4 at 600 dpi has 35 million, far more than the model sees."""


def official_resolutions(tile_pixels: int = TILE_PIXELS) -> tuple[tuple[int, int], ...]:
    """The 23 candidate (width, height) in pixels for tiles with so many pixels along a side."""
    return tuple((wide * tile_pixels, high * tile_pixels) for wide, high in CANDIDATE_TILES)


def patches_along(tile_pixels: int, patch_pixels: int) -> int:
    """Patches along a side of a tile; the convolution has no padding, so the last pixels may go unseen."""
    return tile_pixels // patch_pixels


def cells_along(patches: int, cell_patches: int) -> int:
    """Cells along a side of a tile; where the patches do not come out even, zeros fill the last cell."""
    return -(-patches // cell_patches)


def tiles_to_encode(tiles_wide: int, tiles_high: int) -> int:
    """Tiles of an image that pass through the vision tower: its grid, and the global view where that is another."""
    tiles = tiles_wide * tiles_high
    return 1 if tiles == 1 else 1 + tiles


def tokens_of_grid(rows: int, columns: int) -> int:
    """Image tokens of a grid of cells, whose rows each end with one token more."""
    return rows * (columns + 1)


def tokens_of_image(tiles_wide: int, tiles_high: int, cells: int) -> int:
    """Image tokens: the global view, the token between the views, and the grid of tiles as one grid of cells."""
    return tokens_of_grid(cells, cells) + 1 + tokens_of_grid(tiles_high * cells, tiles_wide * cells)
