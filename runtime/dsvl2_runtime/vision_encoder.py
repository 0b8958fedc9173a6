"""Pictures to image tokens: the vision tower and the projector, tile by tile."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dsvl2_runtime import graph_io
from dsvl2_runtime.progress import never_stop
from dsvl2_runtime.session import open_session

TILES_PER_RUN = 1
"""Larger batches were not faster (docs/performance.md), and one at a time keeps memory low and stopping prompt."""


@dataclass(frozen=True, slots=True)
class TileFeatures:
    """What the projector says about a set of tiles."""

    tile_features: NDArray[np.float32]
    """[num_tiles, cells * cells, hidden] float32."""
    image_newline: NDArray[np.float32]
    """[hidden] float32."""
    view_separator: NDArray[np.float32]
    """[hidden] float32."""


class VisionEncoder:
    """Owns the sessions of `vision_encoder` and `projector`."""

    def __init__(self, encoder: Path, projector: Path, threads: int) -> None:
        self._encoder = open_session(encoder, {graph_io.PIXEL_VALUES}, {graph_io.PATCH_FEATURES}, threads)
        outputs = {graph_io.TILE_FEATURES, graph_io.IMAGE_NEWLINE, graph_io.VIEW_SEPARATOR}
        self._projector = open_session(projector, {graph_io.PATCH_FEATURES}, outputs, threads)

    def encode(
        self,
        pixel_values: NDArray[np.float32],
        on_tiles: Callable[[int], None] = lambda done: None,
        should_stop: Callable[[], bool] = never_stop,
    ) -> TileFeatures | None:
        """Encode tiles.

        Args:
            pixel_values: [num_tiles, 3, image_size, image_size] float32, at least one tile.
            on_tiles: told how many tiles are done.
            should_stop: asked before each run.

        Returns:
            The features, or None when it was stopped.
        """
        names = [graph_io.TILE_FEATURES, graph_io.IMAGE_NEWLINE, graph_io.VIEW_SEPARATOR]
        done: list[NDArray[np.float32]] = []
        newline = separator = np.zeros(0, np.float32)
        for start in range(0, len(pixel_values), TILES_PER_RUN):
            if should_stop():
                return None
            tiles = pixel_values[start : start + TILES_PER_RUN]
            (patches,) = self._encoder.run([graph_io.PATCH_FEATURES], {graph_io.PIXEL_VALUES: tiles})
            features, newline, separator = self._projector.run(names, {graph_io.PATCH_FEATURES: patches})
            done.append(features)
            on_tiles(start + len(tiles))
        return TileFeatures(np.concatenate(done), newline, separator)
