"""A defect of PySide6 6.12.0 on Python 3.11 that ends the process after some ten thousand calls."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.gui

CALLS = 200_000
"""A process has some thousand references to None when it starts; an evening with the window makes more calls."""


def test_a_long_session_does_not_use_up_the_references_to_none() -> None:
    code = (
        "import dsvl2_app\nfrom PySide6.QtCore import QObject\nfound = QObject()\n"
        f"for _ in range({CALLS}): found.setObjectName('a')\nprint('alive')"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=False)
    assert (found.returncode, found.stdout.strip()) == (0, "alive"), found.stderr
