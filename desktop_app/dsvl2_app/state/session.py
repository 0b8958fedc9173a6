"""What the window shows, as plain data: pictures, turns, and how the engine is doing. Knows no widgets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from PIL import Image

from dsvl2_app import texts
from dsvl2_runtime.engine.protocol import (
    LONGEST_LINE,
    Ask,
    Command,
    Event,
    Failed,
    Finished,
    Loaded,
    Prepared,
    Progressed,
    Stop,
    Wrote,
    to_line,
)
from dsvl2_runtime.errors import UsageError
from dsvl2_runtime.notices import Notice

TurnState = Literal["waiting", "streaming", "done", "stopped", "failed"]
EngineState = Literal["loading", "ready", "failed"]
Part = Literal["pictures", "turns", "answer", "status"]
"""What changed: the pictures, the list of turns, the last turn's answer or state, or the engine's state."""


class CommandSink(Protocol):
    """Where commands go; an `Engine`, or a list in a test."""

    def send(self, command: Command) -> None:
        """Take a command."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture that was opened once and can be read."""

    path: Path
    size: tuple[int, int]
    """(width, height) in pixels, upright."""
    thumbnail: Image.Image


@dataclass(slots=True)
class Turn:
    """A question and as much of its answer as has come."""

    number: int
    question: str
    pictures: tuple[Picture, ...]
    answer: str = ""
    state: TurnState = "waiting"
    remark: str = ""
    """Why it failed, or how long it took."""
    notices: tuple[Notice, ...] = ()
    """What of its pictures the model does not see."""

    @property
    def is_open(self) -> bool:
        """Whether more may come."""
        return self.state in ("waiting", "streaming")


@dataclass(slots=True, weakref_slot=True)  # signals hold their receivers weakly
class ChatSession:
    """The state of one window. Each question stands alone, with the pictures that are there when it is asked."""

    engine: CommandSink
    on_change: Callable[[Part], None] = lambda part: None
    pictures: list[Picture] = field(default_factory=list)
    turns: list[Turn] = field(default_factory=list)
    engine_state: EngineState = "loading"
    model: str = ""
    note: str = ""
    """What must be said beside the answers of this model."""
    error: str = ""
    progress: Progressed | None = None

    @property
    def open_turn(self) -> Turn | None:
        """The turn that is being answered."""
        return self.turns[-1] if self.turns and self.turns[-1].is_open else None

    def add_picture(self, picture: Picture) -> None:
        """Add a picture, once."""
        if all(known.path != picture.path for known in self.pictures):
            self.pictures.append(picture)
            self.on_change("pictures")

    def remove_picture(self, index: int) -> None:
        """Take a picture away; turns that were asked about it keep theirs."""
        del self.pictures[index]
        self.on_change("pictures")

    def ask(self, question: str) -> bool:
        """Ask about the present pictures; False while an answer is open or when there is nothing to ask.

        Raises:
            UsageError: the question is longer than the engine reads.
        """
        question = question.strip()
        if self.open_turn is not None or not question:
            return False
        turn = Turn(len(self.turns), question, tuple(self.pictures))
        command = Ask(turn.number, question, tuple(str(picture.path) for picture in turn.pictures))
        size = len(to_line(command))
        if size > LONGEST_LINE:
            raise UsageError(texts.too_long(size, LONGEST_LINE))
        self.turns.append(turn)
        self.on_change("turns")
        if self.engine_state == "failed":
            self.engine_state, self.error = "loading", ""
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
            self.engine_state, self.model, self.note = "ready", f"{event.name}, {event.precision}", event.note
            self.progress = None
            self.on_change("status")
        elif isinstance(event, Progressed):
            self.progress = event
            self.on_change("status")
        elif isinstance(event, Failed) and event.turn is None:
            self._engine_failed(texts.not_loaded(event.message), event.message)
        else:
            turn = self.open_turn
            if turn is not None and turn.number == event.turn:
                self._take_for(turn, event)

    def _take_for(self, turn: Turn, event: Prepared | Wrote | Finished | Failed) -> None:
        if isinstance(event, Prepared):
            turn.notices = event.notices
        elif isinstance(event, Wrote):
            turn.answer += event.text
            turn.state = "streaming"
        elif isinstance(event, Finished):
            turn.state = "stopped" if event.reason == "cancelled" else "done"
            turn.remark = texts.finished(event.reason, event.tokens, event.seconds)
        else:
            turn.state, turn.remark = "failed", event.message
        self.on_change("answer")
        if not turn.is_open:
            self.progress = None
            self.on_change("status")

    def engine_died(self, reason: str) -> None:
        """The engine is gone: the open answer keeps what has come, and the next question starts a new engine."""
        self._engine_failed(texts.engine_died(reason), texts.ANSWER_LOST)

    def _engine_failed(self, error: str, remark: str) -> None:
        self.engine_state, self.error, self.progress = "failed", error, None
        turn = self.open_turn
        if turn is not None:
            turn.state, turn.remark = "failed", remark
            self.on_change("answer")
        self.on_change("status")
