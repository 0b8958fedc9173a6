"""Work that must not block the window: done on a thread, one thing after the other, told in the window's own."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from PySide6.QtCore import QObject, Signal

from dsvl2_runtime.engine.wire_error import WireError, wire_error

Result = TypeVar("Result")


class Background(QObject):
    """A thread for functions that know no Qt."""

    failed = Signal(object)
    """A `WireError`."""
    _came = Signal(object, object)

    def __init__(self, name: str, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._came.connect(lambda then, result: then(result))
        self._asked: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        threading.Thread(target=self._run, name=name, daemon=True).start()

    def run(self, work: Callable[[], Result], then: Callable[[Result], None]) -> None:
        """Do it when what was asked before is done, and call `then` in this object's thread; an error is told."""

        def job() -> None:
            try:
                result = work()
            except Exception as error:  # whatever it is, the user must hear of it
                self._send(self.failed.emit, wire_error(error))
            else:
                self._send(then, result)

        self._asked.put(job)

    def close(self) -> None:
        """Begin nothing more; what is being done goes on to its end."""
        self._asked.put(None)

    def _send(self, then: Callable[[Result], None], result: Result | WireError) -> None:
        with suppress(RuntimeError):  # the window, and this object with it, is deleted
            self._came.emit(then, result)

    def _run(self) -> None:
        while (job := self._asked.get()) is not None:
            job()
