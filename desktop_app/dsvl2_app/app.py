"""Starts the window."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from PySide6.QtWidgets import QApplication

from dsvl2_app import strings
from dsvl2_app.engine import Engine
from dsvl2_app.main_window import MainWindow
from dsvl2_app.protocol import Load


def run_app(model: str, threads: int | None, pictures: Sequence[Path]) -> int:
    """Show the window until it is closed; returns the exit code."""
    application = QApplication(sys.argv[:1])
    application.setApplicationName(strings.APP_NAME)
    window = MainWindow(Engine(Load(model, threads)))
    window.open_pictures(pictures)
    window.show()
    return application.exec()
