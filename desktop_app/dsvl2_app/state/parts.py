"""Parts of pictures, and pictures with their boxes, as files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dsvl2_app.state.display import screen_pixels
from dsvl2_runtime.answers.boxes import Box
from dsvl2_runtime.answers.draw_boxes import WRITTEN_FORMATS, draw_boxes, require_drawing_format
from dsvl2_runtime.inputs.images import decode_image
from dsvl2_runtime.machine.files import disk_errors, new_file

FASTEST_PNG = 1
"""Level of compression: the file is read again at once."""
Corners = tuple[int, int, int, int]
"""(left, top, right, bottom) in pixels of the whole picture, upright."""


def write_part(picture: Path, corners: Corners, out: Path) -> None:
    """Write a part of a picture as PNG, with all of its pixels; raises like `decode_image`.

    Of a picture so large that `decode_image` halves it, with half of them along each side.
    """
    decoded = decode_image(picture)
    scale = decoded.image.width / decoded.size[0]
    left, top, right, bottom = (round(corner * scale) for corner in corners)
    part = decoded.image.crop((left, top, max(right, left + 1), max(bottom, top + 1)))
    part.save(out, "PNG", compress_level=FASTEST_PNG)


def save_with_boxes(picture: Path, boxes: Sequence[Box], out: Path) -> Path:
    """Write a picture with its boxes, in the format that the name asks for.

    Raises:
        UsageError: no such format can be written.
        ImageError, ResourceError: the picture cannot be read, or the file not be written.
    """
    require_drawing_format(out)
    drawn = draw_boxes(picture, boxes)
    with disk_errors(out), new_file(out) as path:
        drawn.save(path, WRITTEN_FORMATS[out.suffix.lower()])
    return out


def pixels_with_boxes(picture: Path, boxes: Sequence[Box]) -> NDArray[np.uint8]:
    """A picture with its boxes, as `display.screen_pixels`."""
    return screen_pixels(draw_boxes(picture, boxes))
