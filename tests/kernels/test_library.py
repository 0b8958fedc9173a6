"""Finding the library: absent, damaged, of another version; a level that there is not; the table of ONNX Runtime."""

from __future__ import annotations

import ctypes
import json
import logging
import shutil
from pathlib import Path

import onnxruntime
import pytest

from dsvl2_kernels import library as library_module
from dsvl2_kernels.library import (
    DESCRIPTION,
    FOLDER,
    OFF,
    SETTING,
    VERSION,
    KernelsAbsentError,
    KernelsError,
    describe,
    open_kernels,
)
from dsvl2_runtime.machine import kernels as kernels_module
from dsvl2_runtime.machine.kernels import usable_kernels
from dsvl2_runtime.machine.machine import describe_machine


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """The library and its description, to be damaged."""
    for path in (open_kernels().path, FOLDER / DESCRIPTION):
        shutil.copy(path, tmp_path)
    return tmp_path


def test_what_can_run_here(copied: Path) -> None:
    """The reference always, and the fastest by default."""
    found = open_kernels(copied)
    assert found.levels[0] == "reference"
    assert found.level == found.levels[-1]


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of what the library is built from."""
    folder = tmp_path / "sources"
    shutil.copytree(library_module.SOURCES / "source", folder / "source")
    shutil.copy(library_module.SOURCES / "CMakeLists.txt", folder)
    monkeypatch.setattr(library_module, "SOURCES", folder)
    return folder


def test_a_library_of_these_sources_is_not_stale(sources: Path) -> None:
    """Also where git has written them with other line ends."""
    assert not open_kernels().stale
    path = sources / "source" / "levels.cpp"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert not open_kernels().stale


@pytest.mark.parametrize("change", ["edited", "added", "deleted", "renamed"])
def test_a_library_that_is_older_than_its_sources_is_used_and_said(
    sources: Path, change: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """One line in the log, and one in `doctor`."""
    path = sources / "source" / "levels.cpp"
    if change == "edited":
        path.write_bytes(path.read_bytes() + b"// more\n")
    elif change == "added":
        path.with_name("more.cpp").write_bytes(b"")
    elif change == "deleted":
        path.unlink()
    else:
        path.rename(path.with_name("other.cpp"))
    kernels_module._usable_kernels.cache_clear()
    found = [usable_kernels() for _ in range(2)]
    kernels_module._usable_kernels.cache_clear()
    assert all(kernels is not None and kernels.stale for kernels in found)
    assert [record.getMessage().count("built before their sources changed") for record in caplog.records] == [1]
    assert "run `python kernels/build_library.py`" in describe_machine().kernels_note


@pytest.mark.without_library
def test_an_installed_package_has_no_sources(tmp_path: Path) -> None:
    assert library_module.sources_sha256(tmp_path) is None


@pytest.mark.without_library
def test_absent(tmp_path: Path) -> None:
    with pytest.raises(KernelsAbsentError, match="not built: install a C\\+\\+ compiler"):
        open_kernels(tmp_path)


@pytest.mark.parametrize("keep", [0, 100, 4096, -1])
def test_cut_short(copied: Path, keep: int) -> None:
    """Loading such a file would stop the process with a bus error; it is not loaded."""
    path = copied / open_kernels().path.name
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(KernelsError, match="is damaged"):
        open_kernels(copied)


def test_another_platform(copied: Path) -> None:
    """What is no library of this system is one line too."""
    path = copied / open_kernels().path.name
    path.write_bytes(b"MZ" + bytes(1000))
    (copied / DESCRIPTION).write_text(json.dumps(describe(path)))
    with pytest.raises(KernelsError, match="cannot be loaded on this system"):
        open_kernels(copied)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"version": 1}', '{"version": 1, "file": "../x", "sha256": ""}'])
def test_a_description_that_says_nothing(copied: Path, text: str) -> None:
    (copied / DESCRIPTION).write_text(text)
    with pytest.raises(KernelsError, match="cannot be read"):
        open_kernels(copied)


def test_another_version(copied: Path) -> None:
    document = json.loads((copied / DESCRIPTION).read_text())
    (copied / DESCRIPTION).write_text(json.dumps(document | {"version": VERSION + 1}))
    with pytest.raises(KernelsError, match=f"is of version {VERSION + 1}, this program needs {VERSION}"):
        open_kernels(copied)


def test_a_level_that_there_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """Said by both sides: by Python before loading, by the library when it is registered."""
    path = open_kernels().path
    monkeypatch.setenv(SETTING, "sse9")
    with pytest.raises(KernelsError, match="DSVL2_KERNELS is 'sse9'; this processor and this build have reference"):
        open_kernels()
    with pytest.raises(Exception, match="DSVL2_KERNELS is sse9; this build has on this processor: reference"):
        onnxruntime.SessionOptions().register_custom_ops_library(str(path))


def test_each_level_can_be_forced(level: str) -> None:
    assert open_kernels().level == level


@pytest.mark.without_library
def test_nothing_is_said_where_nothing_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Who has no compiler is told by `doctor`, not by every answer."""
    monkeypatch.setattr(library_module, "FOLDER", tmp_path)
    assert usable_kernels() is None
    assert caplog.records == []
    found = describe_machine()
    assert found.kernels is None
    assert "install a C++ compiler" in found.kernels_note


