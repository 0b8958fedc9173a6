"""Finding the library: absent, damaged, of another version; a level that there is not; the table of ONNX Runtime."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import onnxruntime
import pytest

from dsvl2_kernels.library import DESCRIPTION, FOLDER, SETTING, VERSION, KernelsError, describe, open_kernels


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
    with pytest.raises(KernelsError, match="not built: install a C\\+\\+ compiler"):
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
