"""The way from a thread back to the window's own."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from PySide6.QtCore import QObject, Signal

Result = TypeVar("Result")


class Messenger(QObject):
    """Calls functions in the thread that it belongs to, for threads that know no Qt."""

    _came = Signal(object, object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._came.connect(self._deliver)  # queued: this object belongs to the window's thread

    def send(self, then: Callable[[Result], object], result: Result) -> None:
        """Let `then` be called with a result soon; called on any thread."""
        with suppress(RuntimeError):  # the window, and this object with it, is deleted
            self._came.emit(then, result)

    def _deliver(self, then: Callable[[object], object], result: object) -> None:
        then(result)
