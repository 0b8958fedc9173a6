"""Which files of a folder are asked about: by their names alone, in an order that is always the same."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path, PurePath

from dsvl2_runtime.errors import Dsvl2Error, ResourceError, UsageError
from dsvl2_runtime.inputs.formats import IMAGE_ENDINGS

ENDINGS = (*IMAGE_ENDINGS, ".pdf")
"""Of the files that are taken without a pattern; their content decides what they are."""


@dataclass(frozen=True, slots=True)
class Found:
    """One file to ask about."""

    name: str
    """Relative to the folder, with forward slashes; the same wherever the folder lies."""
    path: Path
    error: Dsvl2Error | None = None
    """Why a folder cannot be looked into."""


def find_files(folder: Path, patterns: Sequence[str] = (), *, recursive: bool, without: Path) -> list[Found]:
    """The files of a folder, sorted by name.

    Hidden files are left out. Links to files are followed; those to folders are not, so there are no circles.

    Args:
        folder: or a single file.
        patterns: such as `*.png`, of the names (with a slash in it, of the paths within the folder); a file that fits
            one of them is taken. Without patterns, files with the ending of a picture or of a PDF.
        recursive: also those in the folders below.
        without: a file that is never taken, that of the results.

    Raises:
        UsageError: there is no such folder, or nothing in it is taken.
    """
    if folder.is_file():
        return [Found(folder.name, folder)]
    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder; give one with pictures and documents")
    found = [each for each in _walk(folder, PurePath(), recursive) if each.error or _is_wanted(each, patterns)]
    wanted = [each for each in found if each.path.absolute() != without.absolute()]
    if not wanted:
        what = f"nothing that fits {' or '.join(patterns)}" if patterns else "no pictures and no documents"
        below = "" if recursive else ", or look into its folders with --recursive"
        raise UsageError(f"{folder}: {what}; name the files with --glob{below}")
    return sorted(wanted, key=lambda each: each.name)


def _walk(folder: Path, inside: PurePath, recursive: bool) -> Iterator[Found]:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        said = ResourceError(f"cannot look into {folder}: {error.strerror}; check its permissions")
        yield Found(inside.as_posix() + "/", folder, said)
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if _is_folder(entry):
            if recursive and not entry.is_symlink():
                yield from _walk(folder / entry.name, inside / entry.name, recursive)
        else:
            yield Found((inside / entry.name).as_posix(), folder / entry.name)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link in a circle
        return False


def _is_wanted(found: Found, patterns: Sequence[str]) -> bool:
    if not patterns:
        return found.path.suffix.lower() in ENDINGS
    name = PurePath(found.name).name
    return any(fnmatch(found.name if "/" in pattern else name, pattern) for pattern in patterns)
