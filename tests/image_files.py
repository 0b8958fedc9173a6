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


def png_header(width: int, height: int, packed: bytes = zlib.compress(b"")) -> bytes:
    """A PNG that claims to have this size, whatever its packed rows are; without them it is a few bytes."""
    return _png(struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0), packed)


def codes(found: DecodedImage) -> list[str]:
    return [notice.code for notice in found.notices]


def png_16(values: NDArray[np.uint16]) -> bytes:
    """A PNG [height, width, 2, 3 or 4] with 16 bits a channel."""
    height, width, channels = values.shape
    header = struct.pack(">IIBBBBB", width, height, 16, {2: 4, 3: 2, 4: 6}[channels], 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    return _png(header, zlib.compress(rows))


def tiff_16(values: NDArray[np.uint16], order: str, packed: bool) -> bytes:
    """A TIFF [height, width, 3] with 16 bits a channel, little-endian (`<`) or big-endian, deflated or not."""
    height, width, channels = values.shape
    pixels = values.astype(f"{order}u2").tobytes()
    pixels = zlib.compress(pixels) if packed else pixels
    depth_at = 8 + 2 + 12 * 9 + 4
    entries = [
        (256, 3, 1, width),
        (257, 3, 1, height),
        (258, 3, channels, depth_at),
        (259, 3, 1, 8 if packed else 1),
        (262, 3, 1, 2),
        (273, 4, 1, depth_at + 2 * channels),
        (277, 3, 1, channels),
        (278, 3, 1, height),
        (279, 4, 1, len(pixels)),
    ]
    data = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}IH", 8, len(entries))
    for tag, kind, count, value in entries:
        held = (
            struct.pack(f"{order}H", value).ljust(4, b"\0")
            if (kind, count) == (3, 1)
            else struct.pack(f"{order}I", value)
        )
        data += struct.pack(f"{order}HHI", tag, kind, count) + held
    return data + struct.pack(f"{order}I", 0) + struct.pack(f"{order}{channels}H", *[16] * channels) + pixels


def _png(header: bytes, packed: bytes) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    body = chunk(b"IHDR", header) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body
