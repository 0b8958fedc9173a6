"""What the command line draws: progress on standard error, and only on a terminal; tables on standard output."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from enum import StrEnum

from rich.console import Console, ConsoleOptions, RenderableType
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
from rich.segment import Segment
from rich.table import Table

from dsvl2_runtime.cli.streams import shown


class _ShownConsole(Console):
    """Writes text as `streams.shown` gives it; names in a table come from files."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(shown(segment.text, sys.stdout), segment.style)


def print_table(table: Table) -> None:
    """Print a table on standard output; brackets and colons in its texts have no meaning."""
    _ShownConsole(markup=False, emoji=False).print(table)


class ReportFormat(StrEnum):
    """How a verb prints what it found."""

    TABLE = "table"
    JSON = "json"


class ProgressBars:
    """One bar per phase, made with the first report of the phase."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}

    def update(self, phase: str, done: int, total: int | None) -> None:
        """Move the bar of a phase; without a total it only shows activity."""
        if phase not in self._tasks:
            self._tasks[phase] = self._bars.add_task(phase, total=total)
        self._bars.update(self._tasks[phase], completed=done, total=total)

    def close(self) -> None:
        """Remove the bars, before text is written in their place."""
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
