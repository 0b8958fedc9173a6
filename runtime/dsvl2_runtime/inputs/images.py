"""Opens images that nobody vouches for: the format, the file and the size are checked before a pixel is decoded."""

from __future__ import annotations

import hashlib
import io
import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError, features

from dsvl2_runtime.errors import ImageError, OutOfMemoryError
from dsvl2_runtime.geometry import LARGEST_PIXELS, TILE_PIXELS
from dsvl2_runtime.inputs.deep_colour import decode_low_bytes, low_byte_tiles, with_low_bytes
from dsvl2_runtime.inputs.formats import (
    FORMATS_ADVICE,
    HEAD_BYTES,
    RAW_PICTURE,
    ForeignFormat,
    foreign_format,
    image_format,
)
from dsvl2_runtime.inputs.jpeg_scans import MOST_SCANS, has_too_many_scans
from dsvl2_runtime.inputs.pillow_file import open_pillow_file
from dsvl2_runtime.inputs.png_texts import without_long_texts
from dsvl2_runtime.inputs.rgb import LARGE_PIXELS, bands, to_rgb
from dsvl2_runtime.machine.stderr import silent_stderr
from dsvl2_runtime.notices import Notice


@dataclass(frozen=True, slots=True)
class ImageBytes:
    """The content of an image file with a name for messages, such as that of the file it came from."""

    name: str
    data: bytes


ImageSource = str | os.PathLike[str] | bytes | ImageBytes | Image.Image | NDArray[np.uint8]
"""A file's path, its bytes, a Pillow image, or an array [height, width] or [height, width, 3 or 4] of uint8."""

LARGEST_FILE_BYTES = 500_000_000
HASHED_PIXELS = 250_000
"""At a time; so few stay in the processor's cache, and each piece takes the memory of the one before."""
ORIENTATION = 0x0112
"""The EXIF tag that says how a camera was held."""
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}  # fmt: skip
SIDEWAYS = {UPRIGHT[orientation] for orientation in (5, 6, 7, 8)}
NEW_SUBFILE_TYPE, REDUCED, SUB_DIRECTORIES = 254, 1, 330
"""TIFF tags, and the bit of the first one that marks a smaller version of another image."""
LONGEST_NAME = 200
"""Characters of an address in a message."""
IN_MEMORY = "in memory"
STANDARD_INPUT = "standard input"

# Pillow logs some damage as errors, which Python prints where nobody has set logging up.
logging.getLogger("PIL").addHandler(logging.NullHandler())


@dataclass(frozen=True, slots=True)
class DecodedImage:
    """An image as a person sees it."""

    image: Image.Image
    """RGB, upright; with half of the pixels along each side where there are more than `LARGE_PIXELS`."""
    size: tuple[int, int]
    """(width, height) in pixels, upright, before any halving."""
    notices: tuple[Notice, ...]
    """What is not shown as it is stored."""


def image_source(argument: str) -> str | ImageBytes:
    """What a user means by the name of an image: a path, `-` for standard input, or a `file:` URI.

    Raises:
        ImageError: it is an address of the internet or of another machine, or nothing comes from standard input.
    """
    if argument == "-":
        return _from_standard_input()
    scheme, _, rest = argument.partition(":")
    if scheme.lower() == "file" and rest.startswith("/"):
        host, _, path = rest[2:].partition("/") if rest.startswith("//") else ("", "/", rest[1:])
        if host.lower() not in ("", "localhost"):
            raise ImageError(argument, "a file of another machine", "give the path of a file of this one")
        from urllib.request import url2pathname  # brings ssl with it, which no other question needs

        return url2pathname("/" + path)
    is_drive = len(scheme) == 1  # of Windows
    if (rest.startswith("//") and not is_drive) or argument.lower().startswith("data:"):
        raise ImageError(argument[:LONGEST_NAME], "an address, and nothing is downloaded", "save the picture first")
    return argument


def source_bytes(source: ImageSource) -> int:
    """How much memory a source keeps; a file that is named by its path keeps none."""
    if isinstance(source, Image.Image):
        return source.width * source.height * len(source.getbands())
    if isinstance(source, np.ndarray):
        return source.nbytes
    if isinstance(source, ImageBytes):
        return len(source.data)
    return len(source) if isinstance(source, bytes) else 0


