"""What the build needs is found, and said to be missing where it is."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from dsvl2_kernels.library import VERSION

KERNELS = Path(__file__).parents[2] / "kernels"
pytestmark = pytest.mark.without_library


@pytest.fixture
def build() -> ModuleType:
    spec = importlib.util.spec_from_file_location("build_library", KERNELS / "build_library.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def program(folder: Path, name: str) -> None:
    path = folder / (name + (".exe" if sys.platform == "win32" else ""))
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)


def test_no_compiler_is_found_where_there_is_none(
    build: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert build.compiler() is None
    program(tmp_path, "clang++")
    assert Path(build.compiler()).name.startswith("clang++")
    monkeypatch.setenv("CXX", "no-such-compiler -O2")
    assert build.compiler() is None


def test_tools_that_pip_can_bring(build: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert build.missing_tools() == ["cmake>=3.18", "ninja"]
    program(tmp_path, "cmake")
    program(tmp_path, "make")
    assert build.missing_tools() == []


def test_python_and_cmake_agree_on_the_version() -> None:
    (number,) = re.findall(r"set\(DSVL2_KERNELS_VERSION (\d+)\)", (KERNELS / "CMakeLists.txt").read_text("utf-8"))
    assert int(number) == VERSION
