"""Reads a file of a batch once: what is asked about is what its sum says, whatever becomes of the file meanwhile."""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from dsvl2_runtime.errors import ImageError
from dsvl2_runtime.inputs.formats import HEAD_BYTES, image_format, is_pdf
from dsvl2_runtime.inputs.images import LARGEST_FILE_BYTES, ImageBytes

FLAGS = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)
"""A pipe that nobody writes into is opened without waiting, and refused then."""


@dataclass(frozen=True, slots=True)
class Content:
    """A file's bytes."""

    source: ImageBytes
    sha256: str

    @property
    def is_document(self) -> bool:
        """Whether it has pages: a PDF or a TIFF."""
        head = self.source.data[:HEAD_BYTES]
        form = image_format(head)
        return is_pdf(head) or (form is not None and form.name == "TIFF")


def read_content(path: Path, name: str) -> Content:
    """Read a file.

    Args:
        path: of the file; a link is followed.
        name: for messages.

    Raises:
        ImageError: it is missing, no regular file, too large, or cannot be read.
    """
    try:
        handle = os.open(path, FLAGS)
        with os.fdopen(handle, "rb") as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise ImageError(name, "not a regular file", "leave it out with --glob")
            if found.st_size > LARGEST_FILE_BYTES:
                raise ImageError(name, f"{found.st_size} bytes", f"use a file of at most {LARGEST_FILE_BYTES}")
            data = file.read(LARGEST_FILE_BYTES + 1)
    except FileNotFoundError as error:
        raise ImageError(name, "no such file", "it may have been removed, or be a link that leads nowhere") from error
    except OSError as error:
        raise ImageError(name, f"it cannot be read ({error.strerror})", "check its permissions") from error
    return Content(ImageBytes(name, data), hashlib.sha256(data).hexdigest())
