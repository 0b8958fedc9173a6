"""One answer: Markdown that is laid out piece by piece, so that neither its length nor its growth blocks the window."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from PySide6.QtCore import QPoint, Qt, QTimer, QUrl, Signal
from PySide6.QtGui import QTextCursor
from PySide6.QtWidgets import QPushButton, QWidget

from dsvl2_app import texts
from dsvl2_app.state.answer_pieces import pieces
from dsvl2_app.widgets import controls, theme
from dsvl2_app.widgets.answer_document import answer_document, box_number
from dsvl2_app.widgets.growing_document import GrowingDocument
from dsvl2_app.widgets.plain_text import FittingText

SLICE_SECONDS = 0.003
"""After which what is left of an answer waits for the next turn of the event loop."""
LEAST_PAUSE = 9.0
"""Times what the last words of a growing answer took: so much time passes before they are laid out again."""
LONGEST_PAUSE = 1.0
"""Seconds: a machine that stood still for a while says nothing about the next words."""


class AnswerView(FittingText):
    """Shows an answer and says which of its boxes the pointer is on."""

    box_hovered = Signal(object)
    """The number of a box, from 0, or None."""
    box_chosen = Signal(int)
    code_copied = Signal(str)
    rest_came = Signal(int)
    """More of it was laid out in a later turn of the event loop, which made it so many pixels higher."""

    def __init__(self, parent: QWidget | None = None, clock: Callable[[], float] = time.perf_counter) -> None:
        super().__init__(parent)
        self.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.LinksAccessibleByMouse
        )
        self._clock = clock
        self._answer = GrowingDocument(self)
        self._shown = ""
        self._next = 0.0
        self._is_final = False
        self.is_whole = True
        """Whether all that has come is laid out; the rest follows in later turns of the event loop."""
        self._copy_buttons: dict[int, QPushButton] = {}
        """By the position of the code."""
        self._later = QTimer(self)
        self._later.setSingleShot(True)
        self._later.timeout.connect(self._lay_out_rest)
        self.highlighted.connect(self._hover)
        self.anchorClicked.connect(self._choose)
        self.setDocument(self._answer)

    def show_answer(self, markdown: str, *, is_final: bool) -> None:
        """Show an answer, or as much of it as has come."""
        if markdown == self._shown and is_final == self._is_final:
            return
        grows = bool(self._shown) and markdown.startswith(self._shown)
        self._shown, self._is_final = markdown, is_final
        left = self._next - self._clock()
        if is_final or not grows or left <= 0:
            self._lay_out()
        elif not self._later.isActive():
            self._later.start(math.ceil(left * 1000))

    def whole_text(self) -> str:
        """All that has come, without Markdown, whether it is laid out or not."""
        return answer_document(self._shown).toPlainText()

    def restyle(self) -> None:
        """Take the present colours and sizes."""
        self._answer.keep(0)
        self._answer.setDefaultFont(theme.font("body"))
        self._lay_out()

    def highlight_box(self, number: int | None) -> None:
        """Mark the chip of a box, as the pointer is on it in the picture."""
        place = self._answer.boxes.get(number) if number is not None else None
        self.mark([place] if place is not None else [], None if place is None else 0)

    def _lay_out_rest(self) -> None:
        before = self.height()
        self._lay_out()
        self.rest_came.emit(self.height() - before)

    def _lay_out(self) -> None:
        begun, document = self._clock(), self._answer
        wanted = pieces(self._shown)
        selected = self.textCursor()
        anchor, position = selected.anchor(), selected.position()
        document.keep(document.same(wanted))
        while len(document.pieces) < len(wanted):
            document.add(wanted[len(document.pieces)])
            if self._clock() - begun >= SLICE_SECONDS:
                break
        if anchor != position:  # of a text that only grows at its end, what is selected stays where it is
            last = document.characterCount() - 1
            selected.setPosition(min(anchor, last))
            selected.setPosition(min(position, last), QTextCursor.MoveMode.KeepAnchor)
            self.setTextCursor(selected)
        self.is_whole = len(document.pieces) == len(wanted)
        self._place_copy_buttons()
        self.fit()
        ended = self._clock()
        self._next = ended + min(LEAST_PAUSE * (ended - begun), LONGEST_PAUSE)
        if not self.is_whole:
            self._later.start(0)
        elif self._is_final:
            self._later.stop()

    def fit(self) -> None:
        """Take the height that the text needs; buttons on code follow it."""
        self._move_copy_buttons()
        super().fit()

    def least_height(self) -> int:
        """A line of code at the end is lower than its button."""
        buttons = getattr(self, "_copy_buttons", {})
        return max((button.geometry().bottom() + 1 for button in buttons.values()), default=0)

    def _place_copy_buttons(self) -> None:
        """For all code but that which may still grow."""
        over = self._answer.pieces if self._is_final else self._answer.pieces[:-1]
        code = {position: text for piece in over for position, text in piece.code.items()}
        for position in [position for position in self._copy_buttons if position not in code]:
            self._copy_buttons.pop(position).deleteLater()
        for position, text in code.items():
            if position in self._copy_buttons:
                continue
            button = controls.button("", "copy", "flat", texts.talk.copy_code())
            button.setParent(self.viewport())
            button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
            button.setCursor(Qt.CursorShape.ArrowCursor)
            button.setFixedSize(theme.LEAST_TARGET, theme.LEAST_TARGET)
            button.clicked.connect(lambda _checked=False, text=text: self.code_copied.emit(text))
            self._copy_buttons[position] = button
            button.show()

    def _move_copy_buttons(self) -> None:
        if not getattr(self, "_copy_buttons", None):
            return
        layout = self.document().documentLayout()
        for position, button in self._copy_buttons.items():
            top = layout.blockBoundingRect(self.document().findBlock(position)).top()
            button.move(QPoint(max(0, self.viewport().width() - button.width()), int(top)))

    def _hover(self, url: QUrl) -> None:
        self.box_hovered.emit(box_number(url.toString()))

    def _choose(self, url: QUrl) -> None:
        number = box_number(url.toString())
        if number is not None:
            self.box_chosen.emit(number)
