"""What the window shows, as plain data: images, turns, the state of the engine. Reasons and numbers, no sentences.

The session sends one question at a time. Those that are asked while another is answered, or while the model is loaded,
wait in `turns` as "queued" and can be taken back. So do second looks that a user asks for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from dsvl2_app.state.cost import Cost, can_take, question_cost
from dsvl2_app.state.engine_handle import EngineHandle
from dsvl2_app.state.prompt_messages import look_images, new_images, prompt_messages, told_turns
from dsvl2_app.state.time_left import LoadingTime, TimeLeft
from dsvl2_app.state.turn import Attachment, Conversation, Task, Turn, TurnState, new_id
from dsvl2_runtime.answers.sampling import GenerationOptions
from dsvl2_runtime.engine.client import EngineEnd
from dsvl2_runtime.engine.protocol import (
    Ask,
    BadMessage,
    Event,
    Failed,
    Finished,
    Hello,
    Load,
    Loaded,
    LoadFailed,
    LooksAgain,
    Measured,
    MessageTooLongError,
    Progressed,
    Stop,
    to_line,
)
from dsvl2_runtime.engine.wire_error import WireError, wire_error
from dsvl2_runtime.machine.speeds import Speeds

__all__ = ["Attachment", "Change", "ChatSession", "Conversation", "ModelState", "Task", "Turn", "TurnState"]

Change = Literal["images", "turns", "answer", "status", "conversation"]
"""What changed: an answer or a turn's state, the engine's state, or all because another conversation is shown."""
ModelState = Literal["off", "loading", "ready", "failed"]
"""Off when the user has cancelled loading; the next question loads again."""
LONGEST_TITLE = 80


@dataclass(slots=True, weakref_slot=True)  # signals hold their receivers weakly
class ChatSession:
    """The state of one window and the conversation that it shows."""

    engine: EngineHandle
    on_change: Callable[[Change], None] = lambda change: None
    images: list[Attachment] = field(default_factory=list)
    turns: list[Turn] = field(default_factory=list)
    id: str = field(default_factory=new_id)
    """Of the conversation."""
    title: str = ""
    """The first question, until it is renamed."""
    engine_state: ModelState = "loading"
    model: Loaded | None = None
    speeds: Speeds | None = None
    """Of the model on this computer, as far as earlier answers tell."""
    failure: WireError | EngineEnd | None = None
    """Why the engine has no model: loading failed, or the process ended."""
    progress: Progressed | None = None
    loading: LoadingTime = field(default_factory=LoadingTime)
    time_left: TimeLeft | None = None
    """Of the open turn."""
    options: GenerationOptions = field(default_factory=GenerationOptions)
    """Of the next question."""
    looks_again: bool = True
    """Where the model is not sure, it looks again by itself, if its answers become better by that."""
    asks_each_page: bool = False
    """The next question is asked about each page of a document by itself, one after the other."""
    _next_number: int = 0
    _busy: int | None = None
    """The number of the turn that the engine works for, which may belong to a conversation that is not shown."""

    @property
    def open_turn(self) -> Turn | None:
        """The turn that is being answered, or the first that waits for that."""
        return self.asked_turn or next(iter(self.queued_turns), None)

    @property
    def asked_turn(self) -> Turn | None:
        """The turn that the engine is at work for."""
        return next((turn for turn in self.turns if turn.is_asked), None)

    @property
    def queued_turns(self) -> list[Turn]:
        """Those that wait, or whose second look does, in the order in which that was asked for."""
        waiting = (turn for turn in self.turns if turn.waits)
        return sorted(waiting, key=lambda turn: turn.number if turn.look_number is None else turn.look_number)

    @property
    def separate_pages(self) -> list[Attachment]:
        """The pages of which each gets the next question for itself; empty where it is one question."""
        return [image for image in self.images if image.page is not None] if self.asks_each_page else []

    @property
    def conversation(self) -> Conversation:
        """What is shown, to be kept."""
        return Conversation(self.id, self.title, tuple(self.turns), tuple(self.images))

    def add_image(self, image: Attachment) -> None:
        """Add an image; one with the same content as another counts once."""
        if all(known.content.sha256 != image.content.sha256 for known in self.images):
            self.images.append(image)
            self.on_change("images")

    def set_images(self, images: Sequence[Attachment]) -> None:
        """Other images, or the same in another order; turns that were asked about the former keep them."""
        self.images = list(images)
        self.on_change("images")

    def ask_each_page(self, asks_each_page: bool) -> None:
        """Whether the next questions are asked about each page by itself."""
        self.asks_each_page = asks_each_page
        self.on_change("images")

    def cost(self, question: str = "", turn: Turn | None = None) -> Cost | None:
        """What a question costs, or one that waits; None while nobody knows the model."""
        if self.model is None or self.model.config is None:
            return None
        present: Sequence[Attachment] = self.images if turn is None else turn.present
        turns = self.turns if turn is None else self.turns[: self.turns.index(turn)]
        if turn is None and self.separate_pages:  # the largest
            present, turns = [max(self.separate_pages, key=lambda page: page.size[0] * page.size[1])], []
        elif turn is not None and turn.is_alone:
            turns = []
        text, options = (question, self.options) if turn is None else (turn.question, turn.options)
        again, most = self.looks_again and self.model.looks_again, options.max_new_tokens
        return question_cost(turns, present, text, self.model.config, self.speeds, most, looks_again=again)

    def can_ask(self, question: str) -> bool:
        """Whether a question would be taken: it has a text, and nothing says that it cannot fit."""
        return can_take(question, self.cost(question))

    def ask(self, question: str, task: Task = "question", options: GenerationOptions | None = None) -> bool:
        """Ask about the present images, or each page, now or when it is its turn; False if it cannot be asked.

        Raises:
            MessageTooLongError: the engine would not read it.
        """
        if not self.can_ask(question):
            return False
        pages = self.separate_pages
        turns = [
            Turn(
                self._take_number(), question.strip(), (), task=task,
                options=replace(options or self.options, logprobs=True), present=present, is_alone=bool(pages),
            )
            for present in ([(page,) for page in pages] if pages else [tuple(self.images)])
        ]  # fmt: skip
        for turn in turns:
            turn.images = new_images(turn.present, [] if pages else told_turns(self.turns))
            to_line(Ask(turn.number, prompt_messages((), turn), turn.options))  # raises before anything has changed
        self.turns += turns
        self.title = self.title or " ".join(question.split())[:LONGEST_TITLE]
        self.on_change("turns")
        self._wake()
        return True

    def ask_again(self, turn: Turn) -> bool:
        """Ask the question of a turn once more, about the images that it was asked about, in place of its answer."""
        shown = self.images, self.asks_each_page
        self.images, self.asks_each_page = list(turn.present or turn.images), turn.is_alone
        was_dropped, turn.is_dropped, asked = turn.is_dropped, True, False
        try:
            asked = self.ask(turn.question, turn.task, turn.options)
        finally:
            self.images, self.asks_each_page = shown
            turn.is_dropped = asked or was_dropped
        turn.look_number = None if asked else turn.look_number
        return asked

    def look_closer(self, turn: Turn) -> None:
        """Let the model look again at what it is not sure of, now or when it is its turn."""
        if turn.can_look:
            turn.look_number, turn.look_failure = self._take_number(), None
            self.on_change("answer")
            self._wake()

    def take_back(self, turn: Turn) -> None:
        """Forget a question that waits, or a second look."""
        if turn.waits:
            self._forget([turn])

    def stop_all(self) -> None:
        """Forget all questions and second looks that wait, and end the open answer."""
        self._forget(self.queued_turns)
        if self.asked_turn is not None:
            self.stop()

    def stop(self) -> None:
        """End the open answer, of which what has come stays; without one, the questions that wait for the model."""
        turn = self.asked_turn
        if turn is None:
            self._stop_queued()
        elif turn.state != "stopping":
            turn.state = "stopping"
            self.on_change("answer")
            self.engine.send(Stop(turn.number))

    def cancel_loading(self) -> None:
        """Give up loading; the next question begins it again."""
        if self.engine_state == "loading":
            self.engine.close()
            self.engine_state, self.progress = "off", None
            self._stop_queued()
            self.on_change("status")

    def use_model(self, load: Load) -> None:
        """Load another model; the open answer stops, and the conversation goes on with the new one."""
        self._close_asked_turn()
        self.model, self.speeds = None, None
        self._begin_loading(load)

    def new_conversation(self, keep_images: bool = False) -> None:
        """Begin anew; with the same pictures if they are kept."""
        self.show_conversation(Conversation(images=tuple(self.images) if keep_images else ()))

    def show_conversation(self, conversation: Conversation) -> None:
        """Show another conversation; the open answer of this one ends as far as it came."""
        self._close_asked_turn()
        self._stop_queued()
        self.id, self.title = conversation.id, conversation.title
        self.images, self.asks_each_page = list(conversation.images), False
        self.turns = [self._restored(turn) for turn in conversation.turns]
        self.on_change("conversation")

    def drop_oldest(self, question: str, at_least: int = 0) -> int:
        """Give up the oldest turns until a question seems to fit; returns how many were given up."""
        dropped = 0
        while told := told_turns(self.turns):
            cost = self.cost(question)
            if dropped >= at_least and (cost is None or cost.obstacle != "history"):
                break
            told[0].is_dropped = True
            dropped += 1
        if dropped:
            self.on_change("turns")
        return dropped

    def rename(self, title: str) -> None:
        """Call the conversation something else."""
        self.title = " ".join(title.split())[:LONGEST_TITLE]
        self.on_change("turns")

    def take(self, event: Event) -> None:
        """Take in what the engine says; what belongs to a turn that is over is dropped."""
        if isinstance(event, Loaded):
            self.engine_state, self.model, self.failure, self.progress = "ready", event, None, None
            self.on_change("status")
            self._wake()
        elif isinstance(event, Measured):
            self.speeds = event.speeds
            self.on_change("status")
        elif isinstance(event, Progressed):
            self._take_progress(event)
        elif isinstance(event, LoadFailed):
            self._model_failed(event.error)
        elif isinstance(event, BadMessage):
            # Without a number it can only be the question that the engine works for, which must not wait for ever.
            self._take_for(event.turn, lambda turn: turn.fail(event.error), ends=True)
        elif not isinstance(event, Hello):
            if isinstance(event, LooksAgain) and self.asked_turn is not None:
                self._expect(self.asked_turn)  # all of it once more
            self._take_for(event.turn, lambda turn: turn.take(event), ends=isinstance(event, Finished | Failed))

    def engine_ended(self, end: EngineEnd) -> None:
        """The engine is gone: the open answer keeps what has come, and what waits is asked of a new engine."""
        turn, was_loading = self.asked_turn, self.engine_state == "loading"
        self._busy = None
        if end.reason == "closed" or (turn is not None and turn.state == "stopping"):
            # It did not stop in time, so it was ended for its user, and the conversation goes on.
            if turn is not None:
                turn.cut("stopped", end)
                self.on_change("answer")
            self._begin_loading()
        elif was_loading or not self.queued_turns:
            self._model_failed(end)
        else:
            self._fail_asked_turn(end)
            self._begin_loading()

    def _forget(self, waiting: Sequence[Turn]) -> None:
        for turn in waiting:
            turn.look_number = None
        self.turns[:] = [turn for turn in self.turns if turn not in waiting or turn.state != "queued"]
        if waiting:
            self.on_change("turns")

    def _take_number(self) -> int:
        self._next_number += 1
        return self._next_number - 1

    def _restored(self, turn: Turn) -> Turn:
        """A turn of a conversation that was kept; nothing is at work for it."""
        state: TurnState = "stopped" if turn.is_open else turn.state
        return replace(turn, number=self._take_number(), state=state)

    def _wake(self) -> None:
        """Send the next question, or load the model for it."""
        turn = next(iter(self.queued_turns), None)
        if turn is None or self._busy is not None:
            return
        if self.engine_state == "ready":
            self._send(turn)
        elif self.engine_state != "loading":
            self._begin_loading()

    def _send(self, turn: Turn) -> None:
        earlier = told_turns(self.turns, turn)
        look_again, first = None if self.looks_again else False, None
        if turn.look_number is None:
            turn.images = new_images(turn.present, earlier)
            turn.may_look = not (self.looks_again and self.model is not None and self.model.looks_again)
        else:
            turn.images, first = look_images(turn, earlier), turn.begin_look()
        self._expect(turn)
        messages = prompt_messages(earlier, turn)
        try:
            self.engine.send(Ask(turn.number, messages, turn.options, look_again=look_again, first=first))
        except MessageTooLongError as error:
            turn.fail(wire_error(error))
        else:
            turn.state, self._busy = "waiting" if first is None else turn.state, turn.number
        self.on_change("answer")
        self._wake()

    def _expect(self, turn: Turn) -> None:
        cost = self.cost(turn=turn)
        self.time_left = TimeLeft(cost.expected, self.speeds) if cost is not None else None

    def _begin_loading(self, load: Load | None = None) -> None:
        self.engine_state, self.failure, self.progress, self._busy = "loading", None, None, None
        self.loading = LoadingTime()
        self.engine.start(load)
        self.on_change("status")

    def _take_progress(self, event: Progressed) -> None:
        if event.turn is None:
            self.loading.take(event)
        elif event.turn != self._busy:
            return
        elif self.time_left is not None:
            self.time_left.take(event)
        self.progress = event
        self.on_change("status")

    def _take_for(self, number: int | None, change: Callable[[Turn], None], *, ends: bool) -> None:
        if self._busy is None or number not in (self._busy, None):
            return
        turn = self.asked_turn
        if ends:
            self._busy, self.progress, self.time_left = None, None, None
        if turn is not None and number in (turn.number, None):
            change(turn)
            self.on_change("answer")
        if ends:
            self.on_change("status")
            self._wake()

    def _model_failed(self, failure: WireError | EngineEnd) -> None:
        self.engine_state, self.failure, self.progress = "failed", failure, None
        self._busy = self.time_left = None
        self._fail_asked_turn(failure)
        for turn in self.queued_turns:
            turn.fail(failure)
            self.on_change("answer")
        self.on_change("status")

    def _fail_asked_turn(self, failure: WireError | EngineEnd) -> None:
        turn = self.asked_turn
        if turn is not None:
            turn.fail(failure)
            self.on_change("answer")

    def _close_asked_turn(self) -> None:
        """End the open turn here at once; the engine hears of it and may need a moment."""
        turn = self.asked_turn
        if turn is not None:
            if turn.state != "stopping":
                self.engine.send(Stop(turn.number))
            turn.cut("stopped", turn.end)
            self.on_change("answer")

    def _stop_queued(self) -> None:
        stopped = self.queued_turns
        for turn in stopped:
            turn.cut("stopped", None)
        if stopped:
            self.on_change("turns")
