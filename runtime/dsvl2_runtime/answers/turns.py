"""Callers of one model compute one at a time, in the order in which they came."""

from __future__ import annotations

import threading
import weakref
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from dsvl2_runtime.errors import BusyError
from dsvl2_runtime.progress import Watch

POLL_SECONDS = 0.05
"""Between two looks at whether a caller still waits; the end of another's turn is noticed at once."""


class _Turn:
    """One caller's place in the queue."""

    def __init__(self) -> None:
        self.thread = threading.get_ident()
        self.gate = threading.Lock()
        """Held until the turn may have come."""
        self.gate.acquire()


class Turns:
    """A queue of callers whose head may compute.

    A turn lasts for one step, not for a whole answer: nobody computes while an answer is left lying about, so it blocks
    no other, and two answers that are read at the same time advance in turn.

    Ctrl-C is raised wherever a function of Python begins or ends, which may be before a `try` or within a `finally`. So
    the queue only refers to turns, which end at the latest with the call that holds them, and its lock is of the kind
    that Python takes and leaves without calling a function of its own, as `threading.Condition` does.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._queue: deque[weakref.ref[_Turn]] = deque()

    @contextmanager
    def take(self, watch: Watch) -> Iterator[None]:
        """Wait for a turn and hold it for the block.

        Raises:
            BusyError: this thread holds the turn already, as from a callback on progress, and would wait for itself.
            Stopped: the watch ended the waiting.
        """
        turn = _Turn()
        with self._lock:
            if any(each.thread == turn.thread for each in self._held()):
                raise BusyError("this model is in the middle of a step; do not ask it from a progress callback")
            self._queue.append(weakref.ref(turn))
        try:
            while not self._is_first(turn):
                watch.check()
                turn.gate.acquire(timeout=POLL_SECONDS)
            yield
        finally:
            self._leave(turn)

    def _is_first(self, turn: _Turn) -> bool:
        with self._lock:
            return next(self._held()) is turn

    def _leave(self, turn: _Turn) -> None:
        with self._lock:
            self._queue = deque(weakref.ref(each) for each in self._held() if each is not turn)
            first = next(self._held(), None)
            if first is not None and first.gate.locked():
                first.gate.release()

    def _held(self) -> Iterator[_Turn]:
        """The turns that have not ended, in their order."""
        return filter(None, [each() for each in self._queue])
