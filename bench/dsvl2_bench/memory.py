"""Measures memory: how fast it can be read, and how much of it this process uses."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

import numpy as np
import psutil

from dsvl2_runtime.machine.machine import GIGABYTE

ALL_BYTES, FEWEST_BYTES = 1 << 29, 1 << 26
"""Size of the arrays of all threads together, far larger than most caches, and the least size of one array."""
REPEATS = 7
SMAPS = Path("/proc/self/smaps_rollup")


def read_gb_s(threads: int) -> float:
    """Gigabytes per second that `threads` threads read together, the best of some tries: the limit of a decode step.

    Each sums its own array of int64, one addition for eight bytes read, as STREAM's read kernels do.
    """
    size = _array_bytes(threads)
    arrays = [np.ones(size // 8, np.int64) for _ in range(threads)]
    best = 0.0
    for _ in range(REPEATS):
        workers = [threading.Thread(target=np.add.reduce, args=(array,)) for array in arrays]
        start = time.perf_counter()
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        best = max(best, threads * size / (time.perf_counter() - start) / GIGABYTE)
    return best


def copy_gb_s(threads: int) -> float:
    """Gigabytes per second that `threads` threads copy together, bytes read and bytes written both counted."""
    size = _array_bytes(threads)
    pairs = [(np.ones(size, np.uint8), np.zeros(size, np.uint8)) for _ in range(threads)]
    best = 0.0
    for _ in range(REPEATS):
        workers = [threading.Thread(target=np.copyto, args=(target, source)) for source, target in pairs]
        start = time.perf_counter()
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        best = max(best, 2 * threads * size / (time.perf_counter() - start) / GIGABYTE)
    return best


def _array_bytes(threads: int) -> int:
    """Size of each thread's array; on a machine with many cores the arrays must not fill the memory."""
    return max(FEWEST_BYTES, ALL_BYTES // threads)


def peak_rss_gb() -> float | None:
    """The most memory this process has ever had in use; None where the system does not record it."""
    if sys.platform == "win32":
        peak: int = psutil.Process().memory_info().peak_wset
        return peak / GIGABYTE
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / GIGABYTE


def anonymous_rss_gb() -> float | None:
    """Memory in use that is not mapped from a file; None where the system does not say."""
    try:
        lines = SMAPS.read_text("ascii").splitlines()
    except OSError:
        return None
    for line in lines:
        if line.startswith("Anonymous:"):
            return int(line.split()[1]) * 1024 / GIGABYTE
    return None
