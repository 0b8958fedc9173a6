"""Callers of one model compute one at a time, in the order in which they came."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from dsvl2_runtime.errors import BusyError
from dsvl2_runtime.progress import Watch

POLL_SECONDS = 0.05
"""Between two looks at whether a caller still waits; the end of another's turn is noticed at once."""


class Turns:
    """A queue of threads whose head may compute.

    A turn lasts for one step, not for a whole answer: nobody computes while an answer is left lying about, so it blocks
    no other, and two answers that are read at the same time advance in turn.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._threads: deque[int] = deque()

    @contextmanager
    def take(self, watch: Watch) -> Iterator[None]:
        """Wait for a turn and hold it for the block.

        Raises:
            BusyError: this thread holds the turn already, as from a callback on progress, and would wait for itself.
            Stopped: the watch ended the waiting.
        """
        thread = threading.get_ident()
        with self._changed:
            if thread in self._threads:
                raise BusyError("this model is in the middle of a step; do not ask it from a progress callback")
            self._threads.append(thread)
            try:
                while self._threads[0] != thread:
                    watch.check()
                    self._changed.wait(POLL_SECONDS)
            except BaseException:
                self._leave(thread)
                raise
        try:
            yield
        finally:
            with self._changed:
                self._leave(thread)

    def _leave(self, thread: int) -> None:
        self._threads.remove(thread)
        self._changed.notify_all()
