"""What a long call reports while it works."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Phase = Literal["load", "vision", "prefill", "decode"]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one phase has come."""

    phase: Phase
    done: int
    """Graphs loaded, tiles encoded, prompt tokens read or answer tokens written."""
    total: int
    """Of the same unit; for `decode` the most that may come."""


ProgressCallback = Callable[[Progress], None]


def ignore_progress(progress: Progress) -> None:
    """The callback of a caller who does not want to know."""


def never_stop() -> bool:
    """The stop question of a caller who does not want to stop."""
    return False
