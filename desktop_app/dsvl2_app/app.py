"""Starts the window."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication

from dsvl2_app import texts
from dsvl2_app.engine_client import Engine
from dsvl2_app.state.intake import Source
from dsvl2_app.state.layout import layout_path
from dsvl2_app.widgets.main_window import MainWindow
from dsvl2_runtime.engine.protocol import Load
from dsvl2_runtime.errors import UsageError

CLOSING_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")
"""Ctrl-C, a request to end, a terminal that is closed; Windows knows no third one."""
SIGNAL_MILLISECONDS = 100
GONE_SECONDS = 2.0
"""For an engine that was killed, whose memory takes a second to be given back, and for an image that is being read."""
SIGNAL_EXIT_CODE = 128
"""Plus the number of the signal, as shells count: 130 for Ctrl-C."""


def has_screen() -> bool:
    """Whether Qt will find somewhere to draw; only Linux and the like can be without."""
    variables = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    return sys.platform in ("win32", "darwin") or any(os.environ.get(name) for name in variables)


def run_app(load: Load, images: Sequence[Source]) -> int:
    """Show the window until it is closed, by its user or by a signal.

    Returns:
        The exit code.

    Raises:
        UsageError: there is no screen, which Qt would answer by aborting the process.
    """
    if not has_screen():
        raise UsageError("there is no screen to show a window on: DISPLAY and WAYLAND_DISPLAY are not set")
    caught = catch_signals()
    application = QApplication(sys.argv[:1])
    application.setApplicationName(texts.window.APP_NAME)
    window = MainWindow(Engine(load), layout_path())
    window.add_images(images)
    window.show()

    def close_when_caught() -> None:
        if caught:
            window.close()
            application.exit()  # closing does not end the loop while a dialog is open

    # Python handles signals only when it runs, and an idle window never leaves Qt's loop.
    timer = QTimer()
    timer.timeout.connect(close_when_caught)
    timer.start(SIGNAL_MILLISECONDS)
    code = application.exec()
    window.wait_until_gone(GONE_SECONDS)
    return SIGNAL_EXIT_CODE + caught[0] if caught else code


def catch_signals() -> list[int]:
    """A list to which the signals that ask for the end are added; those that are ignored, as by nohup, stay so."""
    caught: list[int] = []
    for name in CLOSING_SIGNALS:
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda found, _frame: caught.append(found))
    return caught
