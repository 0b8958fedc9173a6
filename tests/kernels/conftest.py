"""Every test of a kernel runs on every level that this processor has."""

from __future__ import annotations

import os
import shutil

import pytest

from dsvl2_kernels.library import SETTING, KernelsError, open_kernels

REQUIRED = "DSVL2_BUILD_KERNELS"
"""Where it is `require`, as in continuous integration, a missing library is a failure, compiler or not."""
COMPILERS = ("c++", "g++", "clang++", "cl")


def available_levels() -> tuple[str, ...]:
    try:
        return open_kernels().levels
    except KernelsError:
        return ()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "level" in metafunc.fixturenames:
        metafunc.parametrize("level", available_levels() or ("none",))


@pytest.fixture(autouse=True)
def library(request: pytest.FixtureRequest) -> None:
    """Without a library its tests are skipped where nothing could have built one, and fail everywhere else."""
    if request.node.get_closest_marker("without_library"):
        return
    if available_levels():
        if open_kernels().stale:
            pytest.fail("the library is older than its sources: run `python kernels/build_library.py`")
        return
    try:
        open_kernels()
    except KernelsError as error:
        if os.environ.get(REQUIRED) == "require" or any(shutil.which(name) for name in COMPILERS):
            pytest.fail(f"there should be a library, but {error}")
        pytest.skip(str(error))


@pytest.fixture(autouse=True)
def forced_level(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kernels are chosen when a session is made; a test's `level` is the one it gets."""
    if "level" in request.fixturenames:
        monkeypatch.setenv(SETTING, request.getfixturevalue("level"))
