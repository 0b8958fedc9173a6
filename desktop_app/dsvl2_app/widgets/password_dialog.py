"""Asks for the password of one document."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Signal
from PySide6.QtGui import Qt
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QLineEdit, QVBoxLayout, QWidget

from dsvl2_app import texts
from dsvl2_app.state.document import LockedDocument
from dsvl2_app.widgets import controls, theme

WIDTH = 420


class PasswordDialog(QDialog):
    """Stays open while a password is tried, so that a wrong one can be mended."""

    tried = Signal(str)
    """What may be the password."""

    def __init__(self, document: LockedDocument, parent: QWidget) -> None:
        super().__init__(parent)
        self.document = document
        self.setWindowTitle(texts.password.title())
        self.setWindowModality(Qt.WindowModality.WindowModal)
        self.setFixedWidth(min(WIDTH, parent.width()))
        name = Path(document.name).name
        shown = self.fontMetrics().elidedText(name, Qt.TextElideMode.ElideMiddle, WIDTH)
        self.field = QLineEdit()
        self.field.setEchoMode(QLineEdit.EchoMode.Password)
        self.field.setAccessibleName(texts.password.field())
        self.field.setPlaceholderText(texts.password.field())
        self.note = controls.label("", "error", "small", wraps=True)
        self.unlock = controls.button(texts.password.unlock(), None, "primary")
        self.unlock.setDefault(True)
        self.cancel = controls.button(texts.password.cancel())
        buttons = QDialogButtonBox()
        buttons.addButton(self.cancel, QDialogButtonBox.ButtonRole.RejectRole)
        buttons.addButton(self.unlock, QDialogButtonBox.ButtonRole.AcceptRole)
        buttons.accepted.connect(self._try)
        buttons.rejected.connect(self.reject)
        column = QVBoxLayout(self)
        column.setContentsMargins(theme.LARGE, theme.LARGE, theme.LARGE, theme.LARGE)
        column.setSpacing(theme.SMALL)
        column.addWidget(controls.label(texts.password.is_needed(shown), wraps=True))
        column.addWidget(self.field)
        column.addWidget(self.note)
        column.addWidget(controls.label(texts.password.what_is_kept(), "muted", "small", wraps=True))
        column.addSpacing(theme.SMALL)
        column.addWidget(buttons)
        self.field.textChanged.connect(self._enable)
        self._enable()
        self.field.setFocus()

    def show_wrong(self) -> None:
        """The last password does not open it."""
        self._show_note(texts.password.is_wrong(), "error")
        self.field.setEnabled(True)
        self.field.clear()
        self.field.setFocus()

    def done(self, result: int) -> None:
        """It is over; nothing of what was typed stays."""
        self.field.clear()
        super().done(result)

    def _enable(self) -> None:
        self.unlock.setEnabled(bool(self.field.text()))

    def _try(self) -> None:
        password = self.field.text()
        if password:
            self._show_note(texts.password.is_tried(), "muted")
            self.field.setEnabled(False)
            self.unlock.setEnabled(False)
            self.tried.emit(password)

    def _show_note(self, text: str, tone: controls.Tone) -> None:
        self.note.setText(text)
        controls.restyle(self.note, tone=tone)
