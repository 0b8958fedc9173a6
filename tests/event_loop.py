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
        self._last = time.monotonic()
        self._timer = QTimer()
        self._timer.timeout.connect(self._tick)
        self._timer.start(1)

    def _tick(self) -> None:
        now = time.monotonic()
        self.longest_gap = max(self.longest_gap, now - self._last)
        self._last = now

    def figure(self, what: str) -> str:
        """For the summary of the test run."""
        self._tick()
        return f"longest gap in the event loop while {what}: {self.longest_gap * 1000:.1f} ms"
