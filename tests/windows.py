"""What the tests of the window share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from PySide6.QtCore import Qt
from PySide6.QtGui import QImage
from pytestqt.qtbot import QtBot

import waiting
from dsvl2_app.widgets.main_window import MainWindow

PATIENCE = int(waiting.PATIENCE * 1000)
"""Milliseconds."""
FAKE_ENGINE = ("-P", str(Path(__file__).with_name("fake_engine.py")))
"""Arguments of an engine's process that has no model."""


class OpenWindow(Protocol):
    """Opens a window for a model, with the arguments of its engine's process."""

    def __call__(self, model: Path, arguments: Sequence[str] = ...) -> MainWindow: ...


def ask(window: MainWindow, qtbot: QtBot, question: str, pause: int = -1) -> None:
    """As a user: type, then press Enter; with the event loop running for so many milliseconds after each key."""
    window.prompt.edit.setFocus()
    qtbot.keyClicks(window.prompt.edit, question, delay=pause)
    qtbot.keyClick(window.prompt.edit, Qt.Key.Key_Return)


def wait_for(qtbot: QtBot, condition: Callable[[], bool]) -> None:
    qtbot.waitUntil(condition, timeout=PATIENCE)


def some_image() -> QImage:
    image = QImage(40, 30, QImage.Format.Format_RGB32)
    image.fill(Qt.GlobalColor.blue)
    return image
