"""A bar that can take something back for some seconds."""

from __future__ import annotations

from PySide6.QtCore import QTimer, Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QWidget

from dsvl2_app import texts
from dsvl2_app.widgets import controls, theme


class UndoBar(QFrame):
    """Says what was done, with a button that takes it back; it goes by itself when that is not possible any more."""

    undo_asked = Signal(str)
    """What was offered."""

    def __init__(self, milliseconds: int, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        controls.restyle(self, kind="card")
        self._offered = ""
        self._label = controls.label("", size="small", wraps=True)
        self.button = controls.button(texts.history.undo(), "undo-2", "flat")
        self.button.clicked.connect(self._undo)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(milliseconds)
        self._timer.timeout.connect(self.hide)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(theme.SMALL, theme.TINY, theme.TINY, theme.TINY)
        layout.addWidget(self._label, 1)
        layout.addWidget(self.button)
        self.hide()

    def text(self) -> str:
        """What it says."""
        return self._label.text()

    def offer(self, identity: str, text: str) -> None:
        """Offer to take this back; what was offered before cannot be taken back here any more."""
        self._offered = identity
        self._label.setText(text)
        self.show()
        self._timer.start()

    def _undo(self) -> None:
        self._timer.stop()
        self.hide()
        self.undo_asked.emit(self._offered)
