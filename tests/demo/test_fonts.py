"""Which typefaces pages are drawn with, on machines that have none, some or many."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import drawn_pages
from dsvl2_demo.pages.fonts import (
    HELD_OUT_FACES,
    SHIPPED_FACES,
    TRAINING_FACES,
    held_out_faces,
    missing_training_faces,
    training_faces,
)
from small_models import FIGURE


def pages_of(split: str, *folders: Path) -> str:
    """Digest of the pages of a machine that has its typefaces in these folders."""
    command = [sys.executable, drawn_pages.__file__, split, *map(str, folders)]
    return subprocess.run(command, capture_output=True, encoding="utf-8", check=True).stdout.strip()


def machine(folder: Path, names: tuple[str, ...]) -> Path:
    """A folder of typefaces with these names, which all look like Go Mono."""
    folder.mkdir()
    for name in names:
        shutil.copyfile(SHIPPED_FACES / "Go-Mono.ttf", folder / f"{name}.ttf")
    return folder


def test_held_out_pages_are_the_same_on_every_machine(tmp_path: Path) -> None:
    """Without typefaces, with a few, and with all of training and others under the names of the shipped ones."""
    few = machine(tmp_path / "few", ("DejaVuSans", "DejaVuSans-Bold"))
    many = machine(tmp_path / "many", (*TRAINING_FACES, *HELD_OUT_FACES))
    assert pages_of("held_out") == pages_of("held_out", few) == pages_of("held_out", many)


def test_pages_to_train_with_use_what_is_installed(tmp_path: Path) -> None:
    """Without this the digests of the other tests could not differ."""
    assert pages_of("train") != pages_of("train", machine(tmp_path / "few", ("DejaVuSans", "DejaVuSans-Bold")))


def test_the_tests_draw_the_same_pages_on_every_machine(record_property: Callable[[str, object], None]) -> None:
    """Here pages to train with are those of a machine without typefaces."""
    assert missing_training_faces() == TRAINING_FACES
    assert training_faces() == held_out_faces()[:1]
    drawn = drawn_pages.digest("train")
    assert drawn == pages_of("train")
    record_property(FIGURE, f"pages drawn: {drawn[:16]}")
