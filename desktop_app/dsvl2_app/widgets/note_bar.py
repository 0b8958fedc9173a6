"""One line above the conversation that says what holds for all of it; it can be closed."""

from __future__ import annotations

import html

from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QPushButton, QWidget

from dsvl2_app import texts
from dsvl2_app.widgets import controls, theme

LEAST_ROOM = 120
"""Pixels for a line that is cut off."""


class NoteBar(QFrame):
    """A note or an error. Closed, it stays away until it has something else to say."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._text, self._is_compact = "", False
        self._label = controls.label("", wraps=True)
        self._label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._close = controls.button("", "x", "flat", texts.window.close_note())
        self._close.clicked.connect(self.hide)
        self._layout = QHBoxLayout(self)
        self._layout.setContentsMargins(theme.NORMAL, theme.TINY, theme.TINY, theme.TINY)
        self._layout.addWidget(self._label, 1)
        self._layout.addWidget(self._close)
        self.show_note("")

    def text(self) -> str:
        """What it says, or said before it was closed."""
        return self._text

    def show_note(self, text: str, *, is_error: bool = False) -> None:
        """Say something, or nothing."""
        if text == self.text() and text:
            return
        self._text = text
        self._show_text()
        controls.restyle(self, kind="error" if is_error else "note")
        self.setVisible(bool(text))

    def set_compact(self, compact: bool) -> None:
        """One line in a window that is not high; the whole text is over it."""
        self._is_compact = compact
        self._label.setWordWrap(not compact)
        self._show_text()

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 - Qt's name
        """A line that is cut off ends in dots."""
        super().resizeEvent(event)
        if self._is_compact:
            self._show_text()

    def event(self, event: QEvent) -> bool:
        """A button that comes or goes changes the room for the line."""
        handled = super().event(event)
        if event.type() == QEvent.Type.LayoutRequest and self._is_compact:
            self._show_text()
        return handled

    def _show_text(self) -> None:
        if not self._is_compact:
            self._label.setText(self._text)
            self._label.setToolTip("")
            return
        buttons = [child for child in self.findChildren(QPushButton) if not child.isHidden()]
        taken = sum(button.sizeHint().width() + theme.SMALL for button in buttons)
        room = self.width() - taken - 2 * theme.LARGE
        line = " ".join(self._text.split())
        shown = self._label.fontMetrics().elidedText(line, Qt.TextElideMode.ElideRight, max(room, 1))
        self._label.setText(shown if room >= LEAST_ROOM else "")  # two words and dots say nothing
        self._label.setToolTip(f"<p>{html.escape(self._text)}</p>" if self._text else "")

    def add_button(self, button: QPushButton) -> None:
        """Put a button before the one that closes it."""
        self._layout.insertWidget(self._layout.count() - 1, button)
