"""Documents that need a password: it is asked for, one document after the other."""

from __future__ import annotations

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QWidget

from dsvl2_app.image_reader import ImageReader
from dsvl2_app.state.document import LockedDocument
from dsvl2_app.widgets.password_dialog import PasswordDialog


class PasswordDesk(QObject):
    """Of one window. It holds no password: what is typed goes to the reader."""

    def __init__(self, reader: ImageReader, window: QWidget) -> None:
        super().__init__(window)
        self._reader, self._window = reader, window
        self._waiting: list[LockedDocument] = []
        self.dialog: PasswordDialog | None = None
        """The one that is open."""
        reader.locked.connect(self._take)
        reader.unlocked.connect(self._close)

    def _take(self, document: LockedDocument) -> None:
        if document.was_refused and self.dialog is not None:
            self.dialog.show_wrong()
        else:
            self._waiting.append(document)
            self._ask_next()

    def _ask_next(self) -> None:
        if self.dialog is not None or not self._waiting:
            return
        document = self._waiting.pop(0)
        self.dialog = dialog = PasswordDialog(document, self._window)
        dialog.tried.connect(lambda password: self._reader.unlock(document, password))
        dialog.rejected.connect(self._give_up)
        dialog.open()

    def _close(self) -> None:
        """The document is open, or turned out to be damaged."""
        if self.dialog is not None:
            self.dialog.accept()
            self._forget()

    def _give_up(self) -> None:
        if self.dialog is not None:
            self._reader.give_up(self.dialog.document)
            self._forget()

    def _forget(self) -> None:
        if self.dialog is not None:
            self.dialog.deleteLater()
            self.dialog = None
        self._ask_next()
