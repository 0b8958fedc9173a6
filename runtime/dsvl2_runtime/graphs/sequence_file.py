"""A sequence in a file, so that a conversation goes on later without reading its images and texts again.

The file is untrusted: it has a fixed header, every size in it is checked against the model and the file before memory
is taken, and a digest over all of it is checked before the sequence is given out. Layout, little-endian:

| part | content |
|---|---|
| header | magic, version, bytes per value, tokens, rows, images, cache tensors: uint32 each |
| | SHA-256 of the model's manifest, 32 bytes |
| | SHA-256 of the header up to here and of everything behind the header, 32 bytes |
| layout | values per row of each cache tensor, uint32 |
| ids | token ids, uint32 |
| images | of each: start, stop, tiles wide, tiles high, uint32; SHA-256 of its content, 32 bytes |
| cache | of each tensor: [rows, row], as `stored_rows.py` says |
"""

from __future__ import annotations

import hashlib
import os
import stat
import struct
from pathlib import Path
from typing import BinaryIO

import numpy as np

from dsvl2_runtime.errors import SequenceFileError
from dsvl2_runtime.graphs.elements import BY_NAME
from dsvl2_runtime.graphs.sequence import ImageSpan, Sequence
from dsvl2_runtime.graphs.stored_rows import ROW_TYPES, VALUE_BYTES, RowType, restore, store, stored_bytes
from dsvl2_runtime.machine.files import disk_errors, new_file, only_writer, read_errors

MAGIC, VERSION = b"DSVL2SEQ", 1
SIZES = struct.Struct("<8s6I32s")
"""The header up to the digest."""
IMAGE = struct.Struct("<4I32s")
DIGEST_BYTES = 32


def save_sequence(path: Path, sequence: Sequence, manifest_sha256: bytes, row_type: RowType = "float32") -> None:
    """Write a sequence; the file is whole or as it was, and only its owner may read it.

    Args:
        path: the file, replaced if there is one.
        sequence: no run of which is going on.
        manifest_sha256: of the model, 32 bytes.
        row_type: of the cached rows; float16 takes half the space and rounds to 11 bits, int8 a little more than a
            quarter and rounds to 1/254 of the largest of 64 values.

    Raises:
        UsageError: a cached value is too large for float16.
        BusyError: another process writes the file.
        ResourceError: the file cannot be written.
    """
    with (
        only_writer(path),
        disk_errors(path),
        new_file(path, private=True) as unfinished,
        unfinished.open("wb") as file,
    ):
        write_sequence(file, sequence, manifest_sha256, row_type)


def write_sequence(file: BinaryIO, sequence: Sequence, manifest_sha256: bytes, row_type: RowType) -> None:
    """Write a sequence at the end of a file; arguments and errors as `save_sequence`."""
    cache = sequence.cache
    sizes = (len(sequence.token_ids), cache.length, len(sequence.images), len(cache.tensors))
    head = SIZES.pack(MAGIC, VERSION, VALUE_BYTES[row_type], *sizes, manifest_sha256)
    digest = hashlib.sha256(head)
    file.write(head)
    digest_at = file.tell()
    file.write(bytes(DIGEST_BYTES))

    def write(content: bytes) -> None:
        digest.update(content)
        file.write(content)

    write(np.array([tensor.row for tensor in cache.tensors], "<u4").tobytes())
    write(np.array(sequence.token_ids, "<u4").tobytes())
    for image in sequence.images:
        write(IMAGE.pack(image.start, image.stop, *image.tiles, bytes.fromhex(image.sha256)))
    for rows in cache.rows(cache.length):  # [rows, row]
        write(store(rows, row_type))
    file.seek(digest_at)
    file.write(digest.digest())


def load_sequence(path: Path, sequence: Sequence, manifest_sha256: bytes) -> None:
    """Read a file into a sequence.

    Args:
        path: what `save_sequence` wrote, or anything else.
        sequence: a new one of the model.
        manifest_sha256: of the model, 32 bytes.

    Raises:
        SequenceFileError: the file is missing or damaged, or belongs to another model or version.
        ResourceError: it cannot be read.
    """
    with read_errors(path):
        if not is_regular(path):
            raise SequenceFileError(path, "no such file", "check the path")
        with path.open("rb") as file:
            read_sequence(path, file, sequence, manifest_sha256)


