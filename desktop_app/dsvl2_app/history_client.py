"""Kept conversations as the window sees them: whatever the thread of the database finds comes as a signal."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from PySide6.QtCore import QObject, Signal

from dsvl2_app.messenger import Messenger
from dsvl2_app.state.history.problems import Problem
from dsvl2_app.state.history.store import Store
from dsvl2_app.state.history.worker import Worker

T = TypeVar("T")


class History(Messenger):
    """Asks the database on its thread and answers in the window's own; nothing here waits."""

    problem_changed = Signal(object)
    """A `Problem`, or None when it is over."""
    private_changed = Signal(bool)

    def __init__(self, folder: Path, *, is_private: bool = False, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._closed = False
        self.worker = Worker(folder, self._send_problem, is_private=is_private)

    @property
    def is_private(self) -> bool:
        """Whether nothing is kept."""
        return self.worker.is_private

    def ask(
        self, work: Callable[[Store], T], then: Callable[[T], object] = lambda result: None, *, key: str | None = None
    ) -> None:
        """Do something with the store, and call `then` with its result in the window's thread; see `Worker.do`."""
        self.worker.do(work, lambda result: self.send(then, result), key=key)

    def set_private(self, is_private: bool) -> None:
        """Keep nothing, or keep again."""
        self.worker.set_private(is_private)
        self.private_changed.emit(is_private)

    def close(self) -> None:
        """Write what waits and close the database, without waiting for it."""
        self._closed = True
        self.worker.close()

    def wait_until_gone(self, seconds: float) -> None:
        """Wait for `close`. It blocks, so it is for the end of a program that shows nothing more."""
        self.worker.wait_until_gone(seconds)

    def _send_problem(self, problem: Problem | None) -> None:
        self.send(self.problem_changed.emit, problem)

    def _deliver(self, then: Callable[[object], object], result: object) -> None:
        if not self._closed:  # whoever asked may be deleted by now
            super()._deliver(then, result)
