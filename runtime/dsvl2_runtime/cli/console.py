"""What the command line shows while it works: progress on standard error, and only on a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)


class ReportFormat(StrEnum):
    """How a verb prints what it found."""

    TABLE = "table"
    JSON = "json"


class ProgressBars:
    """One bar per phase, made when the phase is first heard of."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}

    def update(self, phase: str, done: int, total: int | None) -> None:
        """Move the bar of a phase; without a total it only shows that something goes on."""
        if phase not in self._tasks:
            self._tasks[phase] = self._bars.add_task(phase, total=total)
        self._bars.update(self._tasks[phase], completed=done, total=total)

    def close(self) -> None:
        """Take the bars away, before text is written where they stand."""
        self._bars.stop()


@contextmanager
def progress_bars(show: bool = True, keep: bool = True, of_bytes: bool = False) -> Iterator[ProgressBars]:
    """Bars on standard error while the block runs; nothing when that is not a terminal.

    Args:
        show: False for silence.
        keep: leave the finished bars on the screen.
        of_bytes: what is counted is bytes: show their rate and the time left.
    """
    console = Console(stderr=True)
    counts: tuple[ProgressColumn, ...] = (MofNCompleteColumn(), TimeElapsedColumn())
    if of_bytes:
        counts = (DownloadColumn(), TransferSpeedColumn(), TextColumn("left"), TimeRemainingColumn())
    columns = (TextColumn("{task.description:<15}"), BarColumn(), *counts)
    disable = not (show and console.is_terminal)
    # A layer takes seconds, so the rate is that of the last minutes.
    with Progress(*columns, console=console, transient=not keep, disable=disable, speed_estimate_period=120) as bars:
        yield ProgressBars(bars)
