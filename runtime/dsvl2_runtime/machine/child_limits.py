"""Bounds for a process that works on what a stranger wrote, set by the process itself before it begins.

This module imports nothing else of the program, so that such a process starts fast.
"""

from __future__ import annotations

from contextlib import suppress


def limit_this_process(*, memory_bytes: int, cpu_seconds: int) -> None:
    """Bound what this process may take, where the system can; it can write no files and leaves no core dump.

    Args:
        memory_bytes: of address space.
        cpu_seconds: of processor time.
    """
    try:
        import resource
    except ImportError:  # Windows; there the parent's clock is the only limit
        return
    limits = {
        resource.RLIMIT_AS: memory_bytes,
        resource.RLIMIT_CPU: cpu_seconds,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_FSIZE: 0,
    }
    for name, limit in limits.items():
        with suppress(OSError, ValueError):  # a lower hard limit is there already, or macOS has none for this
            resource.setrlimit(name, (limit, limit))
