"""Decodes one large picture and ends: what `decoding` asks for, in a process of its own.

The arguments are a task and its own. It answers with one line of JSON on standard output, behind which pixels follow.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from dsvl2_app.state.display import shown_picture
from dsvl2_app.state.parts import write_part
from dsvl2_app.state.thumbnail import small_version
from dsvl2_runtime.errors import ImageError, OutOfMemoryError

SHOWN, SMALL, PART = "shown", "small", "part"
"""The tasks."""
IMAGE_ERROR, MEMORY = "image", "memory"
"""How it may fail."""


def _shown(out: BinaryIO, path: str) -> None:
    picture = shown_picture("", Path(path))
    _say(out, size=picture.size, levels=[(level.width, level.height) for level in picture.levels])
    for level in picture.levels:
        out.write(level.pixels.data)


def _small(out: BinaryIO, path: str, side: str) -> None:
    small = small_version(Path(path), int(side))
    _say(out, size=small.size, width=small.image.width, height=small.image.height)
    out.write(small.image.tobytes())


def _part(out: BinaryIO, path: str, left: str, top: str, right: str, bottom: str, part: str) -> None:
    write_part(Path(path), (int(left), int(top), int(right), int(bottom)), Path(part))
    _say(out)


TASKS: dict[str, Callable[..., None]] = {SHOWN: _shown, SMALL: _small, PART: _part}


def _say(out: BinaryIO, **values: Any) -> None:
    out.write(json.dumps(values).encode() + b"\n")


def main() -> None:
    """Entry point."""
    out = sys.stdout.buffer
    try:
        TASKS[sys.argv[1]](out, *sys.argv[2:])
    except ImageError as error:
        _say(out, error=IMAGE_ERROR, found=error.found, advice=error.advice)
    except (MemoryError, OutOfMemoryError):
        _say(out, error=MEMORY)
    out.flush()


if __name__ == "__main__":
    main()
