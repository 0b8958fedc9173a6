"""What the stand-ins for CUDA's libraries were asked to do, in order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

VARIABLE = "STANDIN_CUDA_LOG"
"""Of the environment; names the file that they write."""


@dataclass(frozen=True, slots=True)
class Event:
    """One line: what happened, and what there is to say about it."""

    kind: str
    said: str

    @property
    def nbytes(self) -> int:
        """Of an allocation, or of a copy, whose direction stands before it."""
        return next(int(word) for word in self.said.split() if word.isdigit())


class LaunchLog:
    """The file; `since` gives what has come after a mark."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.touch()

    def mark(self) -> int:
        """The end as it is now."""
        return self.path.stat().st_size

    def since(self, mark: int) -> list[Event]:
        """All events behind a mark."""
        with self.path.open("rb") as file:
            file.seek(mark)
            lines = file.read().decode("ascii").splitlines()
        return [Event(*line.split(" ", 1)) for line in lines]


def kinds(events: Sequence[Event], *wanted: str) -> list[Event]:
    """Those of some kinds."""
    return [event for event in events if event.kind in wanted]


def copies(events: Sequence[Event], direction: str) -> list[int]:
    """Bytes of each copy in a direction, as `host-device`; those inside captured graphs too."""
    found = kinds(events, "copy", "captured-copy")
    return [event.nbytes for event in found if event.said.startswith(direction)]
