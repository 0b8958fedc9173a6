"""Brings question box, conversation and picture together: what is asked, what it costs, which box belongs where."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QAction, QGuiApplication, QKeySequence, QShortcut
from PySide6.QtWidgets import QMainWindow, QMenu

from dsvl2_app import texts
from dsvl2_app.image_reader import ImageReader
from dsvl2_app.state.cost import can_take
from dsvl2_app.state.presets import QUESTIONS, task_options
from dsvl2_app.state.prompt_messages import shown_images
from dsvl2_app.state.session import Change, ChatSession
from dsvl2_app.state.turn import Task, Turn
from dsvl2_app.widgets import theme
from dsvl2_app.widgets.find_bar import FindBar
from dsvl2_app.widgets.picture_intake import PictureIntake
from dsvl2_app.widgets.picture_pane import PicturePane
from dsvl2_app.widgets.prompt_bar import PromptBar
from dsvl2_app.widgets.talk_view import TalkView
from dsvl2_runtime.engine.protocol import Loaded, MessageTooLongError
from dsvl2_runtime.machine.speeds import Speeds


class Asking(QObject):
    """The part of the window that asks."""

    told = Signal(str)
    """A sentence for the user."""

    def __init__(
        self,
        session: ChatSession,
        prompt: PromptBar,
        talk: TalkView,
        pane: PicturePane,
        reader: ImageReader,
        intake: PictureIntake,
        window: QMainWindow,
    ) -> None:
        super().__init__(window)
        self._session, self._prompt, self._talk, self._pane = session, prompt, talk, pane
        self._reader, self._intake = reader, intake
        self._held: tuple[str, Task] | None = None
        """A question whose pictures are still read."""
        self._shown_turn: Turn | None = None
        """The turn whose boxes are on the picture."""
        self._at_work: tuple[str, ...] = ()
        """The turns that were asked and open when something was shown last."""
        self._costed: tuple[Loaded | None, Speeds | None] = (None, None)
        """By which the question in the box was counted last."""
        self.find_bar = FindBar(talk)
        prompt.asked.connect(self.ask)
        prompt.edited.connect(self.show_prompt)
        prompt.stop_asked.connect(self.stop)
        prompt.recalled.connect(self._recall)
        prompt.image_pasted.connect(intake.paste)
        prompt.anew_button.clicked.connect(lambda: session.new_conversation(keep_images=True))
        prompt.drop_button.clicked.connect(lambda: session.drop_oldest(prompt.text()))
        talk.edit_asked.connect(self._edit)
        talk.copied.connect(lambda: self.told.emit(texts.talk.copied()))
        talk.turn_chosen.connect(self._show_boxes_of)
        talk.box_hovered.connect(self._hover_in_answer)
        talk.box_chosen.connect(self._hover_in_answer)
        pane.box_hovered.connect(self._hover_in_picture)
        for signal in (reader.was_read, reader.failed):
            signal.connect(self._ask_held)
        reader.given_up.connect(self._give_back)
        paste = QShortcut(QKeySequence(QKeySequence.StandardKey.Paste), window)
        paste.activated.connect(self._paste)
        QShortcut(QKeySequence("Ctrl+L"), window).activated.connect(prompt.edit.setFocus)

    def add_actions(self, menu: QMenu) -> None:
        """What can be done with a conversation."""
        for text, icon, keys, slot in (
            (texts.find.find(), "search", QKeySequence.StandardKey.Find, self.find_bar.begin),
            (texts.talk.copy_answer(), "copy", "Ctrl+Shift+C", self._talk.copy_current),
            (texts.talk.stop_all(), "circle-stop", "Shift+Esc", self._stop_all),
            (texts.talk.cancel_loading(), "circle-stop", "", self._session.cancel_loading),
        ):
            action = QAction(text, menu)
            theme.set_icon(action, icon, "muted")
            action.setShortcut(QKeySequence(keys))
            action.triggered.connect(lambda _checked=False, slot=slot: slot())
            menu.addAction(action)

    def ask(self, question: str, task: Task = "question") -> None:
        """Ask about the pictures that are there, or as soon as they are."""
        session = self._session
        if task in QUESTIONS and not session.images and not self._reader.unread and not session.turns:
            self.told.emit(texts.prompt.needs_picture())
            return
        if self._reader.unread and question.strip():
            self._held = question, task
            self._taken(task)
            self.show_prompt()
            return
        try:
            asked = session.ask(question, task, task_options(task, question, session.options))
        except MessageTooLongError as error:
            self.told.emit(texts.talk.question_too_long(error))
            return
        if asked:
            self._taken(task)

    def stop(self) -> None:
        """Stop the answer; a question that waits for its picture goes back into the box."""
        if not self._give_back():
            self._session.stop()
            self._talk.show_progress()  # at once, not with the next words

    def _stop_all(self) -> None:
        self._give_back()
        self._session.stop_all()
        self._talk.show_progress()

    def show(self, change: Change) -> None:
        """Show what has changed in the session."""
        session, before = self._session, self._at_work
        self._at_work = tuple(turn.id for turn in (session.asked_turn, session.open_turn) if turn is not None)
        if change == "conversation":
            self._held = self._shown_turn = None
            self._talk.show_conversation()
            self.find_bar.end()
        elif change == "turns":
            self._talk.show_turns()
        elif change == "answer":
            self._talk.refresh_soon()
            if self._at_work == before:
                return  # a token changes neither what the next question costs nor what the button does
            self._show_boxes_of_new()
        elif change == "status":
            self._talk.show_progress()
            if self._at_work == before and (session.model, session.speeds) == self._costed:
                return  # how far the engine is changes nothing either
        self.show_prompt()

    def show_prompt(self) -> None:
        """What the button does, what the question costs, or why it cannot be asked."""
        session, prompt = self._session, self._prompt
        text = prompt.text()
        cost, self._costed = session.cost(text), (session.model, session.speeds)
        if self._held is not None:
            why = texts.prompt.is_reading()
        elif cost is not None and cost.obstacle is not None:
            why = texts.talk.obstacle(cost)
        else:
            why = "" if text.strip() else texts.prompt.needs_text()
        is_answering = session.open_turn is not None or self._held is not None
        is_obstacle = cost is not None and cost.obstacle is not None
        prompt.set_answering(is_answering, can_take(text, cost), why)
        prompt.show_line(
            why if is_obstacle or self._held is not None else "",
            is_error=is_obstacle,
            is_history=cost is not None and cost.obstacle == "history",
        )
        line = texts.talk.cost(cost) if cost is not None and cost.num_images else ""
        if line and session.separate_pages:
            line = texts.talk.each_page_cost(len(session.separate_pages), line)
        self._pane.show_cost(line)

    def _taken(self, task: Task) -> None:
        if task not in QUESTIONS:  # a ready-made question leaves what is typed
            self._prompt.clear()

    def _ask_held(self, _result: object) -> None:
        if self._held is not None and not self._reader.unread:
            (question, task), self._held = self._held, None
            self.ask(question, task)
            self.show_prompt()

    def _give_back(self) -> bool:
        """Put a question that waits for its pictures back into the box; False if there is none."""
        if self._held is None:
            return False
        (question, task), self._held = self._held, None
        self._prompt.show_question(question, task)
        self.show_prompt()
        return True

    def _edit(self, turn: Turn) -> None:
        self._prompt.show_question(turn.question, turn.task)

    def _recall(self) -> None:
        if self._session.turns:
            self._edit(self._session.turns[-1])

    def _paste(self) -> None:
        """Where nobody else takes it: pictures, or else text for the question."""
        data = QGuiApplication.clipboard().mimeData()
        if data is not None and data.hasText() and not data.hasUrls() and not data.hasImage():
            self._prompt.edit.setFocus()
            self._prompt.edit.paste()
        else:
            self._intake.paste(data)

    def _show_boxes_of_new(self) -> None:
        over = [turn for turn in self._session.turns if not turn.is_open]
        if over and over[-1] is not self._shown_turn and (over[-1].boxes or over[-1].read_in):
            self._show_boxes_of(over[-1])

    def _show_boxes_of(self, turn: Turn) -> None:
        images = shown_images(self._session.turns, turn)
        if (turn.boxes or turn.read_in) and images:
            self._shown_turn = turn
            self._pane.show_boxes(images[-1], turn.boxes, turn.read_in)

    def _hover_in_answer(self, turn: Turn, number: int | None) -> None:
        if number is not None and turn is not self._shown_turn:
            self._show_boxes_of(turn)
        if turn is self._shown_turn:
            self._pane.highlight_box(number)

    def _hover_in_picture(self, number: int | None) -> None:
        if self._shown_turn is not None:
            self._talk.highlight_box(self._shown_turn, number)
