"""Images to image tokens: the vision encoder and the projector, tile by tile."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dsvl2_runtime.bundle.bundle import Bundle
from dsvl2_runtime.config import ModelConfig
from dsvl2_runtime.errors import ModelCorruptError
from dsvl2_runtime.graphs import graph_io
from dsvl2_runtime.graphs.own_graph import REMEDY
from dsvl2_runtime.graphs.session import Shape, open_session, run_graph
from dsvl2_runtime.graphs.target import Target
from dsvl2_runtime.graphs.token_layout import lay_out
from dsvl2_runtime.graphs.vision_graphs import VisionGraphs, vision_graphs
from dsvl2_runtime.inputs.processor import ImageInput
from dsvl2_runtime.inputs.tiling import normalized
from dsvl2_runtime.progress import UNWATCHED, Watch

log = logging.getLogger(__name__)

TILES_PER_RUN = 1
"""Larger batches were not faster (docs/performance.md), and one at a time keeps memory low and stopping prompt."""


@dataclass(frozen=True, slots=True)
class TileFeatures:
    """What the projector gives for some tiles."""

    tiles: NDArray[np.float32]
    """[num_tiles, cells * cells, hidden] float32."""
    image_newline: NDArray[np.float32]
    """[hidden] float32, the same for all tiles of a model, like the separator."""
    view_separator: NDArray[np.float32]

    @property
    def nbytes(self) -> int:
        """Bytes of the three."""
        return self.tiles.nbytes + self.image_newline.nbytes + self.view_separator.nbytes


class ImageEncoder:
    """Owns the sessions of `vision_encoder` and `projector`."""

    def __init__(self, graphs: VisionGraphs, config: ModelConfig, threads: int, watch: Watch = UNWATCHED) -> None:
        vision, hidden = config.vision_config, config.language_config.hidden_size
        pixels = {graph_io.PIXEL_VALUES: (None, 3, vision.image_size, vision.image_size)}
        patches = {graph_io.PATCH_FEATURES: (None, vision.grid**2, vision.width)}
        features: dict[str, Shape] = {
            graph_io.TILE_FEATURES: (None, config.cells**2, hidden),
            graph_io.IMAGE_NEWLINE: (hidden,),
            graph_io.VIEW_SEPARATOR: (hidden,),
        }
        self._path, self._hidden = graphs.projector, hidden
        self.cells = config.cells
        """Along a side of a tile, after the projector."""
        library = graphs.kernels.path if graphs.kernels is not None else None
        self._encoder = open_session(graphs.encoder, pixels, patches, threads, watch, library=library)
        self._projector = open_session(graphs.projector, patches, features, threads, watch, library=library)

    def encode(self, images: Sequence[ImageInput], watch: Watch = UNWATCHED) -> list[NDArray[np.float32]]:
        """The image tokens of each image, laid out as the prompt takes them; `ImageCache.encode` remembers them.

        Args:
            images: in any number; each is encoded by itself, so its features depend on nothing else.
            watch: as for `encode_tiles`.

        Returns:
            For each image [num_image_tokens, hidden] float32.

        Raises:
            Stopped, ModelCorruptError: as `encode_tiles`.
        """
        encoded = self.encode_tiles([image.tiles for image in images], watch)
        return [
            lay_out(features.tiles, image.tiling, features.image_newline, features.view_separator)
            for image, features in zip(images, encoded, strict=True)
        ]

    def encode_tiles(self, groups: Sequence[NDArray[np.uint8]], watch: Watch = UNWATCHED) -> Iterator[TileFeatures]:
        """The features of groups of tiles, each group as soon as it is complete.

        Args:
            groups: each [num_tiles, image_size, image_size, 3] uint8.
            watch: checked before each tile, and told how many tiles of all groups are done.

        Raises:
            Stopped: the watch ended it.
            ModelCorruptError: the graph gives another number of tokens than the manifest says.
        """
        total, done = sum(map(len, groups)), 0
        watch.report("vision", done, total)
        for group in groups:
            tiles = np.empty((len(group), self.cells**2, self._hidden), np.float32)
            newline = separator = np.zeros(0, np.float32)
            for start in range(0, len(tiles), TILES_PER_RUN):
                watch.check()
                pixel_values = normalized(group[start : start + TILES_PER_RUN])
                tiles[start : start + TILES_PER_RUN], newline, separator = self._run(pixel_values)
                done += len(pixel_values)
                watch.report("vision", done, total)
            yield TileFeatures(tiles, newline, separator)

    def _run(self, pixel_values: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
        """Tile features [num_tiles, cells * cells, hidden], image newline [hidden], view separator [hidden]."""
        names = [graph_io.TILE_FEATURES, graph_io.IMAGE_NEWLINE, graph_io.VIEW_SEPARATOR]
        (patches,) = run_graph(self._encoder, [graph_io.PATCH_FEATURES], {graph_io.PIXEL_VALUES: pixel_values})
        features, newline, separator = run_graph(self._projector, names, {graph_io.PATCH_FEATURES: patches})
        if features.shape[1] != self.cells**2:  # the traced graph has a name for this axis, not a length
            wrong = f"it gives {features.shape[1]} tokens a tile, but by the manifest {self.cells**2}"
            raise ModelCorruptError(self._path, wrong, "copy or export the bundle again")
        return features, newline, separator


def open_image_encoder(bundle: Bundle, target: Target, threads: int, watch: Watch = UNWATCHED) -> ImageEncoder:
    """From the fastest of the bundle's graphs that can be loaded; one line is logged where one cannot.

    Raises:
        ModelCorruptError, OutOfMemoryError, Stopped: as `open_session`.
    """
    *faster, last = vision_graphs(bundle, target)
    for graphs in faster:
        try:
            return ImageEncoder(graphs, bundle.manifest.config, threads, watch)
        except ModelCorruptError as error:
            log.warning("a slower graph is used, as %s cannot be loaded (%s); %s", error.path, error, REMEDY)
    return ImageEncoder(last, bundle.manifest.config, threads, watch)
