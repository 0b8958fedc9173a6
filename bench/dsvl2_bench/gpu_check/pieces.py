"""One compressed archive of a folder in pieces, for ways that take only small files."""

from __future__ import annotations

import lzma
import tarfile
from pathlib import Path
from typing import BinaryIO, cast

from dsvl2_runtime.machine.files import new_folder

UNPACK = (
    """cat piece-* | python3 -c "import sys, tarfile; """
    """tarfile.open(fileobj=sys.stdin.buffer, mode='r|xz').extractall(filter='data')" """
).strip()
"""What makes the folder again, beside the pieces; `cat piece-* | tar xJ` does the same where xz is installed."""


FILTERS = [{"id": lzma.FILTER_X86}, {"id": lzma.FILTER_LZMA2, "preset": 9}]
"""Most of a folder is machine code."""


class _Pieces:
    """A file that goes on in the next one whenever it is full."""

    def __init__(self, folder: Path, piece_bytes: int) -> None:
        self._folder, self._piece_bytes = folder, piece_bytes
        self.count = self.written = 0
        self._file: BinaryIO | None = None
        self._free = 0

    def write(self, data: bytes) -> int:
        """Append."""
        rest = memoryview(data)
        while rest:
            if self._file is None or not self._free:
                self.close()
                self._file, self._free = (self._folder / f"piece-{self.count:02}").open("wb"), self._piece_bytes
                self.count += 1
            done = self._file.write(rest[: self._free])
            self._free -= done
            self.written += done
            rest = rest[done:]
        return len(data)

    def close(self) -> None:
        """End the last piece."""
        if self._file is not None:
            self._file.close()


def write_pieces(folder: Path, out: Path, piece_bytes: int) -> tuple[int, int]:
    """Archive a folder under its own name.

    Args:
        folder: what is packed.
        out: a new folder for `piece-00`, `piece-01` and so on; one that is there is replaced.
        piece_bytes: of each piece but the last.

    Returns:
        How many pieces, and their bytes together.
    """
    with new_folder(out, overwrite=True) as whole:
        pieces = _Pieces(whole, piece_bytes)
        with (
            lzma.LZMAFile(cast(BinaryIO, pieces), "wb", filters=FILTERS) as packed,
            tarfile.open(fileobj=packed, mode="w|") as archive,
        ):
            archive.add(folder, folder.name)
        pieces.close()
    return pieces.count, pieces.written
