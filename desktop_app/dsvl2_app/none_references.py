"""Keeps Python 3.11 alive under PySide6 6.12.0, whose functions that return nothing give up a reference to `None`.

It is built for Python 3.12, where `None` has no count of references. Before that the count of a process falls with each
such call, and after some ten thousand of them Python ends the process with "deallocating None". A count that is larger
than any session can use up is the same as none.
"""

from __future__ import annotations

import ctypes
import sys

MANY = 1 << 40


def keep_none() -> None:
    """Make the count of references to `None` so large that it never falls to 0; where it has none, do nothing."""
    has_count = sys.implementation.name == "cpython" and sys.version_info < (3, 12)
    if not has_count or hasattr(sys, "getobjects"):  # in a build that traces references the count lies elsewhere
        return
    count = ctypes.c_ssize_t.from_address(id(None))
    if count.value < MANY:
        count.value += MANY
