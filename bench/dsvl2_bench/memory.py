"""Measures memory: how fast it can be read, and how much of it this process uses."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

import numpy as np
import psutil

from dsvl2_runtime.machine.machine import GIGABYTE, available_memory

ALL_BYTES, FEWEST_BYTES = 1 << 31, 1 << 26
"""Size of the arrays of all threads together, and the least size of one array. Servers have caches of 480 MB, in which
a smaller array would be found again."""
SHARE_OF_MEMORY = 8
"""The arrays take at most this part of the memory that is free; copying needs twice as much."""
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
    """Size of each thread's array."""
    fitting = min(ALL_BYTES, available_memory() // SHARE_OF_MEMORY)
    return max(FEWEST_BYTES, fitting // threads // 8 * 8)


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
    return process_memory_gb().get("Anonymous")


def process_memory_gb(path: Path = SMAPS) -> dict[str, float]:
    """Of one process, by the names of `smaps_rollup` (proc_pid_smaps(5)); empty where the system does not say.

    `Rss` is all that is mapped and in memory, `Pss` the same with each page divided among the processes that map it,
    `Anonymous` what belongs to no file.
    """
    try:
        lines = path.read_text("ascii").splitlines()
    except OSError:
        return {}
    found = (line.split() for line in lines if line.endswith(" kB"))
    return {name.rstrip(":"): int(number) * 1024 / GIGABYTE for name, number, _ in found}
