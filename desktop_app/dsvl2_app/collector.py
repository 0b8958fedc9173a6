"""Python's search for cycles, in the window's thread alone.

Automatically it runs in whatever thread happens to make an object. In a thread that decodes pictures it would destroy
widgets there, while the window's thread works on them, and Qt aborts the process.
"""

from __future__ import annotations

import gc

from PySide6.QtCore import QObject, QTimer

MILLISECONDS = 1000
"""Between two looks at whether there is enough to search; one takes microseconds."""


class Collector(QObject):
    """Searches from the loop of the thread that made it, and nowhere else as long as it lives."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        gc.disable()
        gc.freeze()  # what the program consists of is never searched again, so that a search stays short
        timer = QTimer(self)
        timer.timeout.connect(collect_when_due)
        timer.start(MILLISECONDS)


def collect_when_due() -> None:
    """Search the oldest generation for which Python's own thresholds are passed."""
    for generation, (count, threshold) in reversed(
        list(enumerate(zip(gc.get_count(), gc.get_threshold(), strict=True)))
    ):
        if count > threshold:
            gc.collect(generation)
            return
