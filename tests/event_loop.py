"""A watchdog of Qt's event loop."""

from __future__ import annotations

import time

from PySide6.QtCore import QTimer

LONGEST_GAP = 1.5
"""Seconds. The window's own aim is 0.016; a shared machine may stop any process for longer, but not for so long."""


class Watchdog:
    """Measures the longest time in which the event loop handled nothing."""

    def __init__(self) -> None:
        self.longest_gap = 0.0
        """Seconds."""
        self.longest_work = 0.0
        """Seconds of the processor that this thread took in one turn of the loop: other programs do not count."""
        self.longest_own = 0.0
        """Seconds that this process took in one turn, those of a thread that holds the interpreter among them."""
        self._last = self._clocks()
        self._timer = QTimer()
        self._timer.timeout.connect(self._tick)
        self._timer.start(1)

    @staticmethod
    def _clocks() -> tuple[float, float, float]:
        return time.monotonic(), time.thread_time(), time.process_time()

    def _tick(self) -> None:
        now = self._clocks()
        gap, work, process = (after - before for after, before in zip(now, self._last, strict=True))
        self.longest_gap = max(self.longest_gap, gap)
        self.longest_work = max(self.longest_work, work)
        self.longest_own = max(self.longest_own, min(gap, process))
        self._last = now

    def figure(self, what: str) -> str:
        """For the summary of the test run."""
        self._tick()
        return (
            f"longest gap in the event loop while {what}: {self.longest_gap * 1000:.1f} ms, "
            f"{self.longest_work * 1000:.1f} of its own work, {self.longest_own * 1000:.1f} with that of its threads"
        )
