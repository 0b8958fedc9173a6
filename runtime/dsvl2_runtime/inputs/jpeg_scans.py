"""Counts the scans of a JPEG before it is decoded: each scan costs time for all pixels, and a few bytes in the file."""

from __future__ import annotations

import re

MOST_SCANS = 64
"""Encoders write about ten; 3000 scans of half a megabyte took more than a minute to decode."""
MOST_MARKERS = 100_000
"""Far more than the metadata of any image needs."""

START_OF_SCAN, END_OF_IMAGE = 0xDA, 0xD9
WITHOUT_LENGTH = (0x01, 0xD8)
MARKER = re.compile(rb"\xff+([\x01-\xcf\xd8-\xfe])")
"""A marker that is neither a restart marker nor an escaped 0xFF byte, which both belong to the data of a scan."""


def has_too_many_scans(data: bytes, most: int = MOST_SCANS) -> bool:
    """Whether a JPEG file has more than so many scans, or markers without end."""
    if data.count(b"\xff\xda") <= most:  # fast, and never too few
        return False
    scans = at = 0
    for _ in range(MOST_MARKERS):
        found = MARKER.search(data, at)
        if found is None or found[1][0] == END_OF_IMAGE:  # what follows is another file, such as a video
            return False
        scans += found[1][0] == START_OF_SCAN
        if scans > most:
            return True
        at = found.end()
        if found[1][0] not in WITHOUT_LENGTH:
            at += max(2, int.from_bytes(data[at : at + 2]))
    return True
