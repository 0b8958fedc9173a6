"""Starts the window."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from PySide6.QtWidgets import QApplication

from dsvl2_app import strings
from dsvl2_app.engine import Engine
from dsvl2_app.main_window import MainWindow
from dsvl2_app.protocol import Load
from dsvl2_runtime.errors import UsageError


def has_screen() -> bool:
    """Whether Qt will find somewhere to draw; only Linux and the like can be without."""
    variables = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    return sys.platform in ("win32", "darwin") or any(os.environ.get(name) for name in variables)


def run_app(model: str, threads: int | None, pictures: Sequence[Path]) -> int:
    """Show the window until it is closed.

    Returns:
        The exit code.

    Raises:
        UsageError: there is no screen, which Qt would answer by aborting the process.
    """
    if not has_screen():
        raise UsageError("there is no screen to show a window on: DISPLAY and WAYLAND_DISPLAY are not set")
    application = QApplication(sys.argv[:1])
    application.setApplicationName(strings.APP_NAME)
    window = MainWindow(Engine(Load(model, threads)))
    window.open_pictures(pictures)
    window.show()
    return application.exec()
