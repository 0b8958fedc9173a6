"""Waiting for what another thread, process or program does; the clock is only so that a failing test has an end."""

from __future__ import annotations

import time
from collections.abc import Callable

PATIENCE = 240.0
"""Seconds that a busy machine may take; nothing here takes more than a few on an idle one. Every test waits so long."""
LOOK_SECONDS = 0.02


def wait_until(condition: Callable[[], object], what: str = "it does not happen", patience: float = PATIENCE) -> None:
    """Look until something is true."""
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, f"not in {patience} seconds: {what}"
        time.sleep(LOOK_SECONDS)
