"""What every way to take a picture of the screen has in common."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from PySide6.QtCore import QObject, QRect, Signal
from PySide6.QtGui import QImage

from dsvl2_app.messenger import Messenger
from dsvl2_app.state.app_request import CaptureKind
from dsvl2_app.state.selection import Area
from dsvl2_runtime.engine.wire_error import wire_error
from dsvl2_runtime.errors import Dsvl2Error


class CaptureError(Dsvl2Error):
    """The screen cannot be captured, or not in this way."""

    exit_code = 2
    http_status = 501


@dataclass(frozen=True, slots=True)
class FrozenScreen:
    """One screen as it was at one moment."""

    name: str
    place: QRect
    """On the desktop, in the coordinates of windows."""
    image: QImage
    """In the pixels of the screen itself, whatever its scale factor is."""
    frames: tuple[Area, ...] = ()
    """Of the windows on it, in pixels of the image, the topmost first."""


class CaptureHandler(QObject):
    """One way. It gives the frozen screens, or what its user has chosen in a dialog of the system."""

    name = ""
    """For the sentence that says why nothing works here."""
    froze = Signal(object)
    """A tuple of `FrozenScreen`: our overlay lets the user choose."""
    chose = Signal(bytes)
    """The content of an image file: the system has let the user choose."""
    cancelled = Signal()
    failed = Signal(object)
    """A `WireError`; the next handler is tried."""

    def unusable(self) -> str | None:
        """Why it cannot work here; None if it may."""
        raise NotImplementedError

    def start(self, kind: CaptureKind) -> None:
        """Take the picture; one of the signals follows, exactly once."""
        raise NotImplementedError

    def stop(self) -> None:
        """Give up; nothing follows any more."""


class DialogHandler(CaptureHandler):
    """A way in which the system asks the user, for which a thread waits."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._stopped = threading.Event()
        self._messenger = Messenger(self)

    def take(self, kind: CaptureKind, stopped: threading.Event) -> bytes | None:
        """Called on a thread: the content of an image file, or None if the user does not want one.

        Raises:
            Dsvl2Error: it did not work.
        """
        raise NotImplementedError

    def start(self, kind: CaptureKind) -> None:
        """Start the thread."""
        self._stopped = stopped = threading.Event()

        def run() -> None:
            result: object
            try:
                result = self.take(kind, stopped)
            except Exception as error:  # the window must hear of every end: it is hidden until then
                result = wire_error(error)
            self._messenger.send(self._tell, (stopped, result))

        threading.Thread(target=run, name="capture the screen", daemon=True).start()

    def stop(self) -> None:
        """Let the thread end; what it finds is dropped."""
        self._stopped.set()

    def _tell(self, found: tuple[threading.Event, object]) -> None:
        stopped, result = found
        if stopped.is_set():
            return
        if result is None:
            self.cancelled.emit()
        elif isinstance(result, bytes):
            self.chose.emit(result)
        else:
            self.failed.emit(result)
