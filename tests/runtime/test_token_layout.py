"""The order of image tokens, written out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from dsvl2_runtime.graphs.token_layout import lay_out
from dsvl2_runtime.inputs.tiling import Tiling

NEWLINE, SEPARATOR = np.array([-1.0], np.float32), np.array([-2.0], np.float32)


def tiles(count: int, cells: int = 2) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.arange(count * cells * cells, dtype=np.float32).reshape(count, cells * cells, 1)


def test_one_picture_of_two_tiles() -> None:
    """The global view, the separator, then rows that run across both tiles."""
    found = lay_out(tiles(3), Tiling(2, 1), NEWLINE, SEPARATOR)[:, 0].tolist()
    assert found == [0, 1, -1, 2, 3, -1, -2, 4, 5, 8, 9, -1, 6, 7, 10, 11, -1]


def test_tiles_below_each_other() -> None:
    """The rows of the upper tile come first."""
    found = lay_out(tiles(3), Tiling(1, 2), NEWLINE, SEPARATOR)[:, 0].tolist()
    assert found == [0, 1, -1, 2, 3, -1, -2, 4, 5, -1, 6, 7, -1, 8, 9, -1, 10, 11, -1]


def test_a_single_tile_stands_twice() -> None:
    """Encoded once, laid out as global view and as tile."""
    found = lay_out(tiles(1), Tiling(1, 1), NEWLINE, SEPARATOR)[:, 0].tolist()
    single = [0, 1, -1, 2, 3, -1]
    assert found == [*single, -2, *single]


@pytest.mark.parametrize("tiling", [Tiling(1, 1), Tiling(3, 2), Tiling(9, 1), Tiling(3, 3)])
def test_the_count_is_what_was_planned(tiling: Tiling) -> None:
    """The prompt holds places for exactly as many."""
    assert len(lay_out(tiles(tiling.num_tiles, 14), tiling, NEWLINE, SEPARATOR)) == tiling.token_count(14)
