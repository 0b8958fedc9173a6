"""Files of images for tests, also such as Pillow does not write."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dsvl2_runtime.inputs.images import DecodedImage


def encoded(image: Image.Image, form: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def png_header(width: int, height: int) -> bytes:
    """A PNG of a few bytes that claims to be large."""

    return _png(struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0), b"")


def codes(found: DecodedImage) -> list[str]:
    return [notice.code for notice in found.notices]


def png_16(values: NDArray[np.uint16]) -> bytes:
    """A PNG [height, width, 2, 3 or 4] with 16 bits a channel."""
    height, width, channels = values.shape
    header = struct.pack(">IIBBBBB", width, height, 16, {2: 4, 3: 2, 4: 6}[channels], 0, 0, 0)
    return _png(header, b"".join(b"\0" + row.astype(">u2").tobytes() for row in values))


def _png(header: bytes, rows: bytes) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body
