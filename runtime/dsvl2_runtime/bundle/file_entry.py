"""One file as a list has it: its size, its sum, and a sum over samples that is quick to compare."""

from __future__ import annotations

import errno
import stat
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath

from pydantic import BaseModel, ConfigDict, Field

from dsvl2_runtime.errors import ModelCorruptError, ModelNotFoundError
from dsvl2_runtime.machine.files import SAMPLED_BYTES, read_errors, sample_sha256, sha256

MOST_BYTES = (1 << 63) - 1
"""No file system knows larger files."""
SUMMED_WITHOUT_SAMPLES = 8_000_000
"""Bytes of a file that is summed up whole where a list of an older version has no sum over samples."""

VerifyProgress = Callable[[int, int], None]
"""Told (bytes checked, bytes in all)."""


class FileEntry(BaseModel):
    """One file of a folder that is listed."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True)

    path: str
    """Relative to the folder, with forward slashes."""
    size: int = Field(ge=0, le=MOST_BYTES)
    """Bytes."""
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    samples_sha256: str | None = Field(default=None, pattern="^[0-9a-f]{64}$")
    """Of some of its pages (`files.sample_sha256`); None of a small file, which is summed up whole."""

    @classmethod
    def of(cls, path: Path, folder: Path) -> FileEntry:
        """Read a file that lies in `folder`, all of it."""
        size = path.stat().st_size
        samples = sample_sha256(path) if size > SAMPLED_BYTES else None
        return cls(path=path.relative_to(folder).as_posix(), size=size, sha256=sha256(path), samples_sha256=samples)


def contained(folder: Path, relative: str, named_by: Path) -> Path:
    """A file inside a folder.

    Args:
        folder: which it must not leave.
        relative: its path there, with forward slashes.
        named_by: the file that lists it, for the error.

    Raises:
        ModelCorruptError: the path is absolute, climbs out, is a link or leads through one, or no file can have it.
    """
    parts = PurePosixPath(relative).parts
    outside = ModelCorruptError(named_by, f"it lists {relative!r}, outside its folder", "do not trust it")
    if not parts or relative.startswith("/") or {"..", "."} & set(parts) or set("\\:\0") & set(relative):
        raise outside
    for depth in range(1, len(parts) + 1):
        path = folder.joinpath(*parts[:depth])
        if _is_link(path):
            raise ModelCorruptError(path, "a link, which could lead anywhere", "put the file itself in its place")
    try:
        direct = path.resolve() == folder.resolve().joinpath(*parts)  # a junction of Windows is no link
    except ValueError:  # half a character
        direct = False
    if not direct:
        raise outside
    return path


def _is_link(path: Path) -> bool:
    try:
        return path.is_symlink()
    except OSError:  # too long, or in a folder that may not be looked into
        return False


def check_file(folder: Path, entry: FileEntry, named_by: Path, advice: str) -> None:
    """Compare a file with its entry as far as that takes milliseconds: its size and samples of its content.

    Args:
        folder: which the entry is relative to.
        entry: what the file should be.
        named_by: the file that lists it, for the error.
        advice: what to do where it differs.

    Raises:
        ModelNotFoundError: it is missing.
        ModelCorruptError: it differs, or leads out of the folder.
        ResourceError: it cannot be read.
    """
    path = contained(folder, entry.path, named_by)
    mode, size = mode_and_size(path)
    if not stat.S_ISREG(mode):
        raise ModelNotFoundError(path, f"missing, but listed in {named_by.name}", advice)
    if size != entry.size:
        raise ModelCorruptError(path, f"{size} bytes, but {named_by.name} says {entry.size}", advice)
    whole = size <= (SAMPLED_BYTES if entry.samples_sha256 else SUMMED_WITHOUT_SAMPLES)
    wanted = entry.sha256 if whole else entry.samples_sha256
    with read_errors(path):
        found = sha256(path) if whole else sample_sha256(path)
    if wanted is not None and found != wanted:
        raise ModelCorruptError(path, f"not the file that {named_by.name} lists, although its size is right", advice)


def check_sums(
    folder: Path, files: Sequence[FileEntry], named_by: Path, advice: str, on_progress: VerifyProgress
) -> None:
    """Compare every listed file's SHA-256 with the list.

    Raises:
        ModelCorruptError: a file is missing or differs.
        ResourceError: a file cannot be read.
    """
    total = sum(entry.size for entry in files)
    before = 0
    for entry in files:
        path = contained(folder, entry.path, named_by)
        if not path.is_file():
            raise ModelCorruptError(path, "missing", advice)
        found = sha256(path, lambda done, start=before: on_progress(start + done, total))  # type: ignore[misc]
        if found != entry.sha256:
            raise ModelCorruptError(path, f"its SHA-256 is {found}, but it was written with {entry.sha256}", advice)
        before += entry.size


def mode_and_size(path: Path) -> tuple[int, int]:
    """Of a file or folder; zeros where there is none, or none can have that name.

    Raises:
        ResourceError: it may not be looked at.
    """
    try:
        found = path.stat()
    except ValueError:
        return 0, 0
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.EINVAL):
            return 0, 0
        with read_errors(path):
            raise
    return found.st_mode, found.st_size
