"""One question and its answer as a card; what can be done with it are signals."""

from __future__ import annotations

from PySide6.QtCore import QPoint, Qt, Signal
from PySide6.QtGui import QContextMenuEvent, QFocusEvent, QFontMetrics, QKeyEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QMenu, QPushButton, QVBoxLayout, QWidget

from dsvl2_app import texts
from dsvl2_app.state import answer_text
from dsvl2_app.state.turn import Turn
from dsvl2_app.widgets import controls, theme
from dsvl2_app.widgets.answer_view import AnswerView
from dsvl2_app.widgets.plain_text import PlainText
from dsvl2_app.widgets.turn_parts import DoubtRow, ErrorRow, ProgressRow, QueueRow, TurnAction
from dsvl2_runtime.engine.client import EngineEnd
from dsvl2_runtime.engine.wire_error import WireError

LONG_QUESTION_LINES = 6
"""A longer question is folded."""
WIDEST_ANSWER = 72
"""Letters in a line; longer ones are hard to read."""


class TurnView(QFrame):
    """A card that takes the keyboard as a whole: up and down go on to others, Enter opens what can be done."""

    acted = Signal(str)
    """A `TurnAction`."""
    left = Signal(int)
    """The keyboard goes so many cards on."""
    came = Signal()
    """The keyboard is here."""
    copied = Signal(str)
    """A text that belongs into the clipboard."""
    box_hovered = Signal(object)
    box_chosen = Signal(int)

    def __init__(self, turn: Turn, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.turn = turn
        controls.restyle(self, kind="card")
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.question = PlainText(answer_text.visible(texts.talk.headline(turn)), is_bold=True)
        self.answer = AnswerView()
        self._limit_width()
        self.answer.box_hovered.connect(self.box_hovered)
        self.answer.box_chosen.connect(self.box_chosen)
        self.answer.code_copied.connect(self.copied)
        self.remark = controls.label("", "muted", "small", wraps=True)
        self.remark.setTextInteractionFlags(Qt.TextInteractionFlag.NoTextInteraction)
        self._fold: QPushButton | None = None
        self._progress: ProgressRow | None = None
        self._queue: QueueRow | None = None
        self._error: ErrorRow | None = None
        self._doubt: DoubtRow | None = None
        self._buttons: list[QPushButton] = []
        self._footer = QHBoxLayout()
        self._footer.setSpacing(0)
        self._footer.addWidget(self.remark, 1)
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(theme.LARGE, theme.NORMAL, theme.NORMAL, theme.SMALL)
        self._layout.setSpacing(theme.SMALL)
        self._layout.addWidget(self.question)
        self._layout.addWidget(self.answer)
        self._layout.addLayout(self._footer)
        self._shown: object = None
        self._fold_question()
        self.show_turn()

    def show_turn(self) -> None:
        """Show how far the answer is; nothing is done where nothing has changed."""
        turn = self.turn
        now = (
            turn.state, len(turn.answer), turn.end, turn.notices, turn.is_dropped, turn.image_sizes,
            turn.is_looking, turn.first_answer, turn.may_look, turn.look_number, turn.look_failure,
        )  # fmt: skip
        if now == self._shown:
            return
        self._shown = now
        markdown = answer_text.shown_markdown(turn)
        if markdown or not self.answer.document().isEmpty():
            self.answer.show_answer(markdown, is_final=not turn.is_open)
        self.answer.setVisible(bool(markdown))
        self.remark.setText(answer_text.visible(texts.talk.remark(turn)))
        self.remark.setVisible(not turn.is_open)
        sure_tip = "" if turn.confidence is None else texts.talk.sure_tip()
        tips = filter(None, (sure_tip, answer_text.visible(texts.second_look.looked_tip(turn))))
        self.remark.setToolTip("\n".join(tips))
        self._show_error()
        self._show_doubt()
        if turn.is_open and turn.state != "queued":
            self.show_progress("", "", None)
        elif self._progress is not None:
            self._progress.hide()
        if not turn.waits and self._queue is not None:
            self._queue.hide()
        self._show_buttons()
        self.setAccessibleName(answer_text.visible(texts.talk.card_name(turn)))

    def show_progress(self, step: str, left: str, share: float | None) -> None:
        """What is done for an open turn, how long it will take, how much of it is done."""
        if self._progress is None:
            self._progress = ProgressRow()
            self._layout.insertWidget(self._layout.indexOf(self.answer) + 1, self._progress)
        self._progress.show_step(texts.talk.stopping() if self.turn.state == "stopping" else step, left, share)
        self._progress.show()

    def show_place(self, text: str, waiting: int = 0) -> None:
        """Where a turn that waits stands; the first of them says how many there are."""
        if self._queue is None:
            self._queue = QueueRow()
            self._queue.taken_back.connect(lambda: self.acted.emit("take back"))
            self._queue.all_stopped.connect(lambda: self.acted.emit("stop all"))
            self._layout.insertWidget(self._layout.indexOf(self.answer) + 1, self._queue)
        self._queue.show_place(text, waiting)
        self._queue.show()

    @property
    def doubt(self) -> str:
        """What the bar of an answer says of which the model is not sure."""
        return self._doubt.text.text() if self._doubt is not None and not self._doubt.isHidden() else ""

    @property
    def error(self) -> str:
        """What the bar of a question, or of a second look, that failed says."""
        return self._error.message.text() if self._error is not None and not self._error.isHidden() else ""

    def restyle(self) -> None:
        """Take the present colours and sizes."""
        self.question.restyle()
        self.answer.restyle()
        if self._doubt is not None:
            self._doubt.restyle()
        self._limit_width()
        self._fold_question()

    def menu(self) -> QMenu:
        """What can be done with this turn."""
        turn, menu = self.turn, QMenu(self)
        entries: list[tuple[str, str, TurnAction, bool]] = [
            (texts.talk.copy_answer(), "copy", "copy", bool(turn.answer)),
            (texts.talk.copy_markdown(), "clipboard-copy", "copy markdown", bool(turn.answer)),
            (texts.talk.copy_csv(), "table", "copy csv", answer_text.has_table(turn)),
            (texts.talk.ask_again(), "refresh-cw", "ask again", not turn.is_open),
            (texts.second_look.look_closer(), "zoom-in", "look closer", turn.can_look),
            (texts.talk.edit_question(), "pencil", "edit", True),
            (texts.talk.take_back(), "undo-2", "take back", turn.waits),
        ]
        if turn.is_alone:
            entries.insert(3, (texts.talk.copy_pages(), "file-text", "copy pages", True))
        for text, icon, name, is_possible in entries:
            action = menu.addAction(text)
            theme.set_icon(action, icon, "muted")
            action.setEnabled(is_possible)
            action.triggered.connect(lambda _checked=False, name=name: self.act(name))
        return menu

    def act(self, action: TurnAction) -> None:
        """Do what a button or an entry of the menu says."""
        if action == "copy":
            self.copied.emit(self.answer.whole_text().replace("\u00a0", " "))
        elif action == "copy markdown":
            self.copied.emit(answer_text.copied_markdown(self.turn))
        elif action == "copy csv":
            self.copied.emit(answer_text.copied_csv(self.turn))
        else:
            self.acted.emit(action)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:  # noqa: N802 - Qt's name
        """By the mouse or by the menu key."""
        self.menu().popup(event.globalPos())

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        """Up and down, the first and the last, Enter for what can be done, Escape to stop."""
        steps = {Qt.Key.Key_Up: -1, Qt.Key.Key_Down: 1, Qt.Key.Key_Home: -(10**9), Qt.Key.Key_End: 10**9}
        key = Qt.Key(event.key())
        if key in steps:
            self.left.emit(steps[key])
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space):
            self.menu().popup(self.mapToGlobal(QPoint(theme.LARGE, theme.LARGE)))
        elif key == Qt.Key.Key_Escape:
            self.acted.emit("stop")
        else:
            super().keyPressEvent(event)

    def focusInEvent(self, event: QFocusEvent) -> None:  # noqa: N802 - Qt's name
        """Tell that the keyboard is here."""
        super().focusInEvent(event)
        self.came.emit()

    def _limit_width(self) -> None:
        """A line that is longer is hard to follow to the next one."""
        metrics = QFontMetrics(self.answer.font())
        self.answer.setMaximumWidth(WIDEST_ANSWER * metrics.averageCharWidth() + 2 * theme.NORMAL)

    def _fold_question(self) -> None:
        height = QFontMetrics(self.question.font()).lineSpacing() * LONG_QUESTION_LINES
        text = self.question.toPlainText()
        is_long = text.count("\n") >= LONG_QUESTION_LINES or len(text) > LONG_QUESTION_LINES * WIDEST_ANSWER
        if not is_long:
            return
        if self._fold is None:
            self._fold = controls.button(texts.talk.show_all(), "chevron-down", "flat")
            self._fold.setFocusPolicy(Qt.FocusPolicy.NoFocus)
            self._fold.setCheckable(True)
            self._fold.toggled.connect(self._unfold)
            self._layout.insertWidget(1, self._fold, 0, Qt.AlignmentFlag.AlignLeft)
        self.question.most_height = None if self._fold.isChecked() else height
        self.question.fit()

    def _unfold(self, is_open: bool) -> None:
        if self._fold is not None:
            words = texts.talk.show_less() if is_open else texts.talk.show_all()
            self._fold.setText(words)
            self._fold.setAccessibleName(words)
            self._fold_question()

    def _show_error(self) -> None:
        turn = self.turn
        failure = turn.end if turn.state == "failed" else turn.look_failure
        if not isinstance(failure, WireError | EngineEnd):
            if self._error is not None:
                self._error.hide()
            return
        if self._error is None:
            self._error = ErrorRow()
            self._error.acted.connect(self.acted)
            self._layout.insertWidget(self._layout.indexOf(self.answer) + 1, self._error)
        details = "\n".join(failure.last_lines) if isinstance(failure, EngineEnd) else ""
        if turn.look_failure is not None:  # what can be done stands beside the answer, which is there
            self._error.show_error(answer_text.visible(texts.second_look.failed(turn)), details)
        else:
            overflows = isinstance(failure, WireError) and failure.name == "ContextOverflowError"
            self._error.show_error(answer_text.visible(texts.talk.turn_end(failure)), details)
            self._error.offer(overflows=overflows)
        self._error.show()

    def _show_doubt(self) -> None:
        doubt = texts.talk.doubt(self.turn)
        if doubt and self._doubt is None:
            self._doubt = DoubtRow()
            self._doubt.acted.connect(self.acted)
            self._layout.insertWidget(self._layout.indexOf(self.answer) + 1, self._doubt)
        if self._doubt is not None:
            self._doubt.text.setText(doubt)
            self._doubt.setVisible(bool(doubt))
            self._doubt.look.setVisible(self.turn.can_look)

    def _show_buttons(self) -> None:
        """Icons under an answer that is over; they are made while nothing else is done, before its first word."""
        if not self._buttons:
            for icon, tip, name in (
                ("copy", texts.talk.copy_answer(), "copy"),
                ("table", texts.talk.copy_csv(), "copy csv"),
                ("refresh-cw", texts.talk.ask_again(), "ask again"),
            ):
                button = self._icon(icon, tip)
                button.clicked.connect(lambda _checked=False, name=name: self.act(name))
            last = self._icon("ellipsis", texts.talk.more())
            last.clicked.connect(lambda: self.menu().popup(last.mapToGlobal(QPoint(0, last.height()))))
        turn = self.turn
        copy, table, again, more = self._buttons
        copy.setVisible(not turn.is_open and bool(turn.answer))
        table.setVisible(not turn.is_open and answer_text.has_table(turn))
        again.setVisible(not turn.is_open and turn.state != "failed")
        more.setVisible(not turn.is_open)

    def _icon(self, icon: str, tip: str) -> QPushButton:
        button = controls.button("", icon, "flat", tip)
        button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._footer.addWidget(button, 0, Qt.AlignmentFlag.AlignBottom)
        self._buttons.append(button)
        return button
