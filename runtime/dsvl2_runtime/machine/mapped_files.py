"""What happens when a file that is mapped into memory is cut, or its disk goes away: SIGBUS, which kills the process.

No Python code can carry on from there, as the instruction that wanted the page has no value to go on with. But a
process can say what happened before it ends. The handler is a function of Python that C calls: the thread that met the
hole is one of ONNX Runtime's or one inside it, so the lock of the interpreter is free or its own.
"""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Callable
from pathlib import Path

from dsvl2_runtime.errors import ResourceError

MAPS = Path("/proc/self/maps")
"""Of Linux: every range of memory with the file that it shows."""

ENDINGS = (".data", ".onnx")
"""Of a model's files. Libraries are mapped too, and some beyond their ends."""

_Handler = ctypes.CFUNCTYPE(None, ctypes.c_int)
_installed: list[object] = []
"""The handler that C knows; it must not be collected."""


def report_lost_files(report: Callable[[str], object]) -> None:
    """End this process with the exit code of a resource, and one line, where SIGBUS would kill it.

    Only for a process of our own: it is ended wherever it is, without cleaning up. Windows has no such signal; there a
    mapped file cannot be cut.

    Args:
        report: writes the line.
    """
    if not hasattr(signal, "SIGBUS"):
        return

    def on_bus_error(_number: int) -> None:
        try:
            report(_message())
        finally:
            os._exit(ResourceError.exit_code)

    handler = _Handler(on_bus_error)
    libc = ctypes.CDLL(None)
    libc.signal.argtypes = [ctypes.c_int, _Handler]
    libc.signal.restype = ctypes.c_void_p
    libc.signal(signal.SIGBUS, handler)
    _installed[:] = [handler]


def _message() -> str:
    names = ", ".join(cut_files()) or "a file of the model"
    return (
        f"{names} was cut, replaced or taken away while it was in use; start again, and replace a model by another "
        "folder, not by writing into its files"
    )


def cut_files() -> list[str]:
    """Files of models that are mapped beyond their present ends."""
    ends: dict[str, int] = {}
    try:
        lines = MAPS.read_text("utf-8", "replace").splitlines()
    except OSError:
        return []
    for line in lines:
        addresses, _, offset, _, _, *name = line.split(maxsplit=5)
        if name and name[0].removesuffix(" (deleted)").endswith(ENDINGS):
            start, end = (int(address, 16) for address in addresses.split("-"))
            ends[name[0]] = max(ends.get(name[0], 0), int(offset, 16) + end - start)
    return sorted(name for name, end in ends.items() if _pages(name) < end // os.sysconf("SC_PAGE_SIZE"))


def _pages(name: str) -> int:
    """How many pages a file has; none if it is gone."""
    try:
        return -(-Path(name).stat().st_size // os.sysconf("SC_PAGE_SIZE"))
    except OSError:
        return 0
