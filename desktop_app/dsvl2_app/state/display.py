"""Pictures for the screen: decoded once more when one is looked at, at sizes from which a window draws at once."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from dsvl2_runtime.engine.wire_error import WireError, wire_error
from dsvl2_runtime.inputs.images import decode_image

LONGEST_SHOWN = 4096
"""Pixels of the longest side that is shown; the engine reads the whole picture."""
SHORTEST_LEVEL = 256
"""A level is not halved below this."""


@dataclass(frozen=True, slots=True)
class Level:
    """One size of a picture."""

    width: int
    height: int
    pixels: bytes
    """Blue, green, red and an unused byte for each pixel, in rows from the top, which a screen takes as they are."""


@dataclass(frozen=True, slots=True)
class ShownPicture:
    """A picture at several sizes, each about half of the one before."""

    sha256: str
    """Of its content."""
    size: tuple[int, int]
    """(width, height) in pixels of the whole picture, upright."""
    levels: tuple[Level, ...]

    def level_for(self, scale: float) -> Level:
        """The smallest level that has a pixel for each one of the screen.

        Args:
            scale: pixels of the screen for one of the whole picture.
        """
        wanted = scale * self.size[0]
        return next((level for level in reversed(self.levels) if level.width >= wanted), self.levels[0])


def shown_picture(sha256: str, path: Path) -> ShownPicture:
    """Decode a picture for the screen; raises like `decode_image`."""
    decoded = decode_image(path)
    image = decoded.image
    image.thumbnail((LONGEST_SHOWN, LONGEST_SHOWN), Image.Resampling.LANCZOS, reducing_gap=2.0)
    levels = [_level(image)]
    while max(image.size) > 2 * SHORTEST_LEVEL:
        image = image.reduce(2)
        levels.append(_level(image))
    return ShownPicture(sha256, decoded.size, tuple(levels))


def thumbnail_picture(sha256: str, size: tuple[int, int], thumbnail: Image.Image) -> ShownPicture:
    """A picture that is shown coarsely until it is decoded."""
    return ShownPicture(sha256, size, (_level(thumbnail),))


def _level(image: Image.Image) -> Level:
    return Level(image.width, image.height, image.tobytes("raw", "BGRX"))


class Display:
    """A thread that decodes the picture that was asked for last; those that nobody looks at any more are left out."""

    def __init__(self, on_result: Callable[[ShownPicture | WireError], None]) -> None:
        self._on_result = on_result
        """Called on the thread."""
        self._asked: queue.SimpleQueue[tuple[str, Path] | None] = queue.SimpleQueue()
        threading.Thread(target=self._run, name="show images", daemon=True).start()

    def show(self, sha256: str, path: Path) -> None:
        """Decode this one next."""
        self._asked.put((sha256, path))

    def close(self) -> None:
        """End the thread, without waiting for the picture that it decodes."""
        self._asked.put(None)

    def _run(self) -> None:
        while (asked := self._asked.get()) is not None:
            while not self._asked.empty():
                newer = self._asked.get()
                if newer is None:
                    return
                asked = newer
            try:
                self._on_result(shown_picture(*asked))
            except Exception as error:  # whatever it is, the window must hear of it
                self._on_result(wire_error(error))
