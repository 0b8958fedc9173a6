"""Image features that were computed before, so that a picture costs its tiles once and not with every question.

An image has one or two parts: its global view, and the grid of tiles where that is another. They are kept apart: a
third image in a conversation takes the grids of the first two away and leaves their global views as they are.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dsvl2_runtime.config import LanguageConfig
from dsvl2_runtime.graphs.image_encoder import ImageEncoder, TileFeatures
from dsvl2_runtime.graphs.token_layout import lay_out
from dsvl2_runtime.inputs.processor import ImageInput
from dsvl2_runtime.inputs.tiling import ONE_TILE, PREPROCESSING_VERSION, Tiling
from dsvl2_runtime.progress import UNWATCHED, Watch

KEPT_CONTEXTS = 4
"""By default features of so many full contexts are kept, such as 134 MB of the model Small: nine screenshots."""


def default_bytes(config: LanguageConfig) -> int:
    """Bytes of features that a model keeps by default."""
    return KEPT_CONTEXTS * config.max_position_embeddings * config.hidden_size * np.dtype(np.float32).itemsize


@dataclass(frozen=True, slots=True)
class PartKey:
    """All that the features of one part of an image depend on."""

    manifest_sha256: bytes
    """Of the bundle; it lists the sums of the graphs."""
    preprocessing: int
    sha256: str
    """Of the image's content, as `ImageInput.sha256`."""
    tiling: Tiling
    """Of the grid; of the global view `ONE_TILE`."""


class ImageCache:
    """Owns features of images up to a number of bytes; those that were not used for longest go first.

    Whoever calls it holds the turn with the graphs.
    """

    def __init__(self, manifest_sha256: bytes, max_bytes: int) -> None:
        self._manifest_sha256 = manifest_sha256
        self.max_bytes = max_bytes
        """0 keeps nothing."""
        self._parts: OrderedDict[PartKey, TileFeatures] = OrderedDict()

    @property
    def nbytes(self) -> int:
        """Bytes of all features that are kept."""
        return sum(features.nbytes for features in self._parts.values())

    def clear(self) -> None:
        """Forget everything."""
        self._parts.clear()

    def encode(
        self, encoder: ImageEncoder, images: Sequence[ImageInput], watch: Watch = UNWATCHED
    ) -> list[NDArray[np.float32]]:
        """The image tokens of each image; only parts that are not kept pass through the encoder.

        Args:
            encoder: of the model with the manifest of this cache.
            images: in any number.
            watch: as for `ImageEncoder.encode_tiles`; without an unknown part it hears nothing.

        Returns:
            For each image [num_image_tokens, hidden] float32.

        Raises:
            Stopped: the watch ended it; the parts that were complete are kept.
            ModelCorruptError: as `ImageEncoder.encode_tiles`.
        """
        found: dict[PartKey, TileFeatures] = {}
        missing: dict[PartKey, NDArray[np.uint8]] = {}
        for image in images:
            for key, tiles in self._parts_of(image):
                if key in self._parts:
                    self._parts.move_to_end(key)
                    found[key] = self._parts[key]
                else:
                    missing[key] = tiles
        if missing:
            for key, features in zip(missing, encoder.encode_tiles(list(missing.values()), watch), strict=True):
                found[key] = features
                self._keep(key, features)
        return [self._laid_out(image, found) for image in images]

    def _parts_of(self, image: ImageInput) -> Iterator[tuple[PartKey, NDArray[np.uint8]]]:
        """Each part with its tiles, the global view first."""
        yield self._key(image, ONE_TILE), image.tiles[:1]
        if image.tiling != ONE_TILE:
            yield self._key(image, image.tiling), image.tiles[1:]

    def _key(self, image: ImageInput, tiling: Tiling) -> PartKey:
        return PartKey(self._manifest_sha256, PREPROCESSING_VERSION, image.sha256, tiling)

    def _laid_out(self, image: ImageInput, found: dict[PartKey, TileFeatures]) -> NDArray[np.float32]:
        parts = [found[key] for key, _ in self._parts_of(image)]
        tiles = np.concatenate([part.tiles for part in parts])  # [num_tiles, cells * cells, hidden]
        return lay_out(tiles, image.tiling, parts[0].image_newline, parts[0].view_separator)

    def _keep(self, key: PartKey, features: TileFeatures) -> None:
        if features.nbytes > self.max_bytes:
            return
        self._parts[key] = features
        while self.nbytes > self.max_bytes:
            self._parts.popitem(last=False)
