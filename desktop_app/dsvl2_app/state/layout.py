"""Where the window stood and how its panes were divided, kept from one start to the next."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

from platformdirs import user_state_path
from pydantic import Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from dsvl2_runtime.config import STRICT
from dsvl2_runtime.machine.files import new_file

LARGEST_FILE_BYTES = 100_000
"""More than any layout has; another file may stand in its place."""


@dataclass(frozen=True, config=STRICT)
class Layout:
    """How a window looks that has never been moved, or as it was left."""

    geometry: str = ""
    """`QWidget.saveGeometry` in base 64."""
    sidebar_width: Annotated[int, Field(ge=0, le=10_000)] = 230
    """Pixels."""
    picture_share: Annotated[float, Field(gt=0, lt=1)] = 0.48
    """Of the width beside the sidebar."""
    shows_sidebar: bool = True
    theme: Literal["system", "light", "dark"] = "system"
    text_percent: Annotated[int, Field(ge=80, le=200)] = 100
    last_folder: str = ""
    """From which pictures were opened."""


_LAYOUT = TypeAdapter(Layout)


def layout_path() -> Path:
    """Of this user's layout."""
    path: Path = user_state_path("dsvl2-onnx", appauthor=False) / "window.json"
    return path


def load_layout(path: Path | None) -> Layout:
    """What was kept; the first layout where nothing was, or what was is none, which is no reason to show no window."""
    try:
        if path is None or path.stat().st_size > LARGEST_FILE_BYTES:
            return Layout()
        return _LAYOUT.validate_python(json.loads(path.read_text("utf-8")))
    except (OSError, ValueError, ValidationError, RecursionError):
        return Layout()


def save_layout(path: Path | None, layout: Layout) -> None:
    """Keep a layout; a disk that cannot take it costs the layout and nothing else."""
    if path is None:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with new_file(path, private=True) as new:
            new.write_text(json.dumps(asdict(layout)), "utf-8")
    except OSError:
        return
