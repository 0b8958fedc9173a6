"""Makes ONNX Runtime for CUDA small enough to be carried to a machine without a network.

Most of its CUDA provider is machine code, each kernel once for each generation of cards. What is not for the card that
is checked is overwritten with zeros, which compress to nothing; every length and address stays what it was. CUDA reads
the code of a card's own generation alone.
"""

from __future__ import annotations

import mmap
import shutil
import struct
from collections.abc import Iterator
from pathlib import Path

NOT_NEEDED = (
    "capi/libonnxruntime_providers_tensorrt.so",
    "capi/libonnxruntime.so*",  # for programs in C; the module for Python has its own
    "transformers",
    "quantization",
    "tools",
    "datasets",
)
"""Of the package `onnxruntime`, by patterns."""
CUDA_PROVIDER = "capi/libonnxruntime_providers_cuda.so"

CONTAINER = struct.Struct("<IHHQ")
"""Of machine code for several cards: a magic number, version, length of this header, bytes behind it."""
CONTAINER_START = struct.pack("<IHH", 0xBA55ED50, 1, CONTAINER.size)
ENTRY = struct.Struct("<HHIQ12xI")
"""For one card: kind, version, length of this header, bytes behind it, and behind other fields the generation."""
MACHINE_CODE = 2
"""A kind; the other is PTX, which any newer card can translate."""


def drop_not_needed(package: Path) -> None:
    """Remove what inference in Python on a GPU does not read from an unpacked `onnxruntime`."""
    for pattern in NOT_NEEDED:
        for path in package.glob(pattern):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()


def keep_code_for(library: Path, generation: int) -> tuple[int, int]:
    """Overwrite machine code for other cards with zeros, wherever there is some for this one.

    Args:
        library: changed in place.
        generation: of the card, such as 90 for compute capability 9.0.

    Returns:
        Bytes of machine code that are kept, and that were.
    """
    kept = total = 0
    with library.open("r+b") as file, mmap.mmap(file.fileno(), 0) as data:
        for entries in _containers(data):
            has_own = any(kind == MACHINE_CODE and found == generation for kind, found, _, _ in entries)
            for kind, found, start, length in entries:
                total += length
                if has_own and (kind, found) != (MACHINE_CODE, generation):
                    data[start : start + length] = bytes(length)
                else:
                    kept += length
    return kept, total


def _containers(data: mmap.mmap) -> Iterator[list[tuple[int, int, int, int]]]:
    """The entries of each container: kind, generation, and where the code starts and how long it is."""
    at = data.find(CONTAINER_START)
    while at >= 0:
        end = at + CONTAINER.size + CONTAINER.unpack_from(data, at)[3]
        at, entries = at + CONTAINER.size, []
        while at < end:
            kind, _version, header, length, generation = ENTRY.unpack_from(data, at)
            entries.append((kind, generation, at + header, length))
            at += header + length
        if at != end:
            raise ValueError("the machine code in ONNX Runtime's CUDA provider is stored in another way than is known")
        yield entries
        at = data.find(CONTAINER_START, end)