def open_image(source: ImageSource, tile_pixels: int = TILE_PIXELS) -> Image.Image:
    """An image as RGB, upright as a person sees it; `decode_image` also says what was done to it."""
    return decode_image(source, tile_pixels).image


def decode_image(source: ImageSource, tile_pixels: int = TILE_PIXELS) -> DecodedImage:
    """Decode an image.

    Args:
        source: of the kinds above.
        tile_pixels: along the global view; an image whose shorter side would round to nothing in it is refused.

    EXIF orientation is applied, which the reference does not do; `rgb.py` says what else differs on purpose.

    Raises:
        ImageError: it is missing, not a regular file, not an image of a known format, broken, empty, or too large.
        OutOfMemoryError: there is too little memory for its pixels.
    """
    with _opened(source, tile_pixels) as (name, image, file):
        try:
            return _decoded(image, file, is_ours=not isinstance(source, Image.Image))
        except Exception as error:  # decoders meet hostile bytes with struct.error, KeyError, IndexError and more
            if isinstance(error, MemoryError) or "out of memory" in str(error):  # the words of Pillow's decoders
                raise OutOfMemoryError from error
            raise ImageError(name, f"it is damaged ({error})", "save it again") from error


def decode_page(
    source: str | os.PathLike[str] | bytes | ImageBytes, index: int, most_pixels: int = LARGEST_PIXELS
) -> DecodedImage:
    """Decode one page of a TIFF, counted from 0; any other image has the page 0 alone.

    Args:
        source: the file.
        index: of the page.
        most_pixels: width times height of that page; with more it is refused.

    Raises:
        ImageError, OutOfMemoryError: as `decode_image`.
    """
    with _opened(source, TILE_PIXELS, LARGEST_PIXELS if index else most_pixels) as (name, image, file):
        try:
            if not index:
                decoded = _decoded(image, file, is_ours=True)
            else:
                image.seek(index)
                _require_usable_size(f"{name}, page {index + 1}", image, TILE_PIXELS, most_pixels)
                decoded = _decoded(image, None, is_ours=True)
        except ImageError:
            raise
        except Exception as error:  # as in `decode_image`
            if isinstance(error, MemoryError) or "out of memory" in str(error):
                raise OutOfMemoryError from error
            raise ImageError(f"{name}, page {index + 1}", f"it is damaged ({error})", "save it again") from error
    notices = tuple(notice for notice in decoded.notices if notice.code != "image.first_page")
    return replace(decoded, notices=notices)


def check_image(source: ImageSource, tile_pixels: int = TILE_PIXELS, most_pixels: int = LARGEST_PIXELS) -> None:
    """Raise what `decode_image` would raise before it decodes a pixel; looks at the header alone.

    Args:
        source: of the kinds above.
        tile_pixels: as `decode_image`.
        most_pixels: width times height; an image with more is refused. More than `LARGEST_PIXELS` are always refused.
    """
    with _opened(source, tile_pixels, most_pixels):
        pass


def content_hash(decoded: DecodedImage) -> str:
    """SHA-256 over mode, size and pixels, as 64 hexadecimal digits.

    Two images with the same hash look the same, and the same picture in another file or format has the same hash. Mode
    and size are part of it because 30x150 and 150x30 pixels may be the same bytes.
    """
    width, height = decoded.size
    digest = hashlib.sha256(f"{decoded.image.mode} {width}x{height} ".encode())
    for _, band in bands(decoded.image, band_pixels=HASHED_PIXELS):
        digest.update(band.tobytes())
    return digest.hexdigest()


def _from_standard_input() -> ImageBytes:
    stream = sys.stdin.buffer if sys.stdin is not None else None
    if stream is None or stream.isatty():
        raise ImageError(STANDARD_INPUT, "nothing comes from it", "pipe a picture into it")
    data = stream.read(LARGEST_FILE_BYTES + 1)
    if not data:
        raise ImageError(STANDARD_INPUT, "nothing came from it", "pipe a picture into it, and name it only once")
    return ImageBytes(STANDARD_INPUT, data)


