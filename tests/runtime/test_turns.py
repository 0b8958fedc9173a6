"""Threads take turns."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from types import FrameType

import pytest

from dsvl2_runtime.answers.turns import Turns
from dsvl2_runtime.errors import BusyError
from dsvl2_runtime.progress import UNWATCHED, Stopped, Watch
from waiting import PATIENCE


def test_one_computes_at_a_time_in_the_order_of_coming() -> None:
    """Eight threads that come one after the other while the turn is taken go on one after the other."""
    turns, order, inside = Turns(), [], 0

    def work(number: int, queued: threading.Event) -> None:
        nonlocal inside
        # A watch is asked from within the queue, so it tells when this thread has its place.
        with turns.take(Watch(should_stop=lambda: bool(queued.set()))):
            inside += 1
            order.append((number, inside))
            inside -= 1

    with turns.take(UNWATCHED):
        threads = []
        for number in range(8):
            queued = threading.Event()
            threads.append(threading.Thread(target=work, args=(number, queued)))
            threads[-1].start()
            assert queued.wait(PATIENCE)
        assert order == []
    for thread in threads:
        thread.join(PATIENCE)
    assert order == [(number, 1) for number in range(8)]


def test_a_caller_who_waits_can_be_stopped() -> None:
    """And leaves the queue, so that the next one has its turn."""
    turns, reasons, passed = Turns(), [], []

    def wait(watch: Watch) -> None:
        try:
            with turns.take(watch):
                passed.append(watch)
        except Stopped as end:
            reasons.append(end.reason)

    with turns.take(UNWATCHED):
        stopped = threading.Thread(target=wait, args=(Watch(deadline=0.0),))
        stopped.start()
        stopped.join(PATIENCE)
        assert reasons == ["timeout"]
    after = threading.Thread(target=wait, args=(UNWATCHED,))
    after.start()
    after.join(PATIENCE)
    assert passed == [UNWATCHED]


def test_a_turn_ends_with_an_error_too() -> None:
    """The next caller does not wait for one that is gone."""
    turns = Turns()
    with pytest.raises(ZeroDivisionError), turns.take(UNWATCHED):
        raise ZeroDivisionError
    with turns.take(UNWATCHED):
        pass


def test_who_would_wait_for_himself_is_refused() -> None:
    """A turn within a turn; the outer one goes on and ends as always."""
    turns = Turns()
    with turns.take(UNWATCHED), pytest.raises(BusyError, match="progress callback"), turns.take(UNWATCHED):
        pass
    with turns.take(UNWATCHED):
        pass


class Interrupting:
    """Raises `KeyboardInterrupt` at the n-th of the places where Python meets a signal.

    These are the beginnings of functions, and where one has returned.
    """

    FILES = ("turns.py", "threading.py", "contextlib.py")

    def __init__(self, at: int) -> None:
        self.left = at

    def __call__(self, frame: FrameType, event: str, _argument: object) -> None:
        if event != "c_call" and Path(frame.f_code.co_filename).name in self.FILES:
            self.left -= 1
            if self.left == 0:
                raise KeyboardInterrupt


def test_ctrl_c_anywhere_leaves_the_model_to_the_next_caller() -> None:
    """Also between a place in the queue and its `try`, and while the turn is given back."""
    interrupted = 0
    while True:
        turns, profile = Turns(), Interrupting(interrupted + 1)
        before = sys.getprofile()
        try:
            sys.setprofile(profile)
            with turns.take(UNWATCHED):
                pass
        except KeyboardInterrupt:
            pass
        finally:
            sys.setprofile(before)
        if profile.left > 0:
            break
        interrupted += 1
        passed: list[str] = []
        _take(turns, passed)
        other = threading.Thread(target=_take, args=(turns, passed), daemon=True)
        other.start()
        other.join(PATIENCE)
        assert len(passed) == 2, f"the turn was lost at place {interrupted}"
    assert interrupted > 30


def _take(turns: Turns, passed: list[str]) -> None:
    with turns.take(UNWATCHED):
        passed.append(threading.current_thread().name)
