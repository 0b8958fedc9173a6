"""Where a question is asked: ready-made ones as pills, the box for one's own, what it will cost, Ask and Stop."""

from __future__ import annotations

from typing import Literal

from PySide6.QtCore import QMimeData, QSize, Qt, Signal
from PySide6.QtGui import QKeySequence, QResizeEvent, QShortcut, QShowEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from dsvl2_app import texts
from dsvl2_app.state.presets import PRESETS, QUESTIONS
from dsvl2_app.state.turn import Task
from dsvl2_app.texts.mnemonics import plain
from dsvl2_app.widgets import controls, theme
from dsvl2_app.widgets.flow_layout import FlowLayout
from dsvl2_app.widgets.question_edit import QuestionEdit

PRESET_ICONS: dict[Task, str] = {
    "ocr": "scan-text",
    "table": "table",
    "locate": "scan-search",
    "fields": "braces",
    "describe": "eye",
    "chart": "chart-column",
}
LEAST_BUTTON = 84
PILL_SPACING = theme.TINY + 2
Means = Literal["ask", "queue", "stop"]
"""What the button does now."""


class PromptBar(QWidget):
    """The question and its button, which stops while an answer is coming and nothing new is typed."""

    asked = Signal(str, str)
    """A question, which may be empty or come while an answer is open, and its `Task`; the session decides."""
    edited = Signal()
    stop_asked = Signal()
    recalled = Signal()
    """The last question is wanted back."""
    image_pasted = Signal(QMimeData)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.task: Task = "question"
        """What the box is for: a question, the thing to locate, or the names of fields."""
        self.edit = QuestionEdit()
        self.edit.setAccessibleName(texts.prompt.question())
        self.button = controls.button(texts.prompt.ask(), "send", "primary")
        self.button.setMinimumWidth(LEAST_BUTTON)
        self.line = controls.label("", "muted", "small", wraps=True)
        row = self._make_pills()
        box = QFrame()
        controls.restyle(box, kind="card")
        inside = QHBoxLayout(box)
        inside.setContentsMargins(theme.NORMAL, theme.SMALL, theme.SMALL, theme.SMALL)
        inside.addWidget(self.edit, 1, Qt.AlignmentFlag.AlignVCenter)
        inside.addWidget(self.button, 0, Qt.AlignmentFlag.AlignBottom)
        self._choices = QHBoxLayout()
        self.anew_button = controls.button(texts.talk.start_anew(), "message-square-plus")
        self.drop_button = controls.button(texts.talk.drop_oldest(), "history")
        for choice in (self.anew_button, self.drop_button):
            self._choices.addWidget(choice)
            choice.hide()
        self._choices.addStretch(1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(theme.SMALL)
        layout.addWidget(row)
        layout.addWidget(box)
        layout.addWidget(self.line)
        layout.addLayout(self._choices)
        self._means: Means = "ask"
        self._answering = False
        self.edit.entered.connect(self._ask)
        self.edit.escaped.connect(self._escape)
        self.edit.recalled.connect(self.recalled)
        self.edit.image_pasted.connect(self.image_pasted)
        self.edit.textChanged.connect(self._edited)
        self.button.clicked.connect(self._press)
        theme.signals.changed.connect(self._measure_pills)
        self.set_task("question")
        self.set_answering(False, False)

    def _make_pills(self) -> QWidget:
        self.pills: dict[Task, QPushButton] = {}
        self._presets = row = QWidget()
        row.setAccessibleName(texts.prompt.presets())
        flow = FlowLayout(row, spacing=PILL_SPACING)
        for number, task in enumerate(PRESETS, 1):
            key = QKeySequence(f"Ctrl+{number}")
            pill = controls.button(texts.prompt.preset(task), PRESET_ICONS[task], "pill")
            pill.setToolTip(texts.prompt.preset_tip(task, key.toString(QKeySequence.SequenceFormat.NativeText)))
            pill.setCheckable(task not in QUESTIONS)
            pill.clicked.connect(lambda _checked=False, task=task: self.press_preset(task))
            QShortcut(key, self).activated.connect(lambda task=task: self.press_preset(task))
            self.pills[task] = pill
            flow.addWidget(pill)
        self._bare_row = self._row = 0
        """Pixels that the pills need beside each other, without their icons and with them."""
        return row

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802 - Qt's name
        """Now the pills know their style."""
        super().showEvent(event)
        self._measure_pills()

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 - Qt's name
        """The pills have their icons where there is room for them."""
        super().resizeEvent(event)
        self._fit_pills()

    def set_compact(self, compact: bool) -> None:
        """In a window that is not high the pills give way; their keys go on to work."""
        self._presets.setVisible(not compact)

    def set_answering(self, answering: bool, can_ask: bool, why_not: str = "") -> None:
        """Show what the button does: stop an answer, put a question behind it, or ask."""
        self._answering = answering
        self._means = "ask" if not answering else "queue" if self.text().strip() else "stop"
        words = {"ask": texts.prompt.ask(), "queue": texts.prompt.queue(), "stop": texts.prompt.stop()}
        self.button.setText(words[self._means])
        self.button.setAccessibleName(plain(words[self._means]))
        theme.set_icon(self.button, "square" if self._means == "stop" else "send", "on_accent")
        self.button.setEnabled(self._means == "stop" or can_ask)
        self.button.setToolTip(why_not)

    def show_line(self, text: str, *, is_error: bool = False, is_history: bool = False) -> None:
        """What stands below the box: what the question costs, or why it cannot be asked."""
        self.line.setText(text)
        self.line.setVisible(bool(text))
        controls.restyle(self.line, tone="error" if is_error else "muted")
        self.anew_button.setVisible(is_history)
        self.drop_button.setVisible(is_history)

    def set_task(self, task: Task) -> None:
        """Say what is typed: a question, or what one of the pills needs."""
        self.task = task
        for known, pill in self.pills.items():
            if pill.isCheckable():
                pill.setChecked(known == task)
        self.edit.setPlaceholderText(texts.prompt.hint(task))

    def press_preset(self, task: Task) -> None:
        """Ask a ready-made question, or ask for what it needs first."""
        if task in QUESTIONS:
            self.asked.emit(QUESTIONS[task], task)
        elif self.task == task and not self.pills[task].isChecked():
            self.set_task("question")
        else:
            self.set_task(task)
            self.edit.setFocus()
        self.edited.emit()

    def show_question(self, text: str, task: Task) -> None:
        """Put a question into the box, to be changed and asked."""
        self.set_task(task if task not in QUESTIONS else "question")
        self.edit.setPlainText(text)
        self.edit.selectAll()
        self.edit.setFocus()

    def text(self) -> str:
        """What is typed."""
        return self.edit.toPlainText()

    def clear(self) -> None:
        """The question was taken."""
        self.edit.clear()
        self.set_task("question")

    def _measure_pills(self) -> None:
        """How wide a row of them is, with their icons and without."""
        pills = list(self.pills.values())
        for size in (QSize(0, 0), theme.icon_size()):
            for pill in pills:
                pill.setIconSize(size)
                pill.ensurePolished()
            total = sum(pill.sizeHint().width() for pill in pills) + PILL_SPACING * (len(pills) - 1)
            self._bare_row, self._row = self._row, total
        self._fit_pills()

    def _fit_pills(self) -> None:
        """Leave their icons away where that puts all of them into one row."""
        size = QSize(0, 0) if self._bare_row <= self.width() < self._row else theme.icon_size()
        for pill in self.pills.values():
            pill.setIconSize(size)

    def _edited(self) -> None:
        self.edited.emit()

    def _press(self) -> None:
        if self._means == "stop":
            self.stop_asked.emit()
        else:
            self._ask()

    def _escape(self) -> None:
        if self.task != "question" and not self._answering:
            self.set_task("question")
        else:
            self.stop_asked.emit()

    def _ask(self) -> None:
        self.asked.emit(self.text(), self.task)
