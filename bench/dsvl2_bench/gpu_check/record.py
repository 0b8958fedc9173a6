"""What the check has found, in files that are whole at any moment: whoever ends it early has all lines up to then.

`check.json` has every line and `table.txt` what counts, both of this run and of earlier ones into the same folder;
`stderr.txt` has what libraries said.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

Line = dict[str, Any]
FIRST_BYTES, LAST_BYTES = 100_000, 300_000
"""Of what the libraries of a stage say; a file that is too large does not come back."""
LEFT_OUT = b"\n... %d bytes are left out ...\n"


class Record:
    """Owns the files of one folder OUT."""

    def __init__(self, out: Path, table: Callable[[Sequence[Line]], str]) -> None:
        out.mkdir(parents=True, exist_ok=True)
        self._out, self._table, self._lock = out, table, threading.Lock()
        self._earlier = _read(out / "check.json")
        self.lines: list[Line] = []
        """Of this run."""

    def begin(self, stage: str) -> None:
        """A stage runs, so that what an earlier run said of it counts no more."""
        with self._lock:
            self._earlier = [line for line in self._earlier if line.get("stage") != stage]

    def add(self, line: Line) -> None:
        """Keep a line."""
        with self._lock:
            self.lines.append(line)
            _replace(self._out / "check.json", json.dumps(self._all(), indent=1))

    def write_table(self) -> None:
        """What counts by now."""
        with self._lock:
            _replace(self._out / "table.txt", self._table(self._all()) + "\n")

    def keep_stderr(self, stage: str) -> None:
        """Put what a stage's libraries said behind that of the others: few files are easier to bring back than many."""
        said = stderr_of(self._out, stage)
        if text := shortened(said.read_bytes()):
            with (self._out / "stderr.txt").open("ab") as file:
                file.write(f"---- {stage} ----\n".encode() + text)
        said.unlink()

    def _all(self) -> list[Line]:
        """Where a stage had no time, what an earlier run said of it stays."""
        known = {line.get("stage") for line in self._earlier}
        return self._earlier + [line for line in self.lines if line["stage"] not in known]


def stderr_of(out: Path, stage: str) -> Path:
    """Where a stage's libraries write while it runs; some ways back take no file with another sign in its name."""
    return out / f"{stage.replace('@', '-')}.stderr.txt"


def shortened(text: bytes) -> bytes:
    """Beginning and end of a long text."""
    between = len(text) - FIRST_BYTES - LAST_BYTES
    return text if between <= 0 else text[:FIRST_BYTES] + LEFT_OUT % between + text[-LAST_BYTES:]


def _read(path: Path) -> list[Line]:
    try:
        lines = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return []
    return [line for line in lines if isinstance(line, dict)] if isinstance(lines, list) else []


def _replace(path: Path, text: str) -> None:
    """Another content, never half of it."""
    partial = path.with_suffix(".partial")
    partial.write_text(text, "utf-8")
    partial.replace(path)
