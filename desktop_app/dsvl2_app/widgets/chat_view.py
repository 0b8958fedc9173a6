"""The conversation: questions and answers, the newest at the bottom. All text is shown as plain text."""

from __future__ import annotations

import math
from collections.abc import Sequence

from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QPalette, QResizeEvent, QTextCursor, QTextOption
from PySide6.QtWidgets import QFrame, QLabel, QScrollArea, QSizePolicy, QTextEdit, QVBoxLayout, QWidget

from dsvl2_app import texts
from dsvl2_app.state.session import Turn

REFRESH_MILLISECONDS = 33
"""Tokens that come faster than this are drawn together."""
LEAST_HEIGHT = 24
"""Pixels: in the smallest window the question comes first."""


class PlainText(QTextEdit):
    """Text as it is, selectable, as high as it needs; a line without spaces is broken rather than cut off."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.setReadOnly(True)
        self.setAcceptRichText(False)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setWordWrapMode(QTextOption.WrapMode.WrapAtWordBoundaryOrAnywhere)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setTabChangesFocus(True)
        self.viewport().setAutoFillBackground(False)
        self.document().setDocumentMargin(0)
        self.document().contentsChanged.connect(self._fit)
        self._text = ""
        self.set_text(text)

    def text(self) -> str:
        """What is shown, with the line ends and spaces that Qt makes of others."""
        return self.toPlainText()

    def set_text(self, text: str) -> None:
        """Show another text; one that only grows keeps what is selected."""
        shown, self._text = self._text, text
        if text == shown:
            return
        if shown and text.startswith(shown):
            cursor = QTextCursor(self.document())
            cursor.movePosition(QTextCursor.MoveOperation.End)
            cursor.insertText(text[len(shown) :])
        else:
            self.setPlainText(text)

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 - Qt's name
        """Another width needs another height."""
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        self.setFixedHeight(math.ceil(self.document().size().height()))


class TurnView(QFrame):
    """One question and its answer."""

    def __init__(self, turn: Turn, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("kind", "card")
        self.question = PlainText(turn.question)
        bold = self.question.font()
        bold.setBold(True)
        self.question.setFont(bold)
        self.answer = PlainText("")
        self.remark = QLabel()
        self.remark.setTextFormat(Qt.TextFormat.PlainText)
        self.remark.setWordWrap(True)
        self.remark.setMinimumWidth(1)  # a long path in an error must not widen the conversation
        small = self.remark.font()
        small.setPointSizeF(small.pointSizeF() * 0.85)
        self.remark.setFont(small)
        self.remark.setForegroundRole(QPalette.ColorRole.PlaceholderText)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(12, 10, 12, 10)
        layout.setSpacing(6)
        for label in (self.question, self.answer, self.remark):
            layout.addWidget(label)
        self.show_turn(turn)

    def show_turn(self, turn: Turn) -> None:
        """Show how far the answer is."""
        self.answer.set_text(turn.answer or (texts.talk.waiting() if turn.is_open else ""))
        self.answer.setVisible(bool(self.answer.text()))
        self.remark.setText(texts.talk.remark(turn))


class ChatView(QScrollArea):
    """A column of turns; stays at the bottom unless the user has scrolled up."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setMinimumHeight(LEAST_HEIGHT)
        self.turn_views: list[TurnView] = []
        self._shown: list[str] = []
        """Ids of the turns that have views."""
        self._turns: Sequence[Turn] = ()
        self._empty = QLabel(texts.talk.empty_chat())
        self._empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._empty.setProperty("tone", "muted")
        column = QWidget()
        self._layout = QVBoxLayout(column)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.addWidget(self._empty, 1)
        self._layout.addStretch(1)
        self.setWidget(column)
        self._follow = True
        bar = self.verticalScrollBar()
        bar.rangeChanged.connect(self._on_range)
        bar.valueChanged.connect(self._on_scroll)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(REFRESH_MILLISECONDS)
        self._timer.timeout.connect(self._refresh_last)

    def show_turns(self, turns: Sequence[Turn]) -> None:
        """Add the views of new turns; those of another conversation replace all."""
        if [turn.id for turn in turns[: len(self.turn_views)]] != self._shown:
            self._timer.stop()
            for view in self.turn_views:
                self._layout.removeWidget(view)
                view.deleteLater()
            self.turn_views, self._shown = [], []
        self._turns = turns
        self._refresh_last()  # the turn that was last may still have a refresh to come, which is for the new one
        self._empty.setVisible(not turns)
        for turn in turns[len(self.turn_views) :]:
            view = TurnView(turn)
            self.turn_views.append(view)
            self._shown.append(turn.id)
            self._layout.insertWidget(self._layout.count() - 1, view)
            self._follow = True

    def refresh_soon(self) -> None:
        """Show the last turn's answer within a moment."""
        if not self._timer.isActive():
            self._timer.start()

    def _refresh_last(self) -> None:
        if self.turn_views:
            self.turn_views[-1].show_turn(self._turns[len(self.turn_views) - 1])

    def _on_range(self, _lowest: int, highest: int) -> None:
        if self._follow:
            self.verticalScrollBar().setValue(highest)

    def _on_scroll(self, position: int) -> None:
        self._follow = position >= self.verticalScrollBar().maximum() - 4
