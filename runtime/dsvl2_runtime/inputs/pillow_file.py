"""Opens a picture's file with the one module of Pillow that reads its format."""

from __future__ import annotations

from importlib import import_module
from typing import BinaryIO

from PIL import Image

from dsvl2_runtime.inputs.formats import FORMATS, HEAD_BYTES, image_format


def open_pillow_file(file: BinaryIO) -> Image.Image:
    """The image in a file, whose header is read and whose pixels are not.

    For a format that it has not read yet, Pillow imports its modules for all forty (`Image.init`), also those that are
    never read here and one that would call another program. That took 50 ms of the first WEBP, TIFF, BMP or AVIF, and
    of every file that is no picture.

    Raises:
        Exception: whatever Pillow makes of a damaged file; `UnidentifiedImageError` for another kind of file.
    """
    claimed = image_format(file.read(HEAD_BYTES))
    file.seek(0)
    # Pillow takes a few more first bytes than the patterns, such as a BMP whose reserved ones are used.
    forms = FORMATS if claimed is None else (claimed,)
    for form in forms:
        import_module(f"PIL.{form.plugin}")
    return Image.open(file, formats=[form.name for form in forms])
