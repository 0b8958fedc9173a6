"""A short text that changes when the weights of a checkpoint change: a hash over samples of every tensor.

A sum over all 55 GB would take longer than what a resumed export saves. Training changes nearly all values of a tensor,
so a few thousand of them tell whether it is the same one, also where another checkpoint has files of the same names,
sizes and times.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

from dsvl2_runtime.machine.files import read_errors

SAMPLE_BYTES = 4096
"""Read at the beginning, in the middle and at the end of each tensor."""
LENGTH_BYTES = 8
"""A safetensors file begins with the length of its header, little-endian."""


def fingerprint(shards: Iterable[Path], others: Iterable[bytes]) -> str:
    """SHA-256 over names, sizes, times, headers and samples, as hexadecimal digits.

    Args:
        shards: safetensors files that the library has opened before, so their headers are known to be sound.
        others: whole contents that count as well.

    Raises:
        ResourceError: a file cannot be read.
    """
    digest = sha256()
    for content in others:
        digest.update(sha256(content).digest())
    for path in sorted(shards):
        with read_errors(path), path.open("rb") as file:
            stat = path.stat()
            digest.update(f"{path.name} {stat.st_size} {stat.st_mtime_ns}\n".encode())
            header = file.read(int.from_bytes(file.read(LENGTH_BYTES), "little"))
            digest.update(header)
            for start, end in _places(header):
                for offset in sorted({start, (start + end) // 2, max(start, end - SAMPLE_BYTES)}):
                    digest.update(_read(file, LENGTH_BYTES + len(header) + offset, end - offset))
    return digest.hexdigest()


def _places(header: bytes) -> list[tuple[int, int]]:
    """Beginning and end of each tensor, counted from the end of the header, in the order of the file."""
    entries = json.loads(header)
    return sorted(tuple(entry["data_offsets"]) for name, entry in entries.items() if name != "__metadata__")


def _read(file: BinaryIO, offset: int, most: int) -> bytes:
    file.seek(offset)
    return file.read(min(SAMPLE_BYTES, most))
