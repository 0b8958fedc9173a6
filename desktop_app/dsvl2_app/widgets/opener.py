"""Does in a window what a start of the program asks for, this one or a later one."""

from __future__ import annotations

import os

from PySide6.QtCore import QObject

from dsvl2_app.state.intake import Source
from dsvl2_app.state.opening import Opening
from dsvl2_app.widgets.capture_flow import CaptureFlow, bring_to_front
from dsvl2_app.widgets.main_window import MainWindow
from dsvl2_runtime.errors import BusyError

ACTIVATION = "XDG_ACTIVATION_TOKEN"
"""Where Qt looks for the token with which a compositor lets a window come to the front."""


class Opener(QObject):
    """Opens pictures, captures them, and asks when they have been read."""

    def __init__(self, window: MainWindow, flow: CaptureFlow) -> None:
        super().__init__(window)
        self._window, self._flow = window, flow
        self._question: str | None = None
        self._failures = 0
        flow.captured.connect(self._take_captured)
        flow.failed.connect(lambda error: window.notify(error.message))
        flow.ended.connect(self._end_capture)
        window.reader.was_read.connect(self._ask_if_read)
        for signal in (window.reader.failed, window.reader.given_up):
            signal.connect(self._count_failure)

    def open(self, opening: Opening) -> None:
        """Begin with it.

        Raises:
            BusyError: another capture goes on.
        """
        if opening.activation:
            os.environ[ACTIVATION] = opening.activation
        self._question, self._failures = opening.ask, 0
        self._window.add_images(opening.images)
        if opening.capture is not None:
            if not self._flow.start(opening.capture, opening.delay):
                raise BusyError("the window is capturing the screen already; finish that first")
            return
        bring_to_front(self._window)
        self._ask_if_read()

    def _take_captured(self, source: Source) -> None:
        self._window.add_images([source])
        self._window.prompt.edit.setFocus()

    def _count_failure(self) -> None:
        self._failures += 1
        self._ask_if_read()

    def _ask_if_read(self) -> None:
        if self._question is None or self._flow.is_running or self._window.reader.unread:
            return
        question, self._question = self._question, None
        if self._failures:
            self._window.prompt.edit.setPlainText(question)  # it was about a picture that is not there
        else:
            self._window.ask(question)

    def _end_capture(self) -> None:
        if self._question is not None and not self._window.reader.unread:  # nothing was captured
            self._window.prompt.edit.setPlainText(self._question)
            self._question = None
        if not self._window.isVisible() and not self._window.isMinimized():
            bring_to_front(self._window)
