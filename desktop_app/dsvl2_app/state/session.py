"""What the window shows, as plain data: images, turns, the state of the engine. Reasons and numbers, no sentences."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, Protocol

from PIL import Image

from dsvl2_runtime.engine.client import EngineEnd, EngineState
from dsvl2_runtime.engine.image_store import KeptImage
from dsvl2_runtime.engine.protocol import (
    Ask,
    BadMessage,
    Command,
    Event,
    Failed,
    Finished,
    Hello,
    ImagePart,
    Loaded,
    LoadFailed,
    Measured,
    Prepared,
    Progressed,
    Stop,
    Wrote,
    to_line,
    user_message,
)
from dsvl2_runtime.engine.wire_error import WireError
from dsvl2_runtime.notices import Notice

TurnState = Literal["waiting", "streaming", "done", "stopped", "failed"]
Change = Literal["images", "turns", "answer", "status"]
"""What changed: the images, the list of turns, the last turn's answer or state, or the engine's state."""


class CommandSink(Protocol):
    """Where commands go; an `Engine`, or a list in a test."""

    def send(self, command: Command) -> None:
        """Take a command."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """An image that was opened once and can be read."""

    name: str
    """The path of the file that it came from, or what the program calls it."""
    content: KeptImage
    size: tuple[int, int]
    """(width, height) in pixels, upright."""
    thumbnail: Image.Image

    @property
    def part(self) -> ImagePart:
        """What the engine is told about it."""
        return ImagePart(str(self.content.path), self.name, self.content.sha256)


@dataclass(slots=True)
class Turn:
    """A question and as much of its answer as has come."""

    number: int
    question: str
    images: tuple[Attachment, ...]
    answer: str = ""
    state: TurnState = "waiting"
    end: Finished | WireError | EngineEnd | None = None
    """How it ended: with its figures, with an error, or because the engine ended. None while it is open."""
    notices: tuple[Notice, ...] = ()
    """What of its images the model does not see."""

    @property
    def is_open(self) -> bool:
        """Whether more may come."""
        return self.state in ("waiting", "streaming")


@dataclass(slots=True, weakref_slot=True)  # signals hold their receivers weakly
class ChatSession:
    """The state of one window. Each question stands alone, with the images that are there when it is asked."""

    engine: CommandSink
    on_change: Callable[[Change], None] = lambda change: None
    images: list[Attachment] = field(default_factory=list)
    turns: list[Turn] = field(default_factory=list)
    engine_state: EngineState = "loading"
    model: Loaded | None = None
    failure: WireError | EngineEnd | None = None
    """Why the engine has no model: loading failed, or the process ended."""
    progress: Progressed | None = None

    @property
    def open_turn(self) -> Turn | None:
        """The turn that is being answered."""
        return self.turns[-1] if self.turns and self.turns[-1].is_open else None

    def add_image(self, image: Attachment) -> None:
        """Add an image; one with the same content as another counts once."""
        if all(known.content.sha256 != image.content.sha256 for known in self.images):
            self.images.append(image)
            self.on_change("images")

    def remove_image(self, index: int) -> None:
        """Take an image away; turns that were asked about it keep theirs."""
        del self.images[index]
        self.on_change("images")

    def can_ask(self, question: str) -> bool:
        """Whether a question would be sent: it has a text, and no answer is open."""
        return self.open_turn is None and bool(question.strip())

    def ask(self, question: str) -> bool:
        """Ask about the present images; False if it cannot be asked now.

        Raises:
            MessageTooLongError: the engine would not read it.
        """
        if not self.can_ask(question):
            return False
        turn = Turn(len(self.turns), question.strip(), tuple(self.images))
        images = [image.part for image in turn.images]
        command = Ask(turn.number, (user_message(turn.question, images),))
        to_line(command)  # raises before anything has changed
        self.turns.append(turn)
        self.on_change("turns")
        if self.engine_state == "failed":
            self.engine_state, self.failure = "loading", None
            self.on_change("status")
        self.engine.send(command)
        return True

    def stop(self) -> None:
        """Ask for the end of the open answer; what has come stays."""
        if self.open_turn is not None:
            self.engine.send(Stop(self.open_turn.number))

    def take(self, event: Event) -> None:
        """Take in what the engine says; what belongs to a turn that is over is dropped."""
        if isinstance(event, Loaded):
            self.engine_state, self.model, self.progress = "ready", event, None
            self.on_change("status")
        elif isinstance(event, Progressed):
            self.progress = event
            self.on_change("status")
        elif isinstance(event, LoadFailed):
            self._engine_failed(event.error)
        elif isinstance(event, BadMessage):
            # Without a number it can only be the open turn's question, which must not wait for ever.
            self._take_for(event.turn, lambda turn: _fail(turn, event.error))
        elif not isinstance(event, Hello | Measured):
            self._take_for(event.turn, lambda turn: _add(turn, event))

    def engine_ended(self, end: EngineEnd) -> None:
        """The engine is gone: the open answer keeps what has come, and the next question starts a new engine."""
        self._engine_failed(end)

    def _take_for(self, number: int | None, change: Callable[[Turn], None]) -> None:
        turn = self.open_turn
        if turn is None or number not in (turn.number, None):
            return
        change(turn)
        self.on_change("answer")
        if not turn.is_open:
            self.progress = None
            self.on_change("status")

    def _engine_failed(self, failure: WireError | EngineEnd) -> None:
        self.engine_state, self.failure, self.progress = "failed", failure, None
        turn = self.open_turn
        if turn is not None:
            _fail(turn, failure)
            self.on_change("answer")
        self.on_change("status")


def _add(turn: Turn, event: Prepared | Wrote | Finished | Failed) -> None:
    if isinstance(event, Prepared):
        turn.notices = event.notices
    elif isinstance(event, Wrote):
        turn.answer += event.text
        turn.state = "streaming"
    elif isinstance(event, Finished):
        turn.state = "stopped" if event.reason == "cancelled" else "done"
        turn.end = event
    else:
        _fail(turn, event.error)


def _fail(turn: Turn, failure: WireError | EngineEnd) -> None:
    turn.state, turn.end = "failed", failure
