"""Finding the library: absent, damaged, of another version; a level that there is not; the table of ONNX Runtime."""

from __future__ import annotations

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
