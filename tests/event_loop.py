"""A watchdog of Qt's event loop."""

from __future__ import annotations

import time
from pathlib import Path

from PySide6.QtCore import QTimer

LONGEST_GAP = 1.5
"""Seconds, without those of other programs where the system tells them. The window's own aim is 0.016; a shared machine
may stop any process for longer, but not for so long."""
LARGEST_SHARE = 1 / 8
"""What one of many turns of the loop may be of all their work: 0.01 to 0.07 while cards, words and pictures come one
after the other. A bound in seconds failed on a machine that took longer for every turn; a run says the seconds."""
SCHEDULED = Path("/proc/thread-self/schedstat")
"""Linux: nanoseconds that this thread ran, and that it waited for a processor while others had it."""


class Watchdog:
    """Measures the longest time in which the event loop handled nothing."""

    def __init__(self) -> None:
        self.longest_gap = 0.0
        """Seconds."""
        self.longest_own = 0.0
        """Without the time in which other programs had the processor, where the system tells it."""
        self.longest_work = 0.0
        """Of those, the processor's time: the rest is waiting, as for a thread that holds the interpreter."""
        self.work = 0.0
        """The processor's time of this thread in all turns together."""
        self.longest_held = 0.0
        """The processor's time of all threads of this process in one turn: however busy the machine is, a thread cannot
        hold the interpreter for more of its own work than this."""
        self._last = _clocks()
        self._timer = QTimer()
        self._timer.timeout.connect(self._tick)
        self._timer.start(1)

    def _tick(self) -> None:
        now = _clocks()
        gap, work, delay, held = (after - before for after, before in zip(now, self._last, strict=True))
        self.longest_gap = max(self.longest_gap, gap)
        self.longest_own = max(self.longest_own, gap - delay)
        self.longest_work = max(self.longest_work, work)
        self.work += work
        self.longest_held = max(self.longest_held, held)
        self._last = now

    def figure(self, what: str) -> str:
        """For the summary of the test run."""
        self._tick()
        return (
            f"longest gap in the event loop while {what}: {self.longest_gap * 1000:.1f} ms, "
            f"{self.longest_own * 1000:.1f} without other programs, "
            f"{self.longest_work * 1000:.1f} of work (of {self.work * 1000:.0f} in all), "
            f"{self.longest_held * 1000:.1f} of all threads"
        )


def _clocks() -> tuple[float, float, float, float]:
    delay = int(SCHEDULED.read_text().split()[1]) / 1e9 if SCHEDULED.exists() else 0.0
    return time.monotonic(), time.thread_time(), delay, time.process_time()
