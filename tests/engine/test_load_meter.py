"""How far a model is loaded, in bytes."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dsvl2_runtime.engine import process as engine_process
from dsvl2_runtime.engine.load_meter import measured_load
from dsvl2_runtime.engine.process import load
from dsvl2_runtime.engine.protocol import Load
from small_models import MakeBundle


def test_loading_is_told_in_bytes_that_never_go_back() -> None:
    """The memory may shrink while it is packed, and may grow beyond the files."""
    told: list[tuple[int, int]] = []
    measured = iter([100, 130, 120, 190, 900])
    all_told = threading.Event()

    def measure() -> int:
        value = next(measured, None)
        if value is None:
            all_told.set()
            return 900
        return value

    with measured_load(200, lambda done, total: told.append((done, total)), measure, 0.001):
        assert all_told.wait(60)
    assert told[:4] == [(30, 200), (30, 200), (90, 200), (200, 200)]


def test_loading_counts_the_files_of_the_graphs_that_are_loaded(
    bundle: MakeBundle, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Not what else lies in the folder, such as the graphs of another target."""
    folder = tmp_path / "bundle"
    shutil.copytree(bundle("tiny", "int4"), folder)
    (folder / "other.bin").write_bytes(bytes(1_000_000))
    totals: list[int] = []

    @contextmanager
    def recorded(total: int, tell: object) -> Iterator[None]:
        totals.append(total)
        yield

    monkeypatch.setattr(engine_process, "measured_load", recorded)
    load(Load(str(folder), threads=1), lambda event: None)
    others = ("manifest.json", "tokenizer.json", "other.bin")
    assert totals == [sum(path.stat().st_size for path in folder.iterdir() if path.name not in others)]
