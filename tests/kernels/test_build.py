"""What the build needs is found, and said to be missing where it is."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import subprocess
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


@pytest.fixture
def mac(build: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """An arm64 machine with macOS 14 and the Python of python.org, which has both architectures in it."""
    monkeypatch.setattr(build.platform, "system", lambda: "Darwin")
    monkeypatch.setattr(build.platform, "machine", lambda: "arm64")
    monkeypatch.setattr(build.sysconfig, "get_platform", lambda: "macosx-10.13-universal2")
    monkeypatch.delenv("ARCHFLAGS", raising=False)
    monkeypatch.delenv("MACOSX_DEPLOYMENT_TARGET", raising=False)


@pytest.mark.usefixtures("mac")
@pytest.mark.parametrize(
    ("flags", "python", "architecture", "tag"),
    [
        (None, "macosx-10.13-universal2", "arm64", "macosx_11_0_arm64"),
        ("", "macosx-14.0-arm64", "arm64", "macosx_14_0_arm64"),
        ("-arch arm64", "macosx-11.0-arm64", "arm64", "macosx_11_0_arm64"),
        ("-arch x86_64", "macosx-10.13-x86_64", "x86_64", "macosx_10_13_x86_64"),
        ("-g  -arch  x86_64 -arch x86_64", "macosx-10.13-universal2", "x86_64", "macosx_10_13_x86_64"),
    ],
)
def test_macos_builds_for_the_architecture_that_the_wheel_names(
    build: ModuleType, monkeypatch: pytest.MonkeyPatch, flags: str | None, python: str, architecture: str, tag: str
) -> None:
    """That of ARCHFLAGS, which cibuildwheel sets, also where the machine or its Python has another one."""
    if flags is not None:
        monkeypatch.setenv("ARCHFLAGS", flags)
    monkeypatch.setattr(build.sysconfig, "get_platform", lambda: python)
    command = build.configure_command(Path("build"), ("-DDSVL2_SANITIZE=ON",))
    assert [part for part in command if "ARCHITECTURES" in part] == [f"-DCMAKE_OSX_ARCHITECTURES={architecture}"]
    assert command[-1] == "-DDSVL2_SANITIZE=ON"
    assert build.wheel_platform() == tag


@pytest.mark.usefixtures("mac")
@pytest.mark.parametrize(
    ("asked", "python", "flags", "version"),
    [
        (None, "macosx-10.13-universal2", "-arch x86_64", "10.13"),
        (None, "macosx-10.13-universal2", "-arch arm64", "11.0"),
        (None, "macosx-14.0-arm64", "", "14.0"),
        ("", "macosx-14.0-arm64", "", "14.0"),
        ("12.0", "macosx-10.13-universal2", "-arch x86_64", "12.0"),
        ("13.3", "macosx-11.0-arm64", "", "13.0"),
        ("12", "macosx-11.0-arm64", "", "12.0"),
        ("10.15", "macosx-10.13-universal2", "-arch x86_64", "10.15"),
        ("10.15", "macosx-10.13-universal2", "-arch arm64", "11.0"),
    ],
)
def test_macos_builds_for_the_system_that_the_wheel_names(
    build: ModuleType, monkeypatch: pytest.MonkeyPatch, asked: str | None, python: str, flags: str, version: str
) -> None:
    """CMake alone would build for the system of this machine, and the wheel would be installed where it cannot load."""
    if asked is not None:
        monkeypatch.setenv("MACOSX_DEPLOYMENT_TARGET", asked)
    monkeypatch.setenv("ARCHFLAGS", flags)
    monkeypatch.setattr(build.sysconfig, "get_platform", lambda: python)
    targets = [part for part in build.configure_command(Path("build")) if "DEPLOYMENT_TARGET" in part]
    assert targets == [f"-DCMAKE_OSX_DEPLOYMENT_TARGET={version}"]
    assert build.wheel_platform().startswith(f"macosx_{version.replace('.', '_')}_")


@pytest.mark.usefixtures("mac")
def test_two_architectures_at_once_are_refused(build: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """With an error that the build hook takes for a missing library."""
    monkeypatch.setenv("ARCHFLAGS", "-arch arm64 -arch x86_64")
    with pytest.raises(OSError, match="ARCHFLAGS asks for arm64 and x86_64"):
        build.configure_command(Path("build"))


def test_only_macos_is_told_architecture_and_system(build: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build.platform, "system", lambda: "Linux")
    monkeypatch.setattr(build.sysconfig, "get_platform", lambda: "linux-x86_64")
    monkeypatch.setenv("ARCHFLAGS", "-arch arm64")
    assert not any("_OSX_" in part for part in build.configure_command(Path("build")))
    assert build.wheel_platform() == "linux_x86_64"


@pytest.mark.skipif(
    sys.platform == "win32" or not all(map(shutil.which, ("c++", "cmake", "make"))),
    reason="CMake, make and a C++ compiler are needed to ask CMake what it would compile",
)
@pytest.mark.parametrize(("architecture", "kernels"), [("arm64", {"neon"}), ("x86_64", {"avx2", "avx512"})])
def test_cmake_takes_the_kernels_of_the_architecture_that_it_is_told(
    tmp_path: Path, architecture: str, kernels: set[str]
) -> None:
    """Whatever the machine is that builds."""
    command = ["cmake", "-S", str(KERNELS), "-B", str(tmp_path), "-G", "Unix Makefiles"]
    command += [f"-DCMAKE_OSX_ARCHITECTURES={architecture}", "-DCMAKE_EXPORT_COMPILE_COMMANDS=ON"]
    subprocess.run(command, check=True, capture_output=True)
    compiled = json.loads((tmp_path / "compile_commands.json").read_text("utf-8"))
    names = {Path(entry["file"]).stem.rpartition("_")[2] for entry in compiled}
    assert names & {"neon", "avx2", "avx512"} == kernels
    both = [*command, "-DCMAKE_OSX_ARCHITECTURES=arm64;x86_64"]
    refused = subprocess.run(both, check=False, capture_output=True, encoding="utf-8")
    assert refused.returncode != 0
    assert "one architecture" in refused.stderr


def test_python_and_cmake_agree_on_the_version() -> None:
    (number,) = re.findall(r"set\(DSVL2_KERNELS_VERSION (\d+)\)", (KERNELS / "CMakeLists.txt").read_text("utf-8"))
    assert int(number) == VERSION
