"""Contents of images that a client keeps for one session, so that a question is about what was added.

A file may be changed or deleted between being added and being asked about. The store copies it once, under the hash of
its bytes, into a folder that only its user can read, and the engine reads the copy. The folder is deleted with the
session; what a killed process leaves is deleted by the next session of the same user.
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from dsvl2_runtime.errors import BusyError, ImageError, ResourceError
from dsvl2_runtime.inputs.images import LARGEST_FILE_BYTES, ImageBytes, image_file
from dsvl2_runtime.machine.disk_space import require_disk
from dsvl2_runtime.machine.files import disk_errors, only_writer, read_errors, sha256
from dsvl2_runtime.machine.machine import GIGABYTE, gigabytes

PREFIX = "dsvl2-images-"
"""Of the folders in the system's temporary folder."""
CONTENTS = "contents"
LARGEST_STORE_BYTES = 4_000_000_000
"""Of one session: the temporary folder may be small, or lie in the memory."""
COPY_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class KeptImage:
    """The content of one image file."""

    path: Path
    """Of the copy; nobody changes it."""
    sha256: str
    """Of its bytes, as 64 hexadecimal digits."""


class ImageStore:
    """The contents of one session; for the thread that opened it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._bytes = 0

    def keep(self, source: Path | ImageBytes) -> KeptImage:
        """Copy a file, or bytes that came without one; what is there already is not kept twice.

        Raises:
            ImageError: it is missing, not a regular file, or too large.
            ResourceError: it cannot be read, the disk is full, or the session keeps too much.
        """
        name, file = image_file(source)
        with file, self._new_file() as copy:
            require_disk(copy, file.seek(0, os.SEEK_END))
            file.seek(0)
            _copy(name, file, copy)
            return self._put_in_place(copy)

    def keep_written(self, write: Callable[[Path], None]) -> KeptImage:
        """Keep what a function writes to the path that it is given; raises like `keep`."""
        with self._new_file() as copy:
            write(copy)
            return self._put_in_place(copy)

    @contextmanager
    def _new_file(self) -> Iterator[Path]:
        path = self._folder / "incomplete"
        with disk_errors(path):
            try:
                yield path
            finally:
                path.unlink(missing_ok=True)

    def _put_in_place(self, copy: Path) -> KeptImage:
        size = copy.stat().st_size
        if self._bytes + size > LARGEST_STORE_BYTES:
            raise ResourceError(
                f"this picture has {gigabytes(size)} and those that were added before it have "
                f"{gigabytes(self._bytes)}, which is more than the {LARGEST_STORE_BYTES / GIGABYTE:.0f} GB that "
                "are kept; start the program again"
            )
        digest = sha256(copy)
        path = self._folder / digest
        if not path.exists():
            copy.rename(path)
            self._bytes += size
        return KeptImage(path, digest)


@contextmanager
def open_store() -> Iterator[ImageStore]:
    """A store in a new folder, which is deleted at the end.

    Raises:
        ResourceError: the temporary folder cannot be written.
    """
    with ExitStack() as stack:
        folder = None
        while folder is None:
            with disk_errors(Path(tempfile.gettempdir())):
                session = Path(tempfile.mkdtemp(prefix=PREFIX))
            with suppress(BusyError):  # another session has just taken the new folder for an abandoned one
                folder = stack.enter_context(_session(session))
        yield ImageStore(folder)


def delete_abandoned() -> None:
    """Delete what killed processes of this user have left."""
    for session in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError, BusyError):  # a living session, or another user's
            if _is_ours(session):
                with _session(session):
                    pass


@contextmanager
def _session(session: Path) -> Iterator[Path]:
    """The folder of a session's contents, locked as long as it lives; deleted at the end."""
    folder = session / CONTENTS
    try:
        with only_writer(folder):
            try:
                with disk_errors(folder):
                    folder.mkdir(mode=0o700, exist_ok=True)
                yield folder
            finally:
                shutil.rmtree(folder, ignore_errors=True)
    finally:
        with suppress(OSError):  # it holds the lock of another process, or Windows deletes ours a little later
            session.rmdir()


def _copy(name: str, source: BinaryIO, copy: Path) -> None:
    """As much as a file may have; it may grow while it is read."""
    left = LARGEST_FILE_BYTES
    with copy.open("xb") as out:
        while piece := _read(name, source):
            left -= len(piece)
            if left < 0:
                raise ImageError(name, "it grows while it is read", "wait until it is complete")
            out.write(piece)


def _read(name: str, source: BinaryIO) -> bytes:
    with read_errors(Path(name)):
        return source.read(COPY_BYTES)


def _is_ours(session: Path) -> bool:
    """Whether it is a folder of this user and not a link to one; others may have put links where all may write."""
    found = session.lstat()
    return stat.S_ISDIR(found.st_mode) and (not hasattr(os, "getuid") or found.st_uid == os.getuid())
