"""Files and folders that are whole or not there: one lock, one hidden place to write in, sums, and errors with names.

What is written for long is written under a hidden name beside its place, asked onto the disk and renamed. A process
that is killed leaves the hidden one, which the next writer of the same place deletes or continues.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from platformdirs import user_cache_path

from dsvl2_runtime.errors import DISK_ERRNOS, BusyError, ResourceError

HASH_CHUNK_BYTES = 1 << 18
"""Read at a time; it stays in the processor's cache until it is summed up."""
PAGE_BYTES = 4096
SAMPLES = 128
SAMPLED_BYTES = SAMPLES * PAGE_BYTES
PURPOSE = "purpose.txt"
"""In an unfinished folder that can be resumed: what is being written from what."""
LONGEST_NAME = 80
"""Characters of a name that its hidden neighbours keep; with more, their own names could be too long for the system."""


def cache_folder() -> Path:
    """Where this program keeps what it was not given a place for: what `optimize` and `bench` make.

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


def unfinished(out: Path) -> Path:
    """Where a file or folder is written until it is complete."""
    return _beside(out, "partial")


def _beside(out: Path, ending: str) -> Path:
    return out.parent / f".{out.name[:LONGEST_NAME]}.{ending}"


@contextmanager
def only_writer(out: Path) -> Iterator[None]:
    """Hold the lock of a place, so that no two processes write there.

    Raises:
        BusyError: another process holds it.
        ResourceError: the folder around it cannot be written.
    """
    from filelock import FileLock, Timeout  # with asyncio and ssl, for which a run that writes nothing need not wait

    lock = _beside(out, "lock")
    with disk_errors(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        held = FileLock(lock)
        try:
            held.acquire(timeout=0)
        except Timeout as error:
            raise BusyError(f"another process is writing {out}; wait until it has ended") from error
    try:
        yield
    finally:
        # Deleted while it is held: a process that has opened it meanwhile sees that it has no name any more and gives
        # it up. Deleted afterwards it could be locked twice. Windows deletes no open file; there the library does it
        # later.
        with suppress(OSError):
            lock.unlink()
        held.release()


@contextmanager
def new_folder(out: Path, *, overwrite: bool = False, purpose: str = "", journal: str | None = None) -> Iterator[Path]:
    """Write a folder that appears when it is complete, or not at all.

    A failed attempt is deleted, at once or by the next writer, unless it left a `journal` with the same `purpose`; then
    the next writer resumes it.

    Args:
        out: the new folder.
        overwrite: replace a folder that is there; it is deleted when the new one is in its place.
        purpose: what is written from what; two attempts with the same one would write the same bytes.
        journal: name of the file that says how far an attempt has come; without one nothing is resumed. It and the
            file `PURPOSE` are no part of the new folder.

    Yields:
        The unfinished folder: with the journal if there is something to resume, otherwise empty.

    Raises:
        BusyError: another process writes there.
        ResourceError: the disk is full or cannot be written.
    """
    folder = unfinished(out)
    marks = [folder / PURPOSE, folder / journal] if journal is not None else []

    def resumable() -> bool:
        return bool(marks) and marks[1].is_file()

    with only_writer(out):
        with disk_errors(out):
            same = bool(marks) and marks[0].is_file() and marks[0].read_text("utf-8") == purpose
            if folder.exists() and not (same and resumable()):
                shutil.rmtree(folder)
            folder.mkdir(exist_ok=True)
            if marks:
                marks[0].write_text(purpose, "utf-8")
        try:
            with _disk_errors_of_caller(out):
                yield folder
            with disk_errors(out):
                flush_files(path for path in folder.rglob("*") if path.is_file() and path not in marks)
                _put_in_place(folder, out, overwrite, marks)
        except BaseException:
            if not resumable():
                shutil.rmtree(folder, ignore_errors=True)
            raise


def _put_in_place(folder: Path, out: Path, overwrite: bool, marks: Sequence[Path]) -> None:
    """Rename a folder, without its marks; one that is there is deleted only when the new one is in its place."""
    kept = {mark: mark.read_bytes() for mark in marks if mark.is_file()}
    replaced = _beside(out, "replaced")
    try:
        for mark in kept:
            mark.unlink()
        if overwrite and out.exists():
            if replaced.exists():
                shutil.rmtree(replaced)
            out.rename(replaced)
        try:
            folder.rename(out)
        except BaseException:
            if replaced.exists() and not out.exists():
                replaced.rename(out)
            raise
    except BaseException:
        if folder.exists():
            for mark, content in kept.items():
                mark.write_bytes(content)
        raise
    if replaced.exists():
        shutil.rmtree(replaced)


@contextmanager
def new_file(out: Path, *, private: bool = False) -> Iterator[Path]:
    """Write a file that appears when it is complete, in the place of an older one, or not at all.

    Args:
        out: the file. Where another process could write it too, hold its lock (`only_writer`).
        private: nobody but its owner may read it.

    Yields:
        The path to write to; there is an empty file.
    """
    path = unfinished(out)
    path.unlink(missing_ok=True)
    path.touch(0o600 if private else 0o666, exist_ok=False)
    try:
        yield path
        flush(path)
        path.replace(out)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


@contextmanager
def disk_errors(out: Path) -> Iterator[None]:
    """Say what could not be written where, instead of a bare `OSError`."""
    try:
        yield
    except OSError as error:
        if isinstance(error, ResourceError):
            raise
        raise cannot_write(out, error) from error


@contextmanager
def _disk_errors_of_caller(out: Path) -> Iterator[None]:
    """As `disk_errors` around code of a caller, whose other errors are its own."""
    try:
        yield
    except OSError as error:
        if error.errno not in DISK_ERRNOS or isinstance(error, ResourceError):
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
        if isinstance(error, ResourceError):
            raise
        raise ResourceError(f"cannot read {path}: {error.strerror}; check its permissions and its disk") from error


def sha256(path: Path, on_bytes: Callable[[int], None] = lambda done: None) -> str:
    """SHA-256 of a file, read in pieces, as 64 hexadecimal digits.

    Raises:
        ResourceError: it cannot be read.
    """
    digest = hashlib.sha256()
    done = 0
    piece = memoryview(bytearray(HASH_CHUNK_BYTES))
    with read_errors(path), path.open("rb", buffering=0) as file:
        while count := file.readinto(piece):
            digest.update(piece[:count])
            done += count
            on_bytes(done)
    return digest.hexdigest()


def sample_sha256(path: Path) -> str:
    """SHA-256 of `SAMPLES` pages spread evenly over a file, its first and last among them; of a short file, of all.

    It tells two files of one size apart where they differ throughout, as two models do, and takes as long for a large
    file as for a small one. It does not find a flipped bit; `sha256` does.

    Raises:
        ResourceError: it cannot be read.
    """
    with read_errors(path), path.open("rb", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        if size <= SAMPLED_BYTES:
            return hashlib.sha256(file.read()).hexdigest()
        digest = hashlib.sha256()
        last = (size - 1) // PAGE_BYTES
        for index in range(SAMPLES):
            file.seek(last * index // (SAMPLES - 1) * PAGE_BYTES)
            digest.update(file.read(PAGE_BYTES))
        return digest.hexdigest()


def flush_files(paths: Iterable[Path]) -> None:
    """Put the bytes of files on the disk before the rename that makes them count."""
    for path in paths:
        flush(path)


def flush(path: Path) -> None:
    """Ask the system to put a file's bytes on the disk before the rename that makes them count."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())
