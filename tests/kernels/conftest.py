"""Every test of a kernel runs on every level that this processor has."""

from __future__ import annotations

import pytest

from dsvl2_kernels.library import SETTING, KernelsError, open_kernels
from own_library import need_library


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
    """All tests here need it that do not say otherwise."""
    if not request.node.get_closest_marker("without_library"):
        need_library()


@pytest.fixture(autouse=True)
def forced_level(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kernels are chosen when a session is made; a test's `level` is the one it gets."""
    if "level" in request.fixturenames:
        monkeypatch.setenv(SETTING, request.getfixturevalue("level"))