def read_sequence(path: Path, file: BinaryIO, sequence: Sequence, manifest_sha256: bytes) -> None:
    """Read a sequence from the rest of a file; `path` is for messages, the others and the errors as `load_sequence`."""
    _Reader(path, file).read_into(sequence, manifest_sha256)


def is_regular(path: Path) -> bool:
    """Whether there is a file that is neither a folder nor a device."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return False


class _Reader:
    """Reads one file from its beginning to its end."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self._path, self._file = path, file
        self._digest = hashlib.sha256()

    def read_into(self, sequence: Sequence, manifest_sha256: bytes) -> None:
        cache = sequence.cache
        found_size = os.fstat(self._file.fileno()).st_size - self._file.tell()
        head = self._take(SIZES.size)
        expected_digest = self._file.read(DIGEST_BYTES)
        magic, version, value_bytes, tokens, rows, images, tensors, manifest = SIZES.unpack(head)
        if magic != MAGIC:
            raise self._wrong("not a saved sequence")
        if version != VERSION or value_bytes not in ROW_TYPES:
            raise self._wrong(f"its form is {version} with {value_bytes} bytes a value, which this release cannot read")
        if manifest != manifest_sha256:
            raise self._wrong("it was saved with another model, or with another export of this one")
        if not (rows <= tokens <= cache.context_tokens and images <= tokens and tensors == len(cache.tensors)):
            found = f"{tokens} tokens, {rows} rows, {images} images and {tensors} cache tensors"
            raise self._wrong(f"it has {found}, which do not fit the model")
        row_sizes = [tensor.row for tensor in cache.tensors]
        size = SIZES.size + DIGEST_BYTES + 4 * tensors + 4 * tokens + IMAGE.size * images
        row_type = ROW_TYPES[value_bytes]
        size += rows * sum(stored_bytes(row, row_type) for row in row_sizes)
        if found_size != size:
            raise self._wrong(f"{found_size} bytes, but its header means {size}")
        if np.frombuffer(self._take(4 * tensors), "<u4").tolist() != row_sizes:
            raise self._wrong("its cache has another layout than the model's")
        token_ids = np.frombuffer(self._take(4 * tokens), "<u4")
        if tokens and token_ids.max() >= len(sequence.logits):
            raise self._wrong(f"it has token {token_ids.max()}, but the model has {len(sequence.logits)}")
        spans = self._images(images, tokens)
        for index, (row, tensor) in enumerate(zip(row_sizes, cache.tensors, strict=True)):
            restored = restore(self._take(rows * stored_bytes(row, row_type)), rows, row, row_type)
            if not np.isfinite(restored).all():
                raise self._wrong("a value of its cache is not finite")
            if (np.abs(restored.astype(np.float32)) > BY_NAME[tensor.dtype].largest).any():
                raise self._wrong(f"a value of its cache is too large for {tensor.dtype}, which this machine keeps")
            cache.put(index, restored)
        if self._digest.digest() != expected_digest:
            raise self._wrong("its content is not what was saved")
        sequence.token_ids, sequence.images = token_ids.tolist(), spans
        cache.advance(rows)

    def _images(self, count: int, tokens: int) -> tuple[ImageSpan, ...]:
        spans = []
        end = 0
        for _ in range(count):
            start, stop, wide, high, content = IMAGE.unpack(self._take(IMAGE.size))
            if not end <= start < stop <= tokens:
                raise self._wrong(f"an image takes the positions {start} to {stop}, which cannot be")
            end = stop
            spans.append(ImageSpan(start, stop, content.hex(), (wide, high)))
        return tuple(spans)

    def _take(self, size: int) -> bytes:
        piece = self._file.read(size)
        if len(piece) != size:
            raise self._wrong("it ends too early")
        self._digest.update(piece)
        return piece

    def _wrong(self, found: str) -> SequenceFileError:
        return SequenceFileError(self._path, found, "delete it and begin the conversation again")
