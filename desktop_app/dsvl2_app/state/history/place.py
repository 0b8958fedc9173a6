"""Where conversations are kept."""

from __future__ import annotations

import os
from pathlib import Path

from platformdirs import user_data_path

VARIABLE = "DSVL2_DATA"
"""Names another folder."""


def data_folder() -> Path:
    """The folder of conversations: the one that `DSVL2_DATA` names, else the system's place for data."""
    named = os.environ.get(VARIABLE)
    folder: Path = Path(named).absolute() if named else user_data_path("dsvl2-onnx")
    return folder / "history"
