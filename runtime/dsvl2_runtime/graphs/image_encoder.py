"""Pictures to image tokens: the vision tower and the projector, tile by tile."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dsvl2_runtime.config import ModelConfig
from dsvl2_runtime.errors import ModelCorruptError
from dsvl2_runtime.graphs import graph_io
from dsvl2_runtime.graphs.session import Shape, open_session, run_graph
from dsvl2_runtime.progress import UNWATCHED, Watch

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


class ImageEncoder:
    """Owns the sessions of `vision_encoder` and `projector`."""

    def __init__(
        self, encoder: Path, projector: Path, config: ModelConfig, threads: int, watch: Watch = UNWATCHED
    ) -> None:
        vision, hidden = config.vision_config, config.language_config.hidden_size
        pixels = {graph_io.PIXEL_VALUES: (None, 3, vision.image_size, vision.image_size)}
        patches = {graph_io.PATCH_FEATURES: (None, vision.grid**2, vision.width)}
        features: dict[str, Shape] = {
            graph_io.TILE_FEATURES: (None, config.cells**2, hidden),
            graph_io.IMAGE_NEWLINE: (hidden,),
            graph_io.VIEW_SEPARATOR: (hidden,),
        }
        self._path, self._cells = projector, config.cells
        self._encoder = open_session(encoder, pixels, patches, threads, watch)
        self._projector = open_session(projector, patches, features, threads, watch)

    def encode(self, pixel_values: NDArray[np.float32], watch: Watch = UNWATCHED) -> TileFeatures:
        """Encode tiles.

        Args:
            pixel_values: [num_tiles, 3, image_size, image_size] float32, at least one tile.
            watch: checked before each tile, and told how many are done.

        Raises:
            Stopped: the watch ended it.
            ModelCorruptError: the graph gives another number of tokens than the manifest says.
        """
        num_tiles = len(pixel_values)
        watch.report("vision", 0, num_tiles)
        names = [graph_io.TILE_FEATURES, graph_io.IMAGE_NEWLINE, graph_io.VIEW_SEPARATOR]
        done: list[NDArray[np.float32]] = []
        newline = separator = np.zeros(0, np.float32)
        for start in range(0, num_tiles, TILES_PER_RUN):
            watch.check()
            tiles = pixel_values[start : start + TILES_PER_RUN]
            (patches,) = run_graph(self._encoder, [graph_io.PATCH_FEATURES], {graph_io.PIXEL_VALUES: tiles})
            features, newline, separator = run_graph(self._projector, names, {graph_io.PATCH_FEATURES: patches})
            if features.shape[1] != self._cells**2:  # the traced graph has a name for this axis, not a length
                wrong = f"it gives {features.shape[1]} tokens a tile, but by the manifest {self._cells**2}"
                raise ModelCorruptError(self._path, wrong, "copy or export the bundle again")
            done.append(features)
            watch.report("vision", start + len(tiles), num_tiles)
        return TileFeatures(np.concatenate(done), newline, separator)
