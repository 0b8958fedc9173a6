"""Opens pictures that nobody vouches for: the format, the file and the size are checked before a pixel is decoded."""

from __future__ import annotations

import io
import logging
import os
import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from dsvl2_runtime.errors import ImageError

log = logging.getLogger(__name__)

ImageSource = str | os.PathLike[str] | bytes | Image.Image | NDArray[np.uint8]
"""A file's path, its bytes, a Pillow picture, or an array [height, width] or [height, width, 3 or 4] of uint8."""

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF")
LARGEST_PIXELS = 100_000_000
"""A 600 dpi A4 page has 35 million; the model sees at most 3456 pixels along a side."""
LARGEST_FILE_BYTES = 500_000_000
LARGEST_ASPECT = 768
"""Beyond this the shorter side of the global view, 384 pixels, would round to nothing."""
FORMATS_ADVICE = "use " + ", ".join(FORMATS)


def open_image(source: ImageSource) -> Image.Image:
    """A picture as RGB, upright as a person sees it.

    Two things differ from the reference on purpose: EXIF orientation is applied, and transparency is laid over white
    where the reference drops it (which shows whatever colour lies under transparent pixels).

    Raises:
        ImageError: it is missing, not a regular file, not a picture of a known format, broken, empty, or too large.
    """
    name, image = _opened(source)
    width, height = image.size
    if not width or not height:
        raise ImageError(name, f"{width}x{height} pixels", "use a picture that is not empty")
    if width * height > LARGEST_PIXELS:
        raise ImageError(name, f"{width}x{height} pixels", f"scale it to at most {LARGEST_PIXELS} pixels")
    if max(width, height) > LARGEST_ASPECT * min(width, height):
        raise ImageError(name, f"{width}x{height} pixels, too narrow to see anything", "cut it into pieces")
    if getattr(image, "n_frames", 1) > 1:
        log.warning("picture %s has several frames or pages; only the first one is used", name)
    try:
        return _rgb(ImageOps.exif_transpose(image))
    except (OSError, ValueError, SyntaxError, EOFError, TypeError) as error:
        raise ImageError(name, f"it is damaged ({error})", "save it again") from error


def _opened(source: ImageSource) -> tuple[str, Image.Image]:
    """A name for messages, and the picture with its pixels not decoded yet."""
    if isinstance(source, Image.Image):
        return "in memory", source
    if isinstance(source, np.ndarray):
        shape = source.shape
        if source.dtype != np.uint8 or source.ndim not in (2, 3) or (source.ndim == 3 and shape[2] not in (3, 4)):
            found = f"an array {list(shape)} of {source.dtype}"
            raise ImageError("in memory", found, "give [height, width] or [height, width, 3 or 4] of uint8")
        if not source.size:
            raise ImageError("in memory", f"an array {list(shape)}", "use a picture that is not empty")
        return "in memory", Image.fromarray(source)
    if isinstance(source, bytes):
        return "in memory", _decoded("in memory", io.BytesIO(source))
    path = Path(source)
    name = str(path)
    try:
        if not path.exists():
            raise ImageError(name, "no such file", "check the path")
        if not path.is_file():
            raise ImageError(name, "not a regular file", "give the path of a picture")
        if path.stat().st_size > LARGEST_FILE_BYTES:
            raise ImageError(name, f"{path.stat().st_size} bytes", f"use a file of at most {LARGEST_FILE_BYTES}")
        return name, _decoded(name, path)
    except (OSError, ValueError) as error:
        if isinstance(error, ImageError):
            raise
        raise ImageError(name, f"it cannot be read ({error})", "check the path and its permissions") from error


def _decoded(name: str, file: Path | io.BytesIO) -> Image.Image:
    try:
        with warnings.catch_warnings():
            # Our own limit on pixels follows; Pillow's warning below it would only confuse.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            return Image.open(file, formats=FORMATS)
    except UnidentifiedImageError as error:
        raise ImageError(name, "not a picture of a known format", FORMATS_ADVICE) from error
    except Image.DecompressionBombError as error:
        raise ImageError(name, f"far too many pixels ({error})", f"scale it to at most {LARGEST_PIXELS}") from error
    except (OSError, ValueError, SyntaxError, EOFError, TypeError) as error:
        raise ImageError(name, f"it is damaged ({error})", FORMATS_ADVICE) from error


def _rgb(image: Image.Image) -> Image.Image:
    """Any mode to RGB: 16 bit and float scaled to 8 bit, transparency over white."""
    if image.mode.startswith("I") or image.mode == "F":
        values = np.asarray(image, np.float64)
        finite = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
        top = 65535.0 if image.mode.startswith("I") else max(float(finite.max(initial=1.0)), 1.0)
        image = Image.fromarray(np.clip(finite * (255.0 / top), 0, 255).astype(np.uint8))
    if image.has_transparency_data:
        layered = image.convert("RGBA")
        white = Image.new("RGBA", layered.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, layered).convert("RGB")
    return image.convert("RGB")
