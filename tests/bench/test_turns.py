"""Programs that measure are processes of their own, and end with the benchmark."""

from __future__ import annotations

import signal
import sys

import psutil
import pytest

from waiting import PATIENCE, wait_until

SLEEPER = "import time; time.sleep(600)"
PARENT = f"""
from dsvl2_bench.turns import figures_of
figures_of("timeit", "--number", "1", "--repeat", "1", {SLEEPER!r})
"""


def sleepers_of(parent: psutil.Process) -> list[psutil.Process]:
    """The processes that it has started and that measure already."""
    found: list[psutil.Process] = []

    def are_found() -> bool:
        found[:] = [child for child in parent.children() if SLEEPER in " ".join(child.cmdline())]
        return bool(found)

    wait_until(are_found, "nothing was started")
    return found


@pytest.mark.parametrize("how", ["SIGTERM", "SIGKILL", "SIGINT"])
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has none of these signals")
def test_a_measuring_process_ends_with_the_benchmark(how: str) -> None:
    """However the benchmark ends: its child would go on for minutes, with all cores, and disturb the next one."""
    parent = psutil.Popen([sys.executable, "-c", PARENT])
    try:
        children = sleepers_of(parent)
        parent.send_signal(getattr(signal, how))
        parent.wait(PATIENCE)
        _, alive = psutil.wait_procs(children, timeout=PATIENCE)
    finally:
        for process in [parent, *parent.children()] if parent.is_running() else []:
            process.kill()
    for process in alive:
        process.kill()
    assert not alive
