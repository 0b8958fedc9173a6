"""Files written so that they are whole or not there, and errors that say which file could not be read or written."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from platformdirs import user_cache_path

from dsvl2_runtime.errors import ResourceError

HASH_CHUNK_BYTES = 1 << 22


def cache_folder() -> Path:
    """The one folder that this program writes to unasked for a place: what `optimize` and `bench` keep.

    All of it can be deleted and made again.
    """
    folder: Path = user_cache_path("dsvl2-onnx")
    return folder


def bytes_in(folder: Path) -> int:
    """Bytes of the files in a folder and below; those that vanish or may not be looked at count as none."""
    total = 0
    for root, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                total += (Path(root) / name).lstat().st_size
    return total


@contextmanager
def disk_errors(out: Path) -> Iterator[None]:
    """Say what could not be written where, instead of a bare `OSError`."""
    try:
        yield
    except OSError as error:
        if isinstance(error, ResourceError):
            raise
        raise cannot_write(out, error) from error


def cannot_write(out: Path, error: OSError) -> ResourceError:
    """With the file that the system names, which may be one that was to be read."""
    named = f"{error.filename}: " if error.filename else ""
    return ResourceError(f"cannot write {out}: {named}{error.strerror}; free some space or choose another folder")


@contextmanager
def read_errors(path: Path) -> Iterator[None]:
    """Say what could not be read, which is neither damage nor a full disk."""
    try:
        yield
    except OSError as error:
        raise ResourceError(f"cannot read {path}: {error.strerror}; check its permissions and its disk") from error


def sha256(path: Path, on_bytes: Callable[[int], None] = lambda done: None) -> str:
    """SHA-256 of a file, read in pieces, as 64 hexadecimal digits.

    Raises:
        ResourceError: it cannot be read.
    """
    digest = hashlib.sha256()
    done = 0
    with read_errors(path), path.open("rb") as file:
        while piece := file.read(HASH_CHUNK_BYTES):
            digest.update(piece)
            done += len(piece)
            on_bytes(done)
    return digest.hexdigest()


def flush_files(paths: Iterable[Path]) -> None:
    """Put the bytes of files on the disk before the rename that makes them count."""
    for path in paths:
        flush(path)


def flush(path: Path) -> None:
    """Ask the system to put a file's bytes on the disk before the rename that makes them count."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())
