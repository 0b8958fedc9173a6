"""Images to rows of features that never leave the GPU: the encoder writes them where the decoder will read them.

One store of rows holds the features of all images that were asked about lately; a prompt names the rows that it wants.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from dsvl2_runtime.config import ModelConfig
from dsvl2_runtime.errors import OutOfMemoryError
from dsvl2_runtime.graphs import graph_io
from dsvl2_runtime.graphs.cuda.memory import DeviceMemory
from dsvl2_runtime.graphs.elements import Element
from dsvl2_runtime.graphs.gpu_memory import TILE_BATCHES
from dsvl2_runtime.graphs.image_cache import ImageCache, PartKey
from dsvl2_runtime.graphs.session import bind_copies, run_bound
from dsvl2_runtime.graphs.target import Target
from dsvl2_runtime.graphs.token_layout import lay_out
from dsvl2_runtime.inputs.processor import ImageInput
from dsvl2_runtime.inputs.tiling import normalized
from dsvl2_runtime.progress import UNWATCHED, Watch

NEWLINE, SEPARATOR, FIRST_FREE = 0, 1, 2
"""Rows of the store."""


class FeatureStore:
    """Rows [rows, hidden] of features at one address, and which of them are taken."""

    def __init__(self, memory: DeviceMemory, rows: int, hidden: int, element: Element) -> None:
        self.rows, self.hidden, self.element = rows + FIRST_FREE, hidden, element
        self._address = memory.allocate(self.rows * hidden * element.nbytes)
        self._taken: dict[int, int] = {}
        """Start of each range to its length."""

    def address(self, row: int = 0) -> int:
        """Of a row."""
        return self._address + row * self.hidden * self.element.nbytes

    def take(self, count: int) -> int | None:
        """The first of `count` neighbouring free rows, or None where there is no such gap."""
        start = FIRST_FREE
        for taken, length in sorted(self._taken.items()):
            if taken - start >= count:
                break
            start = taken + length
        if start + count > self.rows:
            return None
        self._taken[start] = count
        return start

    def give_back(self, start: int) -> None:
        """Free a range."""
        del self._taken[start]


class CudaImageEncoder:
    """Owns the session of `image_encoder`."""

    def __init__(
        self, session: onnxruntime.InferenceSession, config: ModelConfig, store: FeatureStore, target: Target
    ) -> None:
        self._session, self._store, self._target = session, store, target
        self.cells = config.cells
        """Along a side of a tile, after the projector."""
        side = self._side = config.vision_config.image_size
        # Kept, because new memory of this size costs as much time as what is written there.
        self._pixels = np.empty((TILE_BATCHES[0], 3, side, side), np.float32)

    def encode_to(self, pictures: NDArray[np.uint8], row: int, options: onnxruntime.RunOptions | None = None) -> None:
        """Write the features of some tiles [num_tiles, image_size, image_size, 3] into the store, from a row on."""
        store, tiles = self._store, len(pictures)
        binding = self._session.io_binding()
        bind_copies(binding, {graph_io.PIXEL_VALUES: normalized(pictures, self._pixels)})
        outputs = (
            (graph_io.TILE_FEATURES, (tiles, self.cells**2, store.hidden), row),
            (graph_io.IMAGE_NEWLINE, (1, store.hidden), NEWLINE),
            (graph_io.VIEW_SEPARATOR, (1, store.hidden), SEPARATOR),
        )
        for name, shape, at in outputs:
            self._target.bind_output_at(binding, name, store.element.onnx, shape, store.address(at))
        run_bound(self._session, binding, options)

    def warm(self, tiles: int, options: onnxruntime.RunOptions | None = None) -> None:
        """Run once with some empty tiles, which finds the kernels for that many."""
        start = self._store.take(tiles * self.cells**2)
        if start is not None:
            self.encode_to(np.zeros((tiles, self._side, self._side, 3), np.uint8), start, options)
            self._store.give_back(start)

    def warm_all(self, watch: Watch = UNWATCHED) -> None:
        """Find the kernels of each size of a batch, and keep the memory of the largest alone."""
        for tiles in TILE_BATCHES:
            watch.check()
            self.warm(tiles)
        self.warm(TILE_BATCHES[0], self._target.shrinking_run())
        self.warm(TILE_BATCHES[0])


def batches(tiles: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
    """Tiles in as few batches as the sizes that are tried out at load allow."""
    start = 0
    while start < len(tiles):
        size = next(size for size in TILE_BATCHES if size <= len(tiles) - start)
        yield tiles[start : start + size]
        start += size


class DeviceImageCache(ImageCache):
    """Owns the ranges of the store that hold features; those that were not used for longest go first.

    Parts of images and their keys are those of `ImageCache`.
    """

    def __init__(self, manifest_sha256: bytes, store: FeatureStore) -> None:
        super().__init__(manifest_sha256, store.rows * store.hidden * store.element.nbytes)
        self._store = store
        self._ranges: OrderedDict[PartKey, tuple[int, int]] = OrderedDict()
        """Part to first row and number of rows."""

    @property
    def nbytes(self) -> int:
        """Bytes of all features that are kept."""
        return sum(self._bytes(count) for _, count in self._ranges.values())

    def clear(self) -> None:
        """Forget everything."""
        while self._ranges:
            self._drop(next(iter(self._ranges)))

    def encode(self, encoder: Any, images: Sequence[ImageInput], watch: Watch = UNWATCHED) -> list[NDArray[Any]]:
        """The rows of the store that hold the tokens of each image; only parts that are not kept are encoded.

        Args:
            encoder: a `CudaImageEncoder` of the same store.
            images: in any number.
            watch: checked before each batch of tiles, and told how many tiles are done.

        Returns:
            For each image [num_image_tokens] int64.

        Raises:
            Stopped: the watch ended it; the parts that were complete are kept.
            OutOfMemoryError: the images together have more rows than the store.
        """
        wanted = dict(part for image in images for part in self._parts_of(image))
        self._make_room(encoder.cells**2, wanted)
        missing = {key: pixels for key, pixels in wanted.items() if key not in self._ranges}
        total, done = sum(map(len, missing.values())), 0
        if missing:
            watch.report("vision", done, total)
        for key, pixels in missing.items():
            start = self._take(len(pixels) * encoder.cells**2, wanted)
            try:
                row = start
                for batch in batches(pixels):
                    watch.check()
                    encoder.encode_to(batch, row)
                    row += len(batch) * encoder.cells**2
                    done += len(batch)
                    watch.report("vision", done, total)
            except BaseException:
                self._store.give_back(start)
                raise
            self._ranges[key] = start, len(pixels) * encoder.cells**2
        for key in wanted:
            self._ranges.move_to_end(key)
        return [self._rows_of(image, encoder.cells) for image in images]

    def _make_room(self, rows_of_tile: int, wanted: dict[PartKey, NDArray[np.uint8]]) -> None:
        """Drop what exceeds the limit, and everything where the gaps between what is wanted may be too small."""
        rows = sum(len(pixels) for pixels in wanted.values()) * rows_of_tile
        for key in [key for key in self._ranges if key not in wanted]:
            if self.nbytes + self._bytes(rows) <= self.max_bytes:
                break
            self._drop(key)
        if 2 * rows > self._store.rows:
            self.clear()

    def _take(self, rows: int, wanted: dict[PartKey, NDArray[np.uint8]]) -> int:
        while (start := self._store.take(rows)) is None:
            others = [key for key in self._ranges if key not in wanted]
            if not others:
                raise OutOfMemoryError
            self._drop(others[0])
        return start

    def _drop(self, key: PartKey) -> None:
        self._store.give_back(self._ranges.pop(key)[0])

    def _bytes(self, rows: int) -> int:
        return rows * self._store.hidden * self._store.element.nbytes

    def _rows_of(self, image: ImageInput, cells: int) -> NDArray[np.int64]:
        """The layout of an image's tokens, worked out with the numbers of rows in place of rows."""
        numbers = np.concatenate(list(self._numbers(image)))  # [num_tiles * cells * cells]
        tiles = numbers.astype(np.float32).reshape(-1, cells**2, 1)  # float32 holds whole numbers up to 2^24
        newline, separator = np.full(1, NEWLINE, np.float32), np.full(1, SEPARATOR, np.float32)
        return lay_out(tiles, image.tiling, newline, separator)[:, 0].astype(np.int64)

    def _numbers(self, image: ImageInput) -> Iterator[NDArray[np.int64]]:
        for key, _ in self._parts_of(image):
            start, count = self._ranges[key]
            yield np.arange(start, start + count)
