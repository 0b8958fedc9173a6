"""What is kept of how the window looks."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from dsvl2_app.state.layout import Layout, load_layout, save_layout


def test_a_layout_comes_back_as_it_was_kept(tmp_path: Path) -> None:
    path = tmp_path / "state" / "window.json"
    layout = Layout("AdnQ", 310, 0.6, False, "dark", 150, "/pictures")
    save_layout(path, layout)
    assert load_layout(path) == layout
    if os.name == "posix":
        assert path.stat().st_mode & 0o077 == 0  # it names a folder of the user


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "[" * 50_000,
        json.dumps({"sidebar_width": -1}),
        json.dumps({"picture_share": 1}),
        json.dumps({"theme": "pink"}),
        json.dumps({"unknown": 1}),
        '"' + "x" * 200_000 + '"',
    ],
)
def test_what_is_no_layout_gives_the_first_one(tmp_path: Path, content: str) -> None:
    """A window opens whatever stands in the file."""
    path = tmp_path / "window.json"
    path.write_text(content)
    assert load_layout(path) == Layout()


def test_a_folder_that_cannot_be_made_costs_the_layout_alone(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    path = tmp_path / "file" / "window.json"
    save_layout(path, Layout("AdnQ"))
    assert load_layout(path) == Layout()


def test_without_a_file_nothing_is_kept() -> None:
    save_layout(None, Layout("AdnQ"))
    assert load_layout(None) == Layout()
