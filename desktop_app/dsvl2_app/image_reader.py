"""The intake of images for the window: what comes from its thread becomes signals in the window's own."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal

from dsvl2_app.messenger import Messenger
from dsvl2_app.state.document import Document
from dsvl2_app.state.intake import Intake, Result, Source
from dsvl2_runtime.engine.wire_error import WireError


class ImageReader(Messenger):
    """Reads images on another thread, because decoding takes seconds and must not block the window."""

    was_read = Signal(object)
    """A `session.Attachment`."""
    document_came = Signal(object)
    """A `document.Document`."""
    failed = Signal(object)
    """A `WireError`."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.unread = 0
        """Images that have neither been read nor failed yet."""
        self._intake = Intake(lambda result: self.send(self._take, result))

    def read(self, source: Source) -> None:
        """Start reading."""
        self.unread += 1
        self._intake.add(source)

    def close(self) -> None:
        """Give up the images that wait, without waiting for the one that is being read."""
        self._intake.close()

    def wait_until_gone(self, seconds: float) -> None:
        """Wait until the contents are deleted. It blocks, so it is for the end of a program that shows nothing more."""
        self._intake.wait_until_gone(seconds)

    def _take(self, result: Result) -> None:
        self.unread -= 1
        if isinstance(result, WireError):
            self.failed.emit(result)
        elif isinstance(result, Document):
            self.document_came.emit(result)
        else:
            self.was_read.emit(result)
