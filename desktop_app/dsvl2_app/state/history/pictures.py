"""The contents of kept images, each once, named by its hash; small versions of them for lists."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from dsvl2_app.state.decoding import small_version
from dsvl2_runtime.errors import BusyError, ImageError, ResourceError
from dsvl2_runtime.machine.disk_space import require_disk
from dsvl2_runtime.machine.files import disk_errors, new_file, only_writer, sha256

FOLDER, THUMBNAILS = "pictures", "thumbnails"
THUMBNAIL = 176
"""Longest side in pixels."""
WAIT_SECONDS = 5.0
"""For another process that keeps the same picture at this moment."""
NAME = re.compile(r"[0-9a-f]{64}")


class Pictures:
    """The folder of pictures beside a database.

    A name from the database is never used as it is: only 64 hexadecimal digits lead to a file, and links do not.
    """

    def __init__(self, folder: Path) -> None:
        self._contents = folder / FOLDER
        self._thumbnails = folder / THUMBNAILS

    def path(self, digest: str) -> Path:
        """Where a content is, or would be.

        Raises:
            ValueError: it is no hash.
        """
        return self._contents / _checked(digest)

    def holds(self, digest: str) -> bool:
        """Whether a content is there, as a file."""
        path = self.path(digest)
        return path.is_file() and not path.is_symlink()

    def keep(self, source: Path, digest: str) -> None:
        """Copy a content into the folder, whole or not at all; one that is there is not copied again.

        Raises:
            ResourceError: it cannot be read, or there is no room.
            ImageError: the file does not hold what it is named after.
        """
        path = self.path(digest)
        if self.holds(digest) or source == path:  # one that was kept and is lost is no reason to keep no answers
            return
        _write(path, lambda unfinished: _copy(source, digest, unfinished))

    def thumbnail(self, digest: str) -> Path | None:
        """A small PNG of a content, made if it is not there; None if the content is missing or is no image.

        Raises:
            ResourceError: there is no room for it.
        """
        path = self._thumbnails / f"{_checked(digest)}.png"
        if path.is_file() and not path.is_symlink():
            return path
        if not self.holds(digest):
            return None
        try:
            image = small_version(self.path(digest), THUMBNAIL).image
        except ImageError:
            return None
        _write(path, lambda unfinished: image.save(unfinished, "PNG"))
        return path

    def remove(self, digests: Iterable[str]) -> None:
        """Delete contents and their small versions; what cannot be deleted is tried again by `remove_others`."""
        for digest in digests:
            with suppress(OSError, ValueError):
                for path in (self.path(digest), self._thumbnails / f"{digest}.png"):
                    path.unlink(missing_ok=True)

    def remove_others(self, is_used: Callable[[str], bool]) -> None:
        """Delete what no turn uses: a process was killed between two steps. Files of other names are left alone."""
        for folder in (self._contents, self._thumbnails):
            if folder.is_dir() and not folder.is_symlink():
                for path in list(folder.iterdir()):
                    if NAME.fullmatch(path.stem) and not is_used(path.stem):
                        self.remove([path.stem])
                    elif path.name.startswith(".") and path.name.endswith(".partial"):
                        path.unlink(missing_ok=True)

    def remove_all(self) -> None:
        """Delete both folders."""
        for folder in (self._contents, self._thumbnails):
            if folder.is_symlink():
                folder.unlink()
            elif folder.exists():
                shutil.rmtree(folder)


def _checked(digest: str) -> str:
    if not NAME.fullmatch(digest):
        raise ValueError("a picture is named by the 64 hexadecimal digits of its hash")
    return digest


def _write(path: Path, write: Callable[[Path], object]) -> None:
    if path.parent.is_symlink():
        raise ResourceError(f"{path.parent} is a link to another folder; nothing is kept there; remove the link")
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            with disk_errors(path):
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                with only_writer(path), new_file(path, private=True) as unfinished:
                    write(unfinished)
            return
        except BusyError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def _copy(source: Path, digest: str, unfinished: Path) -> None:
    require_disk(unfinished, source.stat().st_size)
    shutil.copyfile(source, unfinished)
    if sha256(unfinished) != digest:
        raise ImageError(source.name, "its content is not the one that was added", "add it again")
