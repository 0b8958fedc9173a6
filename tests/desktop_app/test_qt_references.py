"""Signals can be emitted as often as anybody likes."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.gui

EMIT = """
import dsvl2_app
from PySide6.QtCore import QObject, Signal

class Source(QObject):
    told = Signal(object)

source = Source()
for _ in range(50_000):
    source.told.emit(1)
source.told.connect(print)
source.told.disconnect(print)
source.told.connect(lambda found: None)
for _ in range(50_000):
    source.told.emit(1)
print("alive")
"""


CALLS = 200_000
"""A process has some thousand references to None when it starts; an evening with the window makes more calls."""


def test_a_long_session_does_not_use_up_the_references_to_none() -> None:
    code = (
        "import dsvl2_app\nfrom PySide6.QtCore import QObject\nfound = QObject()\n"
        f"for _ in range({CALLS}): found.setObjectName('a')\nprint('alive')"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=False)
    assert (found.returncode, found.stdout.strip()) == (0, "alive"), found.stderr


def test_many_signals_do_not_end_the_interpreter() -> None:
    """Before Python 3.12, PySide6 6.12 aborts it after some hundreds."""
    done = subprocess.run([sys.executable, "-c", EMIT], capture_output=True, encoding="utf-8", check=False)
    assert (done.returncode, done.stdout) == (0, "alive\n"), done.stderr
