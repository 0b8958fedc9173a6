"""Pictures for the screen, from the thread that decodes them to the window's own."""

from __future__ import annotations

from contextlib import suppress

from PySide6.QtCore import QObject, Signal

from dsvl2_app.state.display import Display, ShownPicture
from dsvl2_app.state.session import Attachment
from dsvl2_runtime.engine.wire_error import WireError


class PictureLoader(QObject):
    """Decodes the picture that is looked at."""

    was_loaded = Signal(object)
    """A `display.ShownPicture`."""
    failed = Signal(object)
    """A `WireError`."""
    _came = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._came.connect(self._take)  # queued: this object belongs to the window's thread
        self._display = Display(self._send)

    def load(self, image: Attachment) -> None:
        """Begin; only the last one that was asked for is sure to come."""
        self._display.show(image.content.sha256, image.content.path)

    def close(self) -> None:
        """Ask for nothing more."""
        self._display.close()

    def _send(self, result: ShownPicture | WireError) -> None:
        with suppress(RuntimeError):  # the window, and this object with it, is deleted
            self._came.emit(result)

    def _take(self, result: ShownPicture | WireError) -> None:
        (self.failed if isinstance(result, WireError) else self.was_loaded).emit(result)
