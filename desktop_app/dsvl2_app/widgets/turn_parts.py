"""What a card shows beside question and answer: how far it is, that it waits, why it failed."""

from __future__ import annotations

from typing import Literal

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QProgressBar, QVBoxLayout, QWidget

from dsvl2_app import texts
from dsvl2_app.texts.mnemonics import plain
from dsvl2_app.widgets import controls, theme

TurnAction = Literal[
    "copy", "copy markdown", "copy csv", "copy pages", "ask again", "edit", "take back", "start anew", "drop oldest",
    "look closer", "stop", "stop all",
]  # fmt: skip
"""What can be done with a turn."""
BAR_STEPS = 1000


class ProgressRow(QWidget):
    """Phase and step, the time that is left, a bar."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.step = controls.label(texts.talk.beginning())
        self.left = controls.label("", "muted")
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setRange(0, BAR_STEPS)
        self.bar.setAccessibleName(texts.window.progress())
        line = QHBoxLayout()
        line.addWidget(self.step, 1)
        line.addWidget(self.left)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, theme.TINY)
        layout.setSpacing(theme.TINY)
        layout.addLayout(line)
        layout.addWidget(self.bar)

    def show_step(self, step: str, left: str, share: float | None) -> None:
        """What is known; an empty text leaves what is there."""
        if step:
            self.step.setText(step)
        self.left.setText(left)
        if share is not None:
            self.bar.setValue(round(share * BAR_STEPS))
        self.bar.setAccessibleDescription(f"{self.step.text()} {left}")


class QueueRow(QWidget):
    """A question or a second look that waits, the button that takes it back, and one for all that wait."""

    taken_back = Signal()
    all_stopped = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.label = controls.label("", "muted", wraps=True)
        button = controls.button(plain(texts.talk.take_back()), "undo-2")
        button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        button.clicked.connect(self.taken_back)
        self.stop_all = controls.button("", "circle-stop")
        self.stop_all.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.stop_all.clicked.connect(self.all_stopped)
        self.stop_all.hide()
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, theme.TINY)
        layout.addWidget(self.label, 1)
        layout.addWidget(self.stop_all)
        layout.addWidget(button)

    def show_place(self, text: str, waiting: int) -> None:
        """Where it stands, and of how many that wait it speaks; 0 where another one does."""
        self.label.setText(text)
        words = plain(texts.talk.stop_all_waiting(waiting))
        self.stop_all.setText(words)
        self.stop_all.setAccessibleName(words)
        self.stop_all.setVisible(waiting > 1)


class DoubtRow(QFrame):
    """That the model is not sure of an answer, and a button that lets it look again."""

    acted = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        controls.restyle(self, kind="note")
        self.text = controls.label("", wraps=True)
        self.text.setTextInteractionFlags(Qt.TextInteractionFlag.NoTextInteraction)
        self.setToolTip(texts.talk.sure_tip())
        self._icon = QLabel()
        layout = QHBoxLayout(self)
        layout.setContentsMargins(theme.SMALL, theme.TINY, theme.NORMAL, theme.TINY)
        layout.setSpacing(theme.SMALL)
        layout.addWidget(self._icon)
        layout.addWidget(self.text, 1)
        self.look = controls.button(texts.second_look.look_closer(), "zoom-in", tip=texts.second_look.look_tip())
        self.look.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.look.clicked.connect(lambda: self.acted.emit("look closer"))
        layout.addWidget(self.look)
        self.restyle()

    def restyle(self) -> None:
        """Take the present colours."""
        self._icon.setPixmap(theme.icon("circle-alert", "warning").pixmap(theme.icon_size()))


class ErrorRow(QFrame):
    """Why a question or a second look failed, and what can be done about a question."""

    acted = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        controls.restyle(self, kind="error")
        self.text = controls.label("", wraps=True)
        self.text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.details = controls.label("", size="small", wraps=True)
        self.details.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(theme.NORMAL, theme.SMALL, theme.NORMAL, theme.SMALL)
        self._layout.setSpacing(theme.SMALL)
        self._layout.addWidget(self.text)
        self._layout.addWidget(self.details)
        self._buttons: list[QWidget] = []

    def show_error(self, text: str, details: str) -> None:
        """Say it."""
        self.text.setText(text)
        self.details.setText(details)
        self.details.setVisible(bool(details))

    def offer(self, *, overflows: bool) -> None:
        """What can be done about a question; a conversation that is too long has choices of its own."""
        if self._buttons:
            return
        choices: list[tuple[str, str, TurnAction]] = [(texts.talk.ask_again(), "refresh-cw", "ask again")]
        if overflows:
            choices = [
                (texts.talk.start_anew(), "message-square-plus", "start anew"),
                (texts.talk.drop_oldest(), "history", "drop oldest"),
            ]
        for label, icon, action in (*choices, (texts.talk.edit_question(), "pencil", "edit")):
            button = controls.button(plain(label), icon)  # of all cards, so a key would mean several
            button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
            button.clicked.connect(lambda _checked=False, action=action: self.acted.emit(action))
            self._buttons.append(button)
        if overflows:
            for made in self._buttons:
                self._layout.addWidget(made, 0, Qt.AlignmentFlag.AlignLeft)
            return
        row = QHBoxLayout()
        for made in self._buttons:
            row.addWidget(made)
        row.addStretch(1)
        self._layout.addLayout(row)

    @property
    def message(self) -> QLabel:
        """What it says."""
        return self.text
