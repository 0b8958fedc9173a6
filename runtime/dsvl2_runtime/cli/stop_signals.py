"""Ctrl-C and SIGTERM: each is an exception wherever the program is, and none of them is lost."""

from __future__ import annotations

import _thread
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

_MAIN_THREAD = threading.main_thread().ident or 0
AGAIN_SECONDS = 0.02
"""Until a signal is sent again: enough for the program to have left the place in which it was lost."""


class Terminated(BaseException):
    """SIGTERM came; raised wherever the program is, as `KeyboardInterrupt` is for Ctrl-C, so that it can clean up."""


def stop_behind(error: BaseException) -> KeyboardInterrupt | Terminated | None:
    """The signal of which somebody made another error, as modules do that are interrupted while they are loaded."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, (KeyboardInterrupt, Terminated)):
            return seen
        seen = seen.__cause__ or seen.__context__
    return None


class StopSignals:
    """What the two signals do until the program has ended.

    Python calls some functions for itself: finalisers, callbacks of weak references, what is left of a generator that
    is not read to its end. An exception there has nobody to go to; it is handed to `sys.unraisablehook`, and the
    program goes on as if no signal had come. Here the hook sends the signal again.
    """

    def __init__(self) -> None:
        self.has_ended = False
        """Whether only a moment of tidying up is left, in which a signal must not turn a whole answer into a failure.

        An attribute, since a signal is met where a function is called or has returned, and not where one is set.
        """
        self._hook_before: Callable[[UnraisableHookArgs], object] = sys.unraisablehook

    def take(self) -> None:
        """Raise `KeyboardInterrupt` and `Terminated` from now on; a signal that is ignored, as by nohup, stays so."""
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._interrupt)
        if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
            signal.signal(signal.SIGTERM, self._terminate)
        sys.unraisablehook = self._send_again

    def _interrupt(self, _number: int, _frame: FrameType | None) -> None:
        if not self.has_ended:
            raise KeyboardInterrupt

    def _terminate(self, _number: int, _frame: FrameType | None) -> None:
        if not self.has_ended:
            raise Terminated

    def _send_again(self, lost: UnraisableHookArgs) -> None:
        if isinstance(lost.exc_value, KeyboardInterrupt):
            _thread.start_new_thread(_send, (signal.SIGINT,))
        elif isinstance(lost.exc_value, Terminated):
            _thread.start_new_thread(_send, (signal.SIGTERM,))
        else:
            self._hook_before(lost)


def _send(number: signal.Signals) -> None:
    # Not at once: the hook itself is such a place. And from a thread of the plainest kind, since those of `threading`
    # take locks that the place in which the signal was lost may hold.
    time.sleep(AGAIN_SECONDS)
    if sys.platform == "win32":
        signal.raise_signal(number)
    else:  # to the thread that handles signals, which may be waiting for something
        signal.pthread_kill(_MAIN_THREAD, number)
