"""How many threads are worth starting: the cores that this process may use."""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import psutil

from dsvl2_runtime.errors import UsageError
from dsvl2_runtime.machine.control_groups import ROOT, processor_quota
from dsvl2_runtime.notices import Notice

MOST_THREADS = 1024
"""No machine that this runs on has more; a larger number is a mistake."""
MOST_PER_PROCESSOR = 4
"""Threads for each logical processor; more only wait for each other, until nothing else gets done."""


@dataclass(frozen=True, slots=True)
class ThreadChoice:
    """How many threads an operator gets."""

    count: int
    notices: tuple[Notice, ...] = ()
    """That fewer are used than were asked for."""


def allowed_processors() -> frozenset[int]:
    """Numbers of the logical processors that the system lets this process run on."""
    if hasattr(os, "sched_getaffinity"):
        return frozenset(os.sched_getaffinity(0))
    return frozenset(range(psutil.cpu_count() or 1))


def usable_cores(root: Path = ROOT, allowed: Collection[int] | None = None) -> int:
    """Physical cores that this process may use at a time; at least one.

    Affinity and the quotas of control groups count, as a container or `taskset` sets them.

    Args:
        root: of the file system.
        allowed: logical processors; by default those of this process.
    """
    allowed = allowed_processors() if allowed is None else allowed
    cores = {core for number in allowed if (core := _core(number, root)) is not None}
    # Where the system does not say which processors share a core, no fewer than it has in all can be meant.
    known = len(cores) or psutil.cpu_count(logical=False) or len(allowed)
    quota = processor_quota(root)
    return max(1, min(known, len(allowed), len(allowed) if quota is None else int(quota)))


def _core(number: int, root: Path) -> tuple[str, str] | None:
    """The package and the core that a logical processor belongs to."""
    folder = root / f"sys/devices/system/cpu/cpu{number}/topology"
    try:
        package, core = ((folder / name).read_text("ascii").strip() for name in ("physical_package_id", "core_id"))
    except OSError:
        return None
    return package, core


def choose_threads(asked: int | None) -> ThreadChoice:
    """The threads of an operator: as many as were asked for, within reason, or one for each usable core.

    Physical cores, because the products are bound by arithmetic units and memory, which hyper-threads share.

    Raises:
        UsageError: it is below 1 or beyond any machine.
    """
    if asked is None:
        return ThreadChoice(usable_cores())
    if not isinstance(asked, int) or not 1 <= asked <= MOST_THREADS:
        raise UsageError(f"threads is {asked!r}; it must be a whole number from 1 to {MOST_THREADS}")
    processors = len(allowed_processors())
    most = MOST_PER_PROCESSOR * processors
    if asked <= most:
        return ThreadChoice(asked)
    return ThreadChoice(most, (Notice("threads.capped", {"asked": asked, "used": most, "processors": processors}),))
