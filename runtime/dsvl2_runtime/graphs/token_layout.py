"""The order of an image's tokens: the global view, a separator, and all tiles as one large grid.

Source: `modeling_deepseek_vl_v2.py` `prepare_inputs_embeds`, tile tag "2D", global view at the head.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dsvl2_runtime.inputs.tiling import Tiling


def lay_out(
    tile_features: NDArray[np.float32],
    tiling: Tiling,
    image_newline: NDArray[np.float32],
    view_separator: NDArray[np.float32],
) -> NDArray[np.float32]:
    """The tokens of one image.

    Args:
        tile_features: [num_tiles, cells * cells, hidden] float32, the global view first.
        tiling: of the image; a single tile is its own global view.
        image_newline: [hidden] float32, the end of every row.
        view_separator: [hidden] float32, between the two grids.

    Returns:
        [num_image_tokens, hidden] float32.
    """
    cells = round(tile_features.shape[1] ** 0.5)
    hidden = tile_features.shape[2]
    wide, high = tiling.tiles_wide, tiling.tiles_high
    tiles = tile_features[-wide * high :].reshape(high, wide, cells, cells, hidden)
    global_view = tile_features[0].reshape(cells, cells, hidden)
    local_view = tiles.swapaxes(1, 2).reshape(high * cells, wide * cells, hidden)
    return np.concatenate(
        [
            _lines(global_view, image_newline),  # [cells * (cells + 1), hidden]
            view_separator[None],  # [1, hidden]
            _lines(local_view, image_newline),  # [high * cells * (wide * cells + 1), hidden]
        ]
    )


def _lines(grid: NDArray[np.float32], image_newline: NDArray[np.float32]) -> NDArray[np.float32]:
    """[rows, columns, hidden] -> [rows * (columns + 1), hidden], with a newline at the end of each row."""
    rows, columns, hidden = grid.shape
    lines = np.empty((rows, columns + 1, hidden), np.float32)
    lines[:, :columns] = grid
    lines[:, columns] = image_newline
    return lines.reshape(-1, hidden)
