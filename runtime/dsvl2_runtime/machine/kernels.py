"""Operators of our own (`kernels/`): whether the library that has them can be used here."""

from __future__ import annotations

import logging
import os
from functools import cache
from pathlib import Path

from dsvl2_kernels import library
from dsvl2_kernels.library import Kernels, KernelsAbsentError, KernelsError, open_kernels

log = logging.getLogger(__name__)

STALE = "they were built before their sources changed: run `python kernels/build_library.py`"
"""What to say about such a library; it can only be in a checkout."""


def find_kernels() -> Kernels:
    """The library, registered once with ONNX Runtime to see that it accepts it.

    Raises:
        KernelsAbsentError: there is none, and nothing is wrong.
        KernelsError: there is one that cannot be used.
    """
    import onnxruntime

    found = open_kernels()
    try:
        onnxruntime.SessionOptions().register_custom_ops_library(str(found.path))
    except Exception as error:  # ONNX Runtime's exceptions have no common class of their own
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise KernelsError(f"ONNX Runtime does not take {found.path.name} ({reason})") from error
    return found


def usable_kernels() -> Kernels | None:
    """The library, or None; one line is logged where it cannot be used, or is older than its sources."""
    return _usable_kernels(os.environ.get(library.SETTING), library.FOLDER)


@cache  # so that it is one line for each library and setting
def _usable_kernels(_setting: str | None, _folder: Path) -> Kernels | None:
    try:
        found = find_kernels()
    except KernelsAbsentError:
        return None
    except KernelsError as error:
        log.warning("ONNX Runtime's own operators are used, which are slower: %s", error)
        return None
    if found.stale:
        log.warning("our own kernels are used, but %s", STALE)
    return found
