"""The precondition of tests that need the library of operators."""

from __future__ import annotations

import os
from shutil import which

import pytest

from dsvl2_kernels.library import KernelsError, open_kernels
from isolation import REQUIRED

COMPILERS = ("c++", "g++", "clang++", "cl")


def need_library() -> None:
    """Without a library skip the test where nothing could have built one, and fail it everywhere else.

    Where the build was required, as in continuous integration, a missing library is a failure, compiler or not. A
    library that is older than its sources is one everywhere.
    """
    try:
        kernels = open_kernels()
    except KernelsError as error:
        if os.environ.get(REQUIRED) == "require" or any(which(name) for name in COMPILERS):
            pytest.fail(f"there should be a library, but {error}")
        pytest.skip(str(error))
    if kernels.stale:
        pytest.fail("the library is older than its sources: run `python kernels/build_library.py`")
