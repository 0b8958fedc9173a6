"""Silence on standard error for libraries in other languages, which write there by themselves."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

STDERR = 2
"""The file descriptor."""

_lock = threading.Lock()


@contextmanager
def silent_stderr() -> Iterator[None]:
    """No output on file descriptor 2 while the block runs; for blocks that take milliseconds.

    The descriptor belongs to the whole process: what another thread writes there meanwhile is lost. The lock keeps two
    threads from taking each other's silence for the descriptor to return to.
    """
    with _lock:
        try:
            kept = os.dup(STDERR)
        except OSError:  # it is closed, so that nothing can be written
            yield
            return
        try:
            with Path(os.devnull).open("wb") as nothing:
                os.dup2(nothing.fileno(), STDERR)
            yield
        finally:
            os.dup2(kept, STDERR)
            os.close(kept)
