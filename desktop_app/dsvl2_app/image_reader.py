"""The intake of images for the window: what comes from its thread becomes signals in the window's own."""

from __future__ import annotations

from collections import deque

from PySide6.QtCore import QObject, Signal

from dsvl2_app.messenger import Messenger
from dsvl2_app.state.document import Document, LockedDocument
from dsvl2_app.state.intake import Intake, Result, Source, Unlocking
from dsvl2_runtime.engine.wire_error import WireError


class ImageReader(Messenger):
    """Reads images on another thread, because decoding takes seconds and must not block the window."""

    was_read = Signal(object)
    """A `session.Attachment`."""
    document_came = Signal(object)
    """A `document.Document`."""
    locked = Signal(object)
    """A `document.LockedDocument`, which counts as unread until `unlock` opens it or `give_up` forgets it."""
    unlocked = Signal()
    """The last password that was tried opens its document, or nothing will: what came of it is told next."""
    given_up = Signal()
    """The user has no password for one."""
    failed = Signal(object)
    """A `WireError`."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.unread = 0
        """Images that have neither been read nor failed yet."""
        self._sources: deque[Source] = deque()
        """In the order in which their results come."""
        self._unwanted: list[Source] = []
        """Of them, those whose result is not told."""
        self._intake = Intake(lambda result: self.send(self._take, result))

    def read(self, source: Source) -> None:
        """Start reading."""
        self.unread += 1
        self._add(source)

    def unlock(self, document: LockedDocument, password: str) -> None:
        """Try a password; a wrong one makes it come as locked again."""
        self._add(Unlocking(document, password))

    def give_up(self, document: LockedDocument) -> None:
        """Forget a locked document, also while a password of it is tried."""
        self._unwanted += [
            source for source in self._sources if isinstance(source, Unlocking) and source.document is document
        ]
        self.unread -= 1
        self.given_up.emit()

    def close(self) -> None:
        """Give up the images that wait, without waiting for the one that is being read."""
        self._intake.close()

    def wait_until_gone(self, seconds: float) -> None:
        """Wait until the contents are deleted. It blocks, so it is for the end of a program that shows nothing more."""
        self._intake.wait_until_gone(seconds)

    def _add(self, source: Source) -> None:
        self._sources.append(source)
        self._intake.add(source)

    def _take(self, result: Result) -> None:
        source = self._sources.popleft()
        if any(source is unwanted for unwanted in self._unwanted):
            self._unwanted = [unwanted for unwanted in self._unwanted if unwanted is not source]
            return
        if isinstance(source, Unlocking) and not isinstance(result, LockedDocument):
            self.unlocked.emit()
        if isinstance(result, LockedDocument):
            self.locked.emit(result)
            return
        self.unread -= 1
        if isinstance(result, WireError):
            self.failed.emit(result)
        elif isinstance(result, Document):
            self.document_came.emit(result)
        else:
            self.was_read.emit(result)
