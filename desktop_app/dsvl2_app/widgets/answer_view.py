"""One answer: rendered Markdown, at whose end the newest words stand as plain text until it is rendered again."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from PySide6.QtCore import QPoint, Qt, QUrl, Signal
from PySide6.QtGui import QTextCharFormat, QTextCursor, QTextDocument
from PySide6.QtWidgets import QPushButton, QWidget

from dsvl2_app import texts
from dsvl2_app.widgets import controls, theme
from dsvl2_app.widgets.answer_document import answer_document, blocks, box_number, code_blocks, prepare
from dsvl2_app.widgets.plain_text import FittingText

RENDER_SECONDS = 0.1
"""Between two renderings of an answer that grows."""
MOST_RENDER_SECONDS = 0.008
"""An answer that takes longer is rendered again only when it has ended, so that it holds up nothing while it comes."""


class AnswerView(FittingText):
    """Shows an answer and says which of its boxes the pointer is on."""

    box_hovered = Signal(object)
    """The number of a box, from 0, or None."""
    box_chosen = Signal(int)
    code_copied = Signal(str)

    def __init__(self, parent: QWidget | None = None, clock: Callable[[], float] = time.perf_counter) -> None:
        super().__init__(parent)
        self.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.LinksAccessibleByMouse
        )
        self._clock = clock
        self._rendered = ""
        """What of the answer is rendered; the rest stands behind it as it is."""
        self._shown = ""
        self._next_render = 0.0
        self._is_final = False
        self._boxes: dict[int, tuple[int, int]] = {}
        self._copy_buttons: list[QPushButton] = []
        self.highlighted.connect(self._hover)
        self.anchorClicked.connect(self._choose)
        prepare(self.document())

    def show_answer(self, markdown: str, *, is_final: bool) -> None:
        """Show an answer, or as much of it as has come."""
        if markdown == self._shown and is_final == self._is_final:
            return
        grows = bool(self._shown) and markdown.startswith(self._shown)
        if is_final or not grows or self._clock() >= self._next_render:
            self._render(markdown, is_final=is_final)
        else:
            cursor = QTextCursor(self.document())
            cursor.movePosition(QTextCursor.MoveOperation.End)
            cursor.insertText(markdown[len(self._shown) :], QTextCharFormat())
            self.fit()
        self._shown, self._is_final = markdown, is_final

    def restyle(self) -> None:
        """Take the present colours and sizes."""
        self._render(self._shown, is_final=self._is_final)

    def highlight_box(self, number: int | None) -> None:
        """Mark the chip of a box, as the pointer is on it in the picture."""
        place = self._boxes.get(number) if number is not None else None
        self.mark([place] if place is not None else [], None if place is None else 0)

    def _render(self, markdown: str, *, is_final: bool) -> None:
        begun = self._clock()
        selected = self.textCursor()
        document = answer_document(markdown, self)  # the one that it replaces is deleted by Qt
        if selected.hasSelection():  # of a text that only grows at its end, what is selected stays where it is
            self._replace(document)
            last = document.characterCount() - 1
            kept = QTextCursor(document)
            kept.setPosition(min(selected.anchor(), last))
            kept.setPosition(min(selected.position(), last), QTextCursor.MoveMode.KeepAnchor)
            self.setTextCursor(kept)
        else:
            self._replace(document)
        self._boxes = _box_places(document)
        self._place_copy_buttons(is_final=is_final)
        self._rendered = markdown
        took = self._clock() - begun
        self._next_render = self._clock() + RENDER_SECONDS if took <= MOST_RENDER_SECONDS else math.inf

    def _replace(self, document: QTextDocument) -> None:
        self.setDocument(document)
        self.fit()

    def fit(self) -> None:
        """Take the height that the text needs; buttons on code follow it."""
        self._move_copy_buttons()
        super().fit()

    def least_height(self) -> int:
        """A line of code at the end is lower than its button."""
        buttons = getattr(self, "_copy_buttons", [])
        return max((button.geometry().bottom() + 1 for button in buttons), default=0)

    def _place_copy_buttons(self, *, is_final: bool) -> None:
        for button in self._copy_buttons:
            button.deleteLater()
        self._copy_buttons = []
        if not is_final:
            return
        for lines in code_blocks(self.document()):
            code = "\n".join(block.text() for block in lines)
            button = controls.button("", "copy", "flat", texts.talk.copy_code())
            button.setParent(self.viewport())
            button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
            button.setCursor(Qt.CursorShape.ArrowCursor)
            button.setFixedSize(theme.LEAST_TARGET, theme.LEAST_TARGET)
            button.clicked.connect(lambda _checked=False, code=code: self.code_copied.emit(code))
            self._copy_buttons.append(button)
            button.show()
        self.fit()

    def _move_copy_buttons(self) -> None:
        if not getattr(self, "_copy_buttons", None):
            return
        layout = self.document().documentLayout()
        for button, lines in zip(self._copy_buttons, code_blocks(self.document()), strict=False):
            top = layout.blockBoundingRect(lines[0]).top()
            button.move(QPoint(max(0, self.viewport().width() - button.width()), int(top)))

    def _hover(self, url: QUrl) -> None:
        self.box_hovered.emit(box_number(url.toString()))

    def _choose(self, url: QUrl) -> None:
        number = box_number(url.toString())
        if number is not None:
            self.box_chosen.emit(number)


def _box_places(document: QTextDocument) -> dict[int, tuple[int, int]]:
    """(position, length) of the chip of each box."""
    places: dict[int, tuple[int, int]] = {}
    for block in blocks(document):
        iterator = block.begin()
        while not iterator.atEnd():
            fragment = iterator.fragment()
            number = box_number(fragment.charFormat().anchorHref())
            if number is not None:
                places[number] = fragment.position(), fragment.length()
            iterator += 1
    return places