@contextmanager
def _opened(
    source: ImageSource, tile_pixels: int, most_pixels: int = LARGEST_PIXELS
) -> Iterator[tuple[str, Image.Image, BinaryIO | None]]:
    """A name for messages, the image with its header checked and its pixels not decoded, and its file if it has one."""
    with warnings.catch_warnings(), ExitStack() as stack:
        # Pillow warns of sizes below our own limit and of odd metadata, which would only confuse.
        warnings.simplefilter("ignore")
        name, file = IN_MEMORY, None
        if isinstance(source, Image.Image):
            image = source
        elif isinstance(source, np.ndarray):
            image = _from_array(source)
        else:
            name, file = image_file(source)
            stack.enter_context(file)
            file = stack.enter_context(without_long_texts(file))
            image = stack.enter_context(_image_in(name, file))
        _require_usable_size(name, image, tile_pixels, most_pixels)
        yield name, image, file


def _from_array(array: NDArray[np.uint8]) -> Image.Image:
    shape = list(array.shape)
    if array.dtype != np.uint8 or array.ndim not in (2, 3) or (array.ndim == 3 and shape[2] not in (3, 4)):
        found = f"an array {shape} of {array.dtype}"
        raise ImageError(IN_MEMORY, found, "give [height, width] or [height, width, 3 or 4] of uint8")
    if not array.size:
        raise ImageError(IN_MEMORY, f"an array {shape}", "use a picture that is not empty")
    return Image.fromarray(array)


def image_file(source: str | os.PathLike[str] | bytes | ImageBytes) -> tuple[str, BinaryIO]:
    """A name for messages, and the file's content, of a bounded size.

    Raises:
        ImageError: it is missing, not a regular file, too large, or cannot be read.
    """
    if isinstance(source, bytes):
        source = ImageBytes(IN_MEMORY, source)
    if isinstance(source, ImageBytes):
        _require_file_size(source.name, len(source.data))
        return source.name, io.BytesIO(source.data)
    if not isinstance(source, (str, os.PathLike)):
        found = f"a {type(source).__name__}"
        raise ImageError(IN_MEMORY, found, "give a path, bytes, a Pillow picture or an array of uint8")
    path = Path(source)
    name = str(path)
    try:
        if not path.exists():
            raise ImageError(name, "no such file", "check the path")
        if not path.is_file():
            raise ImageError(name, "not a regular file", "give the path of a picture")
        _require_file_size(name, path.stat().st_size)
        return name, path.open("rb")
    except (OSError, ValueError) as error:
        if isinstance(error, ImageError):
            raise
        raise ImageError(name, f"it cannot be read ({error})", "check the path and its permissions") from error


def _require_file_size(name: str, size: int) -> None:
    if size > LARGEST_FILE_BYTES:
        raise ImageError(name, f"{size} bytes", f"use a file of at most {LARGEST_FILE_BYTES}")


def _image_in(name: str, file: BinaryIO) -> Image.Image:
    """The image in a file, not decoded yet, or an error that says what the file is instead."""
    try:
        image = open_pillow_file(file)
        if image.format in ("JPEG", "MPO"):
            file.seek(0)
            if has_too_many_scans(file.read()):
                raise ImageError(name, f"a JPEG of more than {MOST_SCANS} scans", "save it again")
        if _is_thumbnail(image):
            raise _foreign_error(name, RAW_PICTURE)
    except ImageError:
        raise
    except UnidentifiedImageError as error:
        file.seek(0)
        raise _unreadable(name, file.read(HEAD_BYTES)) from error
    except Image.DecompressionBombError as error:
        raise ImageError(name, f"far too many pixels ({error})", f"scale it to at most {LARGEST_PIXELS}") from error
    except Exception as error:  # as in `decode_image`
        raise ImageError(name, f"it is damaged ({error})", FORMATS_ADVICE) from error
    return image


