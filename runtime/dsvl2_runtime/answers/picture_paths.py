"""Where the pictures of a saved conversation lie, so that they can be seen larger when it is resumed.

Only pictures in the folder of the conversation's file, or below it, are named, and only by their path from there: the
file then tells nothing of other folders, goes on to fit when the folder is moved, and can name no file elsewhere, such
as one of another computer. A name is a hint: the picture there counts only where the model sees the very same in it.
"""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath, PureWindowsPath

import numpy as np

from dsvl2_runtime.config import ModelConfig
from dsvl2_runtime.errors import ImageError, OutOfMemoryError
from dsvl2_runtime.inputs.images import ImageSource
from dsvl2_runtime.inputs.processor import ReadImage, read_image


def path_beside(source: ImageSource | None, folder: Path) -> str:
    """The path of a picture from a folder that it lies in, with slashes; empty where it lies elsewhere or is no file.

    A name that another system would take for a path that leads out is left away as well.
    """
    if not isinstance(source, str | os.PathLike):
        return ""
    try:
        path = Path(source).resolve().relative_to(folder.resolve()).as_posix()
    except (ValueError, OSError):
        return ""
    return "" if leads_out(path) else path


def leads_out(path: str) -> bool:
    """Whether a path may lead out of the folder that it begins in, on any system; `path_beside` gives none of those."""
    parts = PureWindowsPath(path)  # which also has parts between slashes, and a drive where Posix sees a name
    return bool(parts.drive or parts.root or ".." in parts.parts or "\0" in path)


def seen_beside(image: ReadImage, content_hash: str, path: str, folder: Path, config: ModelConfig) -> ReadImage | None:
    """The picture that a path from a folder names, with its source; None where it is not there or is another by now.

    Args:
        image: as it was saved.
        content_hash: of its pixels, as the file says.
        path: from `path_beside`.
        folder: of the conversation's file.
        config: of the model.
    """
    if not path:
        return None
    place = folder.joinpath(*PurePosixPath(path).parts)
    try:
        if not place.resolve().is_relative_to(folder.resolve()):  # through a link
            return None
        found = read_image(place, config)
    except (ImageError, OutOfMemoryError, OSError, ValueError):
        return None
    is_same = found.sha256 == content_hash and np.array_equal(found.tiles, image.tiles)
    return ReadImage(found.sha256, found.size, found.tiles, source=place) if is_same else None
