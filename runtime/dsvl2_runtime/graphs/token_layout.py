"""The order of image tokens: the global view, a separator, and all tiles as one large grid.

Source: `modeling_deepseek_vl_v2.py` `prepare_inputs_embeds`, tile tag "2D", global view at the head.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dsvl2_runtime.inputs.tiling import Tiling


def lay_out(
    tile_features: NDArray[np.float32],
    tilings: Sequence[Tiling],
    image_newline: NDArray[np.float32],
    view_separator: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Tokens of all pictures, in order.

    Args:
        tile_features: [num_tiles, cells * cells, hidden] float32.
        tilings: of each picture, in the order of the tiles.
        image_newline: [hidden] float32, the end of every row.
        view_separator: [hidden] float32, between a picture's two grids.

    Returns:
        [num_image_tokens, hidden] float32.
    """
    cells = round(tile_features.shape[1] ** 0.5)
    hidden = tile_features.shape[2]
    tokens = np.empty((sum(tiling.token_count(cells) for tiling in tilings), hidden), np.float32)
    at = tile = 0

    def write_grid(grid: NDArray[np.float32]) -> None:
        """Copy [rows, columns, hidden] with a newline behind each row."""
        nonlocal at
        rows, columns = grid.shape[:2]
        target = tokens[at : at + rows * (columns + 1)].reshape(rows, columns + 1, hidden)
        target[:, :columns] = grid
        target[:, columns] = image_newline
        at += rows * (columns + 1)

    for tiling in tilings:
        write_grid(tile_features[tile].reshape(cells, cells, hidden))
        tokens[at] = view_separator
        at += 1
        wide, high = tiling.tiles_wide, tiling.tiles_high
        first = tile + (tiling.num_tiles > 1)
        tiles = tile_features[first : first + wide * high].reshape(high, wide, cells, cells, hidden)
        write_grid(tiles.swapaxes(1, 2).reshape(high * cells, wide * cells, hidden))
        tile += tiling.num_tiles
    return tokens
