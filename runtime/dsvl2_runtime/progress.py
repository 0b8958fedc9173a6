"""How a long call says how far it is, and how it learns that it should end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from dsvl2_runtime.errors import CancelledError, TimeLimitError

Phase = Literal["pages", "load", "tune", "vision", "prefill", "decode"]
StopReason = Literal["cancelled", "timeout"]
FinishReason = Literal["stop", "length", "repetition"] | StopReason
"""Why an answer ends: the model ended it or wrote a stop text, the longest answer or the context is full, it goes round
in circles, or a `Watch` ended it."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one phase has come."""

    phase: Phase
    done: int
    """Pages drawn, graphs loaded, sizes tuned for, tiles encoded, prompt tokens read or answer tokens written."""
    total: int
    """The number that `done` grows to; in the phase `decode` the answer may end before it."""


ProgressCallback = Callable[[Progress], None]


class Stopped(Exception):  # noqa: N818 - it is no error; it ends a call that its caller wants to end
    """Raised by `Watch.check` and caught inside the package; no caller of the public API sees it."""

    def __init__(self, reason: StopReason) -> None:
        super().__init__(reason)
        self.reason: StopReason = reason


@dataclass(frozen=True, slots=True)
class Watch:
    """What the caller of a long call wants to hear, and when it wants the call to end.

    The three fields travel together through every function that takes long: it calls `report` after each unit of work
    and `check` before the next one.
    """

    on_progress: ProgressCallback | None = None
    """Called in the thread that works."""
    should_stop: Callable[[], bool] | None = None
    """Asked before each graph, tile, prompt chunk and answer token; True ends the call as "cancelled"."""
    deadline: float | None = None
    """Seconds on the clock of `time.monotonic`; from then on the call ends as "timeout"."""

    def report(self, phase: Phase, done: int, total: int) -> None:
        """Tell how far a phase has come."""
        if self.on_progress is not None:
            self.on_progress(Progress(phase, done, total))

    def check(self) -> None:
        """Return while the call may go on.

        Raises:
            Stopped: the caller asked for an end, or the deadline has passed.
        """
        if self.should_stop is not None and self.should_stop():
            raise Stopped("cancelled")
        if self.deadline is not None and time.monotonic() >= self.deadline:
            raise Stopped("timeout")


UNWATCHED = Watch()
"""For a caller who wants no progress and never stops the call."""


@contextmanager
def stops_as_errors() -> Iterator[None]:
    """Turn the end that a watch asked for into an error, where there is no partial result to return."""
    try:
        yield
    except Stopped as end:
        raise (TimeLimitError if end.reason == "timeout" else CancelledError)() from None