def _unreadable(name: str, head: bytes) -> ImageError:
    if not head:
        return ImageError(name, "an empty file", "save the picture again")
    if (foreign := foreign_format(head)) is not None:
        return _foreign_error(name, foreign)
    if (claimed := image_format(head)) is not None:
        if claimed.name.lower() in features.modules and not features.check_module(claimed.name.lower()):
            found = f"it is in the format {claimed.name}, which this installation of Pillow cannot read"
            return ImageError(name, found, "save it as PNG, or install Pillow from its own wheel")
        return ImageError(name, f"it begins like a {claimed.name} file, but is damaged", "save it again")
    return ImageError(name, "not a picture of a known format", FORMATS_ADVICE)


def _foreign_error(name: str, foreign: ForeignFormat) -> ImageError:
    return ImageError(name, f"it is {foreign.name}, which is not read", foreign.advice)


def _is_thumbnail(image: Image.Image) -> bool:
    """Whether a TIFF shows a small version of what lies in directories below it, as the raw files of cameras do."""
    tags = getattr(image, "tag_v2", {}) if image.format == "TIFF" else {}
    return bool(tags.get(NEW_SUBFILE_TYPE, 0) & REDUCED) and SUB_DIRECTORIES in tags


def _set_lower(most_pixels: int) -> str:
    """The rest of an advice where the bound is not the fixed one."""
    return "" if most_pixels == LARGEST_PIXELS else ", or allow more with --max-pixels"


def _require_usable_size(name: str, image: Image.Image, tile_pixels: int, most_pixels: int) -> None:
    width, height = image.size
    if not width or not height:
        raise ImageError(name, f"{width}x{height} pixels", "use a picture that is not empty")
    most = min(most_pixels, LARGEST_PIXELS)
    if width * height > most:
        raise ImageError(name, f"{width}x{height} pixels", f"scale it to at most {most} pixels{_set_lower(most)}")
    if not round(min(width, height) / max(width, height) * tile_pixels):  # as `ImageOps.pad` rounds
        raise ImageError(name, f"{width}x{height} pixels, too narrow to see anything", "cut it into pieces")


def _decoded(image: Image.Image, file: BinaryIO | None, *, is_ours: bool) -> DecodedImage:
    size, form = image.size, image.format
    if file is not None and form in ("JPEG", "MPO") and size[0] * size[1] > LARGE_PIXELS:
        image.draft(None, (size[0] // 2, size[1] // 2))  # the decoder itself halves, and never holds all the pixels
    low_tiles = None if file is None else low_byte_tiles(image)
    # libtiff writes about damage by itself, past every setting of Pillow.
    with silent_stderr() if form == "TIFF" else nullcontext():
        image.load()
        notices = _frame_notices(image, file)
        if file is not None and low_tiles is not None:
            image, more = with_low_bytes(image, lambda: decode_low_bytes(_reopened(file, form), low_tiles))
            notices += more
    turn, more = _turn(image)
    if turn is not None:
        image = image.transpose(turn)
        size = size[::-1] if turn in SIDEWAYS else size
    rgb, colour_notices = to_rgb(image, opaque_format=form == "BMP", is_ours=is_ours or turn is not None)
    return DecodedImage(rgb, size, notices + more + colour_notices)


def _reopened(file: BinaryIO, form: str | None) -> Image.Image:
    file.seek(0)
    return Image.open(file, formats=None if form is None else (form,))


def _frame_notices(image: Image.Image, file: BinaryIO | None) -> tuple[Notice, ...]:
    """That there is more than the first page or frame; none of the others is looked at, and they are not counted."""
    if image.format == "MPO":  # a phone's JPEG; what follows are smaller or deeper versions of the same picture
        return ()
    try:
        # A GIF loses the frame that it has decoded when it looks for a second one.
        looked_at = image if file is None or image.format != "GIF" else _reopened(file, "GIF")
        if not getattr(looked_at, "is_animated", False):
            return ()
    except Exception:  # damage after the first frame
        return ()
    return (Notice("image.first_page" if image.format == "TIFF" else "image.first_frame"),)


def _turn(image: Image.Image) -> tuple[Image.Transpose | None, tuple[Notice, ...]]:
    """How to turn it by its EXIF; `ImageOps.exif_transpose` would also write the EXIF anew, and may fail at that."""
    try:
        return UPRIGHT.get(image.getexif().get(ORIENTATION, 1)), ()
    except Exception:  # the pixels are whole, and only what is said about them is not
        return None, (Notice("image.exif_damaged"),)
