"""The file beside a graph that holds its weights, written in order, and its journal: what an interrupted export wrote.

`commit` flushes everything written so far and then records it in the journal. A later attempt asks for the same weights
in the same order; those in the journal are neither computed nor written again.
"""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from onnx import helper

from dsvl2_runtime.machine.files import new_file, unfinished

ALIGNMENT = 4096
"""Bytes; external data that starts on a page can be mapped in place (ORT `tensorprotoutils.cc`)."""


@dataclass(frozen=True, slots=True)
class Placed:
    """The place of one weight in the file."""

    name: str
    data_type: int
    """Of `onnx.TensorProto`."""
    dims: tuple[int, ...]
    offset: int
    length: int
    """Bytes."""


def journal_of(data: Path) -> Path:
    """The journal of a data file; it exists from the first commit until the bundle is complete."""
    return data.with_suffix(".journal")


class ExternalData:
    """One data file, written from its beginning or from where an earlier attempt was interrupted."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._kept = deque(_read_journal(path))
        self._placed: list[Placed] = []
        self._end = 0
        self._file: BinaryIO | None = None

    def holds(self, names: Sequence[str]) -> bool:
        """Whether an earlier attempt wrote these weights next."""
        return [placed.name for placed in list(self._kept)[: len(names)]] == list(names)

    def keep(self) -> Placed:
        """Take over the next weight of an earlier attempt."""
        return self._append(self._kept.popleft())

    def write(self, name: str, array: NDArray[Any]) -> Placed:
        """Append a weight, unless an earlier attempt wrote it here."""
        offset = self._end + -self._end % ALIGNMENT
        kind = helper.np_dtype_to_tensor_dtype(array.dtype)
        placed = Placed(name, kind, array.shape, offset, array.nbytes)
        if self._kept and self._kept[0] == placed:
            return self.keep()
        self._kept.clear()
        if self._file is None:
            self._file = self.path.open("r+b" if self._placed else "wb")
        self._file.truncate(self._end)
        self._file.seek(self._end)
        self._file.write(b"\0" * (offset - self._end))
        self._file.write(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
        return self._append(placed)

    def _append(self, placed: Placed) -> Placed:
        self._placed.append(placed)
        self._end = placed.offset + placed.length
        return placed

    def commit(self) -> None:
        """Flush what was written so far, so that a later attempt finds it even after a power cut."""
        if self._file is None:
            return
        self._file.flush()
        os.fsync(self._file.fileno())
        with new_file(journal_of(self.path)) as journal:
            journal.write_text(json.dumps([asdict(placed) for placed in self._placed]), "utf-8")

    def close(self) -> None:
        """Release the file; the journal stays."""
        if self._file is not None:
            self._file.close()

    def finish(self) -> None:
        """Close the file and cut off what a longer earlier attempt left; the journal stays."""
        self.close()
        if self._placed:
            os.truncate(self.path, self._end)
        unfinished(journal_of(self.path)).unlink(missing_ok=True)  # a killed export can leave it


def _read_journal(data: Path) -> list[Placed]:
    """What an earlier attempt promised; nothing if there is none, or it does not fit the file."""
    try:
        entries = json.loads(journal_of(data).read_text("utf-8"))
        placed = [Placed(**{**entry, "dims": tuple(entry["dims"])}) for entry in entries]
        size = data.stat().st_size
    except (OSError, ValueError, TypeError, KeyError):
        return []
    return placed if all(entry.offset + entry.length <= size for entry in placed) else []
