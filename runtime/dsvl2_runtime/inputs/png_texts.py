"""Leaves long texts out of a PNG before it is decoded: Pillow refuses a picture for the size of its metadata.

Drawing programs keep the whole drawing in such a text, and converters keep what another format knew. A picture says
nothing by them, and unpacking them would take memory that nobody has asked for.
"""

from __future__ import annotations

import io
import os
from typing import BinaryIO

SIGNATURE = b"\x89PNG\r\n\x1a\n"
UNSEEN = (b"tEXt", b"zTXt", b"iTXt", b"iCCP")
"""Chunks of texts, and of the colour profile, which the reference does not apply either (PNG specification, 11.3)."""
LONGEST = 1000
"""Bytes of such chunks together that stay. Deflate makes at most 1032 bytes of one, so they stay below Pillow's bounds
(`PngImagePlugin.MAX_TEXT_CHUNK`, 1 MiB, and `MAX_TEXT_MEMORY`)."""
AROUND = 12
"""Bytes of a chunk's length, name and sum."""
MOST_CHUNKS = 100_000
"""Looked at; encoders write pieces of 8 KiB and more."""


def without_long_texts(file: BinaryIO) -> BinaryIO:
    """The same PNG in memory without its texts where they are long; any other file itself, at its beginning."""
    head = file.read(len(SIGNATURE))
    dropped = _unseen_chunks(file) if head == SIGNATURE else []
    file.seek(0)
    if sum(length for _, length in dropped) <= LONGEST + AROUND * len(dropped):
        return file
    kept, at = io.BytesIO(), 0
    for begin, length in dropped:
        kept.write(file.read(begin - at))
        at = file.seek(length, os.SEEK_CUR)
    kept.write(file.read())
    kept.seek(0)
    return kept


def _unseen_chunks(file: BinaryIO) -> list[tuple[int, int]]:
    """Where each such chunk begins, and its bytes with those around it, up to the end or to damage."""
    found, at = [], len(SIGNATURE)
    for _ in range(MOST_CHUNKS):
        file.seek(at)
        header = file.read(8)
        if len(header) < 8 or header[4:] == b"IEND":
            break
        length = int.from_bytes(header[:4]) + AROUND
        if header[4:] in UNSEEN:
            found.append((at, length))
        at += length
    return found
