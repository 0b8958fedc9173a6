"""Opens pictures that nobody vouches for: the format, the file and the size are checked before a pixel is decoded."""

from __future__ import annotations

import hashlib
import io
import logging
import os
import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from dsvl2_runtime.errors import ImageError, OutOfMemoryError

log = logging.getLogger(__name__)

ImageSource = str | os.PathLike[str] | bytes | Image.Image | NDArray[np.uint8]
"""A file's path, its bytes, a Pillow picture, or an array [height, width] or [height, width, 3 or 4] of uint8."""

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF")
LARGEST_PIXELS = 100_000_000
"""A 600 dpi A4 page has 35 million; the model sees at most 3456 pixels along a side."""
LARGEST_FILE_BYTES = 500_000_000
TILE_PIXELS = 384
"""Along the global view of all three releases."""
ORIENTATION = 0x0112
"""The EXIF tag that says how a camera was held."""
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}  # fmt: skip
SIXTEEN_BITS = 65535
FORMATS_ADVICE = "use " + ", ".join(FORMATS)


def open_image(source: ImageSource, tile_pixels: int = TILE_PIXELS) -> Image.Image:
    """A picture as RGB, upright as a person sees it.

    Args:
        source: of the kinds above.
        tile_pixels: along the global view; a picture whose shorter side would round to nothing in it is refused.

    Two things differ from the reference on purpose: EXIF orientation is applied, and transparency is laid over white
    where the reference drops it (which shows whatever colour lies under transparent pixels).

    Raises:
        ImageError: it is missing, not a regular file, not a picture of a known format, broken, empty, or too large.
        OutOfMemoryError: there is too little memory for its pixels.
    """
    with warnings.catch_warnings():
        # Pillow warns of sizes below our own limit and of odd metadata, which would only confuse.
        warnings.simplefilter("ignore")
        return _checked(*_opened(source), tile_pixels)


def content_hash(image: Image.Image) -> str:
    """SHA-256 over mode, size and pixels, as 64 hexadecimal digits.

    Two images with the same hash look the same, and the same picture in another file or format has the same hash. Mode
    and size are part of it because 30x150 and 150x30 pixels may be the same bytes.
    """
    digest = hashlib.sha256(f"{image.mode} {image.width}x{image.height} ".encode())
    digest.update(image.tobytes())
    return digest.hexdigest()


def check_image(path: Path, tile_pixels: int = TILE_PIXELS) -> None:
    """Raise what `open_image` would raise before it decodes a pixel; looks at the header alone."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        name, image = _opened(path)
        with image:
            _require_usable_size(name, image, tile_pixels)


def _require_usable_size(name: str, image: Image.Image, tile_pixels: int) -> None:
    width, height = image.size
    if not width or not height:
        raise ImageError(name, f"{width}x{height} pixels", "use a picture that is not empty")
    if width * height > LARGEST_PIXELS:
        raise ImageError(name, f"{width}x{height} pixels", f"scale it to at most {LARGEST_PIXELS} pixels")
    if not round(min(width, height) / max(width, height) * tile_pixels):  # as `ImageOps.pad` rounds
        raise ImageError(name, f"{width}x{height} pixels, too narrow to see anything", "cut it into pieces")


def _checked(name: str, image: Image.Image, tile_pixels: int) -> Image.Image:
    _require_usable_size(name, image, tile_pixels)
    try:
        frames = getattr(image, "n_frames", 1)  # walks through the file, and fails where that is cut
        image.load()
        upright = _rgb(_upright(name, image))
    except Exception as error:  # decoders meet hostile bytes with struct.error, KeyError, IndexError and more
        if isinstance(error, MemoryError) or "out of memory" in str(error):  # the words of Pillow's decoders
            raise OutOfMemoryError from error
        raise ImageError(name, f"it is damaged ({error})", "save it again") from error
    if frames > 1:
        log.warning("picture %s has several frames or pages; only the first one is used", name)
    return upright


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
    if not isinstance(source, (str, os.PathLike)):
        found = f"a {type(source).__name__}"
        raise ImageError("in memory", found, "give a path, bytes, a Pillow picture or an array of uint8")
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
        return Image.open(file, formats=FORMATS)
    except UnidentifiedImageError as error:
        raise ImageError(name, "not a picture of a known format", FORMATS_ADVICE) from error
    except Image.DecompressionBombError as error:
        raise ImageError(name, f"far too many pixels ({error})", f"scale it to at most {LARGEST_PIXELS}") from error
    except Exception as error:  # as in `open_image`
        raise ImageError(name, f"it is damaged ({error})", FORMATS_ADVICE) from error


def _upright(name: str, image: Image.Image) -> Image.Image:
    """Turned as its EXIF says; `ImageOps.exif_transpose` would also write the EXIF anew, and fail where that cannot."""
    try:
        turn = UPRIGHT.get(image.getexif().get(ORIENTATION, 1))
    except Exception as error:  # the pixels are whole, and only what is said about them is not
        log.warning("picture %s has damaged EXIF data (%s); it is shown as it was stored", name, error)
        return image
    return image if turn is None else image.transpose(turn)


def _rgb(image: Image.Image) -> Image.Image:
    """Any mode to RGB: 16 bit and float scaled to 8 bit, transparency over white."""
    if image.mode.startswith("I"):
        values = np.asarray(image)
        if values.dtype.itemsize > 2:
            values = np.clip(values, 0, SIXTEEN_BITS)
        image = Image.fromarray((values // (SIXTEEN_BITS // 255)).astype(np.uint8))
    elif image.mode == "F":
        values = np.nan_to_num(np.asarray(image), nan=0.0, posinf=0.0, neginf=0.0)
        values *= 255.0 / max(float(values.max(initial=1.0)), 1.0)
        image = Image.fromarray(np.clip(values, 0, 255, out=values).astype(np.uint8))
    if image.has_transparency_data:
        layered = image.convert("RGBA")
        white = Image.new("RGBA", layered.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, layered).convert("RGB")
    return image.convert("RGB")
