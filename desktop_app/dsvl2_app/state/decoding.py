"""Decodes pictures for the window: small ones here, large ones in a process of their own (`decoding_child.py`).

Pillow holds Python's interpreter while it clears, fills and frees the memory of a picture: 30 ms for 48 million pixels,
in which the window stands still. Nothing that another process does holds ours; its pixels are read piece by piece. A
decoder that a hostile picture crashes does not take the window with it, either.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dsvl2_app.state import display, parts, thumbnail
from dsvl2_app.state.display import LONGEST_SHOWN, Level, ShownPicture
from dsvl2_app.state.parts import Corners
from dsvl2_app.state.thumbnail import SmallVersion
from dsvl2_runtime.errors import ImageError, OutOfMemoryError
from dsvl2_runtime.inputs.pillow_file import open_pillow_file
from dsvl2_runtime.machine.own_modules import module_arguments

LARGE = 4_000_000
"""Pixels from which a picture is decoded elsewhere; a smaller one holds us up less than a process takes to start."""
CHILD = module_arguments("dsvl2_app.state.decoding_child")
LONGEST_LINE = 1 << 16
SAVE_AGAIN = "save it again"


def shown_picture(sha256: str, path: Path) -> ShownPicture:
    """As `display.shown_picture`."""
    if not is_large(path):
        return display.shown_picture(sha256, path)
    with _asked(path, "shown", str(path)) as (reply, pixels):
        levels = tuple(Level(_read(path, pixels, (height, width, 4))) for width, height in reply["levels"])
        return ShownPicture(sha256, _pair(reply["size"]), levels)


def small_version(path: Path, side: int) -> SmallVersion:
    """As `thumbnail.small_version`."""
    if not is_large(path):
        return thumbnail.small_version(path, side)
    with _asked(path, "small", str(path), str(side)) as (reply, pixels):
        read = _read(path, pixels, (reply["height"], reply["width"], 3))
        return SmallVersion(Image.fromarray(read), _pair(reply["size"]))


def write_part(path: Path, corners: Corners, out: Path) -> None:
    """As `parts.write_part`."""
    if not is_large(path):
        parts.write_part(path, corners, out)
        return
    with _asked(path, "part", str(path), *map(str, corners), str(out)):
        pass


def is_large(path: Path) -> bool:
    """Whether it has many pixels by what its header says; False for what is no picture."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of sizes below our own limit
        try:
            with path.open("rb") as file, open_pillow_file(file) as opened:
                return opened.width * opened.height > LARGE
        except Exception:  # whoever decodes it says what is wrong
            return False


@contextmanager
def _asked(path: Path, *arguments: str) -> Iterator[tuple[dict[str, Any], IO[bytes]]]:
    """What the process says, and where its pixels come from.

    Raises:
        ImageError, OutOfMemoryError: it says so, or it died.
    """
    process = subprocess.Popen(  # noqa: S603 - our own module, in our own Python
        [sys.executable, *CHILD, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        bufsize=0,
    )
    stdout = cast("IO[bytes]", process.stdout)
    try:
        line = stdout.readline(LONGEST_LINE)
        if not line:
            raise _death(path, process.wait())
        reply = json.loads(line)
        if reply.get("error") == "memory":
            raise OutOfMemoryError
        if "error" in reply:
            raise ImageError(str(path), reply["found"], reply["advice"])
        yield reply, stdout
    finally:
        stdout.close()
        process.kill()
        process.wait()


def _read(path: Path, pixels: IO[bytes], shape: tuple[int, int, int]) -> NDArray[np.uint8]:
    """Pixels that follow the line."""
    if not all(0 < side <= LONGEST_SHOWN for side in shape):
        raise ImageError(str(path), f"its decoder says {shape}", SAVE_AGAIN)
    made = np.empty(shape, np.uint8)
    left = made.reshape(-1).data
    while left:
        count = cast("Any", pixels).readinto(left)
        if not count:
            raise ImageError(str(path), "its decoder ended before its end", SAVE_AGAIN)
        left = left[count:]
    return made


def _death(path: Path, code: int) -> ImageError | OutOfMemoryError:
    if code == -getattr(signal, "SIGKILL", 9):  # as the system does where there is no memory
        return OutOfMemoryError()
    how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
    return ImageError(str(path), f"its decoder ended with {how}", SAVE_AGAIN)


def _pair(numbers: list[int]) -> tuple[int, int]:
    width, height = numbers
    return int(width), int(height)
