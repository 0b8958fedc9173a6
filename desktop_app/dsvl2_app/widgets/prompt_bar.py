"""Where a question is typed: Enter asks, Shift+Enter breaks the line, Escape stops the answer."""

from __future__ import annotations

from PySide6.QtCore import QMimeData, Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QHBoxLayout, QPlainTextEdit, QPushButton, QWidget

from dsvl2_app import texts
from dsvl2_app.mime_images import holds_image

LINES = 3


class QuestionEdit(QPlainTextEdit):
    """Plain text in which Enter means asking and a pasted image goes to the window."""

    entered = Signal()
    escaped = Signal()
    image_pasted = Signal(QMimeData)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        """Enter and Escape are ours, everything else is Qt's."""
        plain = not event.modifiers() & Qt.KeyboardModifier.ShiftModifier
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and plain:
            self.entered.emit()
        elif event.key() == Qt.Key.Key_Escape:
            self.escaped.emit()
        else:
            super().keyPressEvent(event)

    def canInsertFromMimeData(self, source: QMimeData) -> bool:  # noqa: N802 - Qt's name
        """Text as ever, and images."""
        return source.hasImage() or super().canInsertFromMimeData(source)

    def insertFromMimeData(self, source: QMimeData) -> None:  # noqa: N802 - Qt's name
        """A pasted image is for the window."""
        if holds_image(source):
            self.image_pasted.emit(source)
        else:
            super().insertFromMimeData(source)


class PromptBar(QWidget):
    """The question and its button, which stops while an answer is coming."""

    asked = Signal(str)
    """A question, which may be empty or come while an answer is open; the session decides."""
    edited = Signal()
    stop_asked = Signal()
    image_pasted = Signal(QMimeData)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.edit = QuestionEdit()
        self.edit.setPlaceholderText(texts.talk.question_hint())
        self.edit.setAccessibleName(texts.talk.question_hint())
        self.edit.setTabChangesFocus(True)
        self.edit.setAcceptDrops(False)
        self.edit.setFixedHeight(self.edit.fontMetrics().lineSpacing() * LINES + 16)
        self.button = QPushButton(texts.talk.ask())
        self.button.setMinimumWidth(96)
        self.button.setSizePolicy(self.button.sizePolicy().horizontalPolicy(), self.edit.sizePolicy().verticalPolicy())
        self.button.setFixedHeight(self.edit.height())
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.edit, 1)
        layout.addWidget(self.button)
        self._answering = False
        self.edit.entered.connect(self._ask)
        self.edit.escaped.connect(self.stop_asked)
        self.edit.image_pasted.connect(self.image_pasted)
        self.edit.textChanged.connect(self.edited)
        self.button.clicked.connect(self._press)
        self.set_answering(False, False)

    def set_answering(self, answering: bool, can_ask: bool) -> None:
        """Show what the button does: stop an answer, or ask if there is something to ask."""
        self._answering = answering
        self.button.setText(texts.talk.stop() if answering else texts.talk.ask())
        self.button.setEnabled(answering or can_ask)

    def text(self) -> str:
        """What is typed."""
        return self.edit.toPlainText()

    def clear(self) -> None:
        """The question was taken."""
        self.edit.clear()

    def _press(self) -> None:
        if self._answering:
            self.stop_asked.emit()
        else:
            self._ask()

    def _ask(self) -> None:
        self.asked.emit(self.text())
