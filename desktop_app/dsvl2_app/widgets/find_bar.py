"""Finds words in the conversation, also in turns whose cards are not there yet."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import Qt
from PySide6.QtGui import QKeyEvent, QKeySequence, QShortcut
from PySide6.QtWidgets import QHBoxLayout, QLineEdit, QWidget

from dsvl2_app import texts
from dsvl2_app.state.answer_text import copied_markdown, visible
from dsvl2_app.state.turn import Turn
from dsvl2_app.widgets import controls, theme
from dsvl2_app.widgets.answer_document import utf16_length
from dsvl2_app.widgets.plain_text import FittingText
from dsvl2_app.widgets.talk_view import TalkView


@dataclass(frozen=True, slots=True)
class Hit:
    """One place where the words stand."""

    turn: Turn
    is_question: bool
    number: int
    """Of the hits in this question or answer, from 0."""


class FindBar(QWidget):
    """A field with the number of hits and buttons to go from one to the next."""

    def __init__(self, talk: TalkView, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._talk = talk
        self.field = QLineEdit()
        self.field.setPlaceholderText(texts.find.hint())
        self.field.setAccessibleName(texts.find.hint())
        self.place = controls.label("", "muted", "small")
        previous = controls.button("", "chevron-right", "flat", texts.find.previous())
        theme.set_icon(previous, "undo-2", "muted")
        following = controls.button("", "chevron-down", "flat", texts.find.following())
        close = controls.button("", "x", "flat", texts.find.close())
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.field, 1)
        layout.addWidget(self.place)
        for button, slot in ((previous, self.previous), (following, self.next), (close, self.end)):
            button.clicked.connect(slot)
            layout.addWidget(button)
        self._hits: list[Hit] = []
        self._current = 0
        self.field.textEdited.connect(lambda _text: self._find())
        self.field.returnPressed.connect(self.next)
        talk.rest_came.connect(lambda: self._mark() if self.isVisible() else None)
        QShortcut(
            QKeySequence("Shift+Return"), self.field, context=Qt.ShortcutContext.WidgetShortcut
        ).activated.connect(self.previous)
        self.hide()

    def begin(self) -> None:
        """Show the field."""
        self.show()
        self.field.selectAll()
        self.field.setFocus()
        self._find()

    def end(self) -> None:
        """Hide it, and mark nothing more."""
        self.hide()
        self._hits = []
        self._mark()

    def next(self) -> None:
        """Go to the next hit, or to the first one after the last."""
        self._go(1)

    def previous(self) -> None:
        """Go to the hit before, or to the last one."""
        self._go(-1)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        """Escape hides it."""
        if event.key() == Qt.Key.Key_Escape:
            self.end()
        else:
            super().keyPressEvent(event)

    def _find(self) -> None:
        words = self.field.text().casefold()
        self._hits = []
        for turn in self._talk.session.turns if words else []:
            for is_question, text in ((True, texts.talk.question(turn)), (False, copied_markdown(turn))):
                count = visible(text).casefold().count(words)
                self._hits += [Hit(turn, is_question, number) for number in range(count)]
        self._current = max(0, len(self._hits) - 1)
        self._show()

    def _go(self, steps: int) -> None:
        if self._hits:
            self._current = (self._current + steps) % len(self._hits)
            self._show()

    def _show(self) -> None:
        count = len(self._hits)
        self.place.setText(texts.find.place(self._current + 1, count) if self.field.text() else "")
        if count:
            self._talk.show_turn(self._hits[self._current].turn)
        self._mark()

    def _mark(self) -> None:
        """Mark the words in all cards; Markdown is gone there, so that they are counted again."""
        words = self.field.text().casefold() if self.isVisible() else ""
        hit = self._hits[self._current] if self._hits else None
        for view in self._talk.turn_views:
            for is_question, shown in ((True, view.question), (False, view.answer)):
                is_current = hit is not None and hit.turn is view.turn and hit.is_question == is_question
                number = hit.number if hit is not None and is_current else None
                shown.mark(_places(shown, words), number)


def _places(shown: FittingText, words: str) -> list[tuple[int, int]]:
    text, found = shown.toPlainText().casefold(), []
    at = text.find(words) if words else -1
    while at >= 0:
        found.append((utf16_length(text[:at]), utf16_length(words)))
        at = text.find(words, at + len(words))
    return found
