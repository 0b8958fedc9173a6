"""Work that must not block the window: done on a thread, one thing after the other, told in the window's own."""

from __future__ import annotations

import queue
import sys
import threading
from collections.abc import Callable

from PySide6.QtCore import QObject, Signal

from dsvl2_app.messenger import Messenger, Result
from dsvl2_app.state import picture_memory
from dsvl2_runtime.engine.wire_error import wire_error

SWITCH_SECONDS = 0.001
"""After which a thread that runs Python gives way to the window's; Python's own 5 ms are a third of a frame."""


def give_way_soon() -> None:
    """Let no thread keep the interpreter for long."""
    sys.setswitchinterval(SWITCH_SECONDS)


class Background(Messenger):
    """A thread for functions that know no Qt; it begins with the first of them."""

    failed = Signal(object)
    """A `WireError`."""

    def __init__(self, name: str, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._asked: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def run(self, work: Callable[[], Result], then: Callable[[Result], object]) -> None:
        """Do it when what was asked before is done, and call `then` in this object's thread; an error is told."""

        def job() -> None:
            try:
                result = work()
            except Exception as error:  # whatever it is, the user must hear of it
                self.send(self.failed.emit, wire_error(error))
            else:
                self.send(then, result)

        self._asked.put(job)
        if self._thread.ident is None:
            self._thread.start()

    def close(self) -> None:
        """End the thread, without waiting, when what was asked is done."""
        self._asked.put(None)

    def _run(self) -> None:
        while (job := self._asked.get()) is not None:
            job()
            picture_memory.give_back()