def test_switched_off(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setenv(SETTING, OFF)
    assert usable_kernels() is None
    assert caplog.records == []
    assert describe_machine().kernels_note == "DSVL2_KERNELS is off"


@pytest.mark.parametrize("damage", ["cut", "another level", "no operators"])
def test_one_line_where_a_library_cannot_be_used(
    copied: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    path = copied / open_kernels().path.name
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:1000])
    elif damage == "another level":
        monkeypatch.setenv(SETTING, "sse9")
    else:  # it says the right things and ONNX Runtime finds no entry
        data = path.read_bytes()
        assert b"RegisterCustomOps" in data
        path.write_bytes(data.replace(b"RegisterCustomOps", b"RegisterCustomOpz"))
        (copied / DESCRIPTION).write_text(json.dumps(describe(path)))
    monkeypatch.setattr(library_module, "FOLDER", copied)
    with caplog.at_level(logging.WARNING):
        assert usable_kernels() is None
    (record,) = caplog.records
    assert "ONNX Runtime's own operators are used" in record.getMessage()
    assert "\n" not in record.getMessage()


def test_the_machine_names_the_level(level: str) -> None:
    found = describe_machine()
    assert found.kernels == level
    assert "reference" in found.kernels_note


class Base(ctypes.Structure):
    """`OrtApiBase`: what ONNX Runtime hands to a library of operators."""

    _fields_ = (("get_api", ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_uint32)), ("get_version", ctypes.c_void_p))


def test_an_onnxruntime_without_the_table_is_refused_through_its_first_one() -> None:
    """A release serves the tables of all earlier versions of its interface; one before 1.17 has not the one we need."""
    said = []

    def create_status(code: int, text: bytes) -> int:
        said.append((code, text.decode()))
        return 1

    entry = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_int, ctypes.c_char_p)(create_status)
    first = (ctypes.c_void_p * 275)(ctypes.cast(entry, ctypes.c_void_p))
    asked = []

    def get_api(version: int) -> int | None:
        asked.append(version)
        return ctypes.addressof(first) if version == 1 else None

    base = Base(Base._fields_[0][1](get_api), None)
    register = ctypes.CDLL(str(open_kernels().path)).RegisterCustomOps
    register.restype = ctypes.c_void_p
    assert register(None, ctypes.byref(base)) == 1
    assert asked == [17, 1]
    assert said == [(1, "this ONNX Runtime is older than 1.17, which the dsvl2 kernels need")]
