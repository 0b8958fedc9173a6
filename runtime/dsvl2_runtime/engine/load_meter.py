"""How far a model is loaded, told in bytes: loading is a few long calls, which say nothing while they last."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psutil

SECONDS = 0.2
"""Between two measurements."""


def memory_bytes() -> int:
    """Resident memory of this process."""
    resident: int = psutil.Process().memory_info().rss
    return resident


@contextmanager
def measured_load(
    total: int,
    tell: Callable[[int, int], None],
    measure: Callable[[], int] = memory_bytes,
    seconds: float = SECONDS,
) -> Iterator[None]:
    """Tell every now and then how much the memory has grown, until the block ends.

    Args:
        total: bytes of the files that are loaded; what is told never goes beyond it and never back.
        tell: takes (done, total), on a thread of its own.
        measure: the memory of the process.
        seconds: between two measurements.
    """
    before, ended = measure(), threading.Event()

    def work() -> None:
        done = 0
        while not ended.wait(seconds):
            done = max(done, min(measure() - before, total))
            tell(done, total)

    thread = threading.Thread(target=work, name="load meter", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
