"""Keeps `True`, `False` and `None` alive under a version of PySide6 that loses them.

In PySide6 6.12 `Signal.emit` returns `True` or `False` without counting the reference that it gives away. Before Python
3.12, which never frees the constants, each emission brings them nearer to their end: after some hundreds or thousands
the interpreter finds that it has freed `True`, and aborts. More references than anybody can lose are added once.
"""

from __future__ import annotations

import ctypes
import sys

MANY = 1 << 40
IMMORTAL_SINCE = (3, 12)


def keep_constants() -> None:
    """Add references that nobody gives back; where Python needs none, nothing happens."""
    if sys.implementation.name != "cpython" or sys.version_info >= IMMORTAL_SINCE:
        return
    for constant in (True, False, None):
        before = sys.getrefcount(constant)
        count = ctypes.c_ssize_t.from_address(id(constant))  # the first field of every object (`PyObject`)
        if abs(count.value - before) > 10:
            return  # a build of Python whose objects begin with something else
        count.value += MANY
