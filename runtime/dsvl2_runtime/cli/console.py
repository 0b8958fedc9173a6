"""What the command line draws: progress on standard error, and only on a terminal; tables on standard output."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING

from dsvl2_runtime.cli.streams import shown

if TYPE_CHECKING:  # rich is imported by what draws with it: a run in a script draws nothing
    from rich.console import ConsoleOptions, RenderableType
    from rich.progress import Progress, TaskID
    from rich.segment import Segment
    from rich.table import Table


def print_table(table: Table) -> None:
    """Print a table on standard output; brackets and colons in its texts have no meaning."""
    from rich.console import Console
    from rich.segment import Segment

    class ShownConsole(Console):
        """Writes text as `streams.shown` gives it; names in a table come from files."""

        def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
            for segment in super().render(renderable, options):
                yield segment if segment.control else Segment(shown(segment.text, sys.stdout), segment.style)

    ShownConsole(markup=False, emoji=False).print(table)


class ReportFormat(StrEnum):
    """How a verb prints what it found."""

    TABLE = "table"
    JSON = "json"


class ProgressBars:
    """One bar per phase, made with the first report of the phase; none at all where nothing is drawn."""

    def __init__(self, bars: Progress | None = None) -> None:
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}

    def update(self, phase: str, done: int, total: int | None) -> None:
        """Move the bar of a phase; without a total it only shows activity."""
        if self._bars is None:
            return
        if phase not in self._tasks:
            self._tasks[phase] = self._bars.add_task(phase, total=total)
        self._bars.update(self._tasks[phase], completed=done, total=total)

    def close(self) -> None:
        """Remove the bars, before text is written in their place."""
        if self._bars is not None:
            self._bars.stop()


def in_percent(done: int, total: int) -> tuple[int, int | None]:
    """A count, such as one of bytes, for a bar that shows counts; where nothing is to be counted it has no total."""
    return (100 * done // total, 100) if total else (0, None)


@contextmanager
def progress_bars(
    show: bool = True, keep: bool = True, of_bytes: bool = False, time_left: bool = False
) -> Iterator[ProgressBars]:
    """Bars on standard error while the block runs; nothing when that is not a terminal.

    Args:
        show: False for silence.
        keep: leave the finished bars on the screen.
        of_bytes: what is counted is bytes: show their rate and the time left.
        time_left: show it beside counts too.
    """
    if not (show and sys.stderr.isatty()):
        yield ProgressBars()
        return
    from rich import progress
    from rich.console import Console

    counts: tuple[progress.ProgressColumn, ...] = (progress.MofNCompleteColumn(), progress.TimeElapsedColumn())
    if time_left:
        counts += (progress.TextColumn("left"), progress.TimeRemainingColumn())
    if of_bytes:
        left = progress.TextColumn("left"), progress.TimeRemainingColumn()
        counts = (progress.DownloadColumn(), progress.TransferSpeedColumn(), *left)
    columns = (progress.TextColumn("{task.description:<15}"), progress.BarColumn(), *counts)
    console = Console(stderr=True)
    # A layer takes seconds, so the rate is that of the last minutes.
    with progress.Progress(
        *columns, console=console, transient=not keep, disable=not console.is_terminal, speed_estimate_period=120
    ) as bars:
        yield ProgressBars(bars)
