"""One question of a conversation, its pictures, and as much of its answer as has come."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Literal
from uuid import uuid4

from PIL import Image

from dsvl2_runtime.answers.boxes import Box, parse_boxes
from dsvl2_runtime.answers.confidence import SHORT_TOKENS, unsure_notices
from dsvl2_runtime.answers.parts_look import Place, notices_beside, read_in_of
from dsvl2_runtime.answers.sampling import GenerationOptions
from dsvl2_runtime.engine.client import EngineEnd
from dsvl2_runtime.engine.image_store import KeptImage
from dsvl2_runtime.engine.prompt_parts import ImagePart
from dsvl2_runtime.engine.protocol import Failed, Finished, FirstAnswer, LooksAgain, Prepared, Replaced, TurnEvent
from dsvl2_runtime.engine.wire_error import WireError
from dsvl2_runtime.inputs.tiling import is_tiled
from dsvl2_runtime.notices import Notice

TurnState = Literal["queued", "waiting", "streaming", "stopping", "done", "stopped", "failed"]
"""Queued until it is sent, waiting until the first text comes, stopping until the engine has heard of it."""
Task = Literal["question", "ocr", "describe", "table", "chart", "locate", "fields"]
"""What is asked for: with "locate" and "fields" the question is the thing, or the names of the fields."""

MOST_SURE = 0.99
"""What is above is not told apart: of 168 answers above 0.9 two were wrong, which is too few to say more."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """An image that was opened once and can be read."""

    name: str
    """The path of the file that it came from, or what the program calls it."""
    content: KeptImage
    size: tuple[int, int]
    """(width, height) in pixels, upright."""
    thumbnail: Image.Image
    page: int | None = None
    """Of a document, from 1."""
    document: str | None = None
    """The hash of the content of the document whose page it is."""

    @property
    def part(self) -> ImagePart:
        """What the engine is told about it."""
        return ImagePart(str(self.content.path), self.name, self.content.sha256)


def new_id() -> str:
    """Of a turn or a conversation: 32 hexadecimal digits that nothing else has."""
    return uuid4().hex


def told_confidence(confidence: float | None, reason: str, tokens: int) -> float | None:
    """How sure the model is of an answer, from 0 to 1; None of one that it did not end itself, and of a long one.

    Args:
        confidence: the probability that the model gave to the answer; None where it is not known.
        reason: why the answer ended, a `FinishReason`.
        tokens: of the answer.
    """
    return confidence if reason == "stop" and tokens <= SHORT_TOKENS else None


@dataclass(slots=True)
class Turn:
    """A question and as much of its answer as has come."""

    number: int
    """By which the engine calls it; never the same twice in one window."""
    question: str
    images: tuple[Attachment, ...]
    """Those that no earlier turn of the conversation has."""
    answer: str = ""
    """As the model wrote it, with the markup of its boxes."""
    state: TurnState = "queued"
    end: Finished | WireError | EngineEnd | None = None
    """How it ended: with its figures, with an error, or because the engine ended. None while it is open."""
    notices: tuple[Notice, ...] = ()
    """What of its images the model does not see."""
    id: str = field(default_factory=new_id)
    asked_at: float = field(default_factory=time.time)
    """Seconds since the epoch."""
    task: Task = "question"
    options: GenerationOptions = field(default_factory=GenerationOptions)
    is_dropped: bool = False
    """The user gave it up, so that newer questions fit into the model's context; later prompts do not hold it."""
    image_sizes: tuple[tuple[int, int], ...] = ()
    """(width, height) of each image of the whole prompt, once it is prepared."""
    prompt_tokens: int = 0
    """Positions of the whole prompt, once it is prepared."""
    image_tokens: int = 0
    present: tuple[Attachment, ...] = ()
    """The images that were in the window when it was asked."""
    is_alone: bool = False
    """One of the questions for each page: asked without what was said before, and later prompts do not hold it."""
    is_looking: bool = False
    """The model looks again; the answer and its end are those of the first look, which stay if nothing comes of it."""
    may_look: bool = True
    """No second look has come to its end yet, so the model can be asked for one."""
    look_number: int | None = None
    """Of a second look that waits, in the one count of all that is asked; None where none waits."""
    look_failure: WireError | EngineEnd | None = None
    """Why a second look failed; the first answer counts."""
    first_answer: str = ""
    """What was read at the first look, where another answer counts."""

    @property
    def is_asked(self) -> bool:
        """Whether the engine is at work for it."""
        return self.state in ("waiting", "streaming", "stopping")

    @property
    def is_open(self) -> bool:
        """Whether more may come."""
        return self.is_asked or self.state == "queued"

    @property
    def waits(self) -> bool:
        """Whether it, or a second look at it, has not been sent yet."""
        return self.state == "queued" or self.look_number is not None

    @property
    def is_told(self) -> bool:
        """Whether the prompts of later turns hold it: its answer has begun and did not end in an error."""
        return (
            not (self.is_dropped or self.is_alone) and self.state in ("done", "stopped") and bool(self.answer.strip())
        )

    @property
    def page(self) -> int | None:
        """The page that it was asked about alone."""
        return self.images[0].page if self.is_alone and self.images else None

    @property
    def boxes(self) -> tuple[Box, ...]:
        """The places in the last image of the prompt that the answer names."""
        return parse_boxes(self.answer, self.image_sizes, is_cut=self.state != "done")[0]

    @property
    def reused_memory(self) -> bool:
        """Whether the engine took what it had read for an earlier question, its pictures among it."""
        return isinstance(self.end, Finished) and self.end.cached_tokens > self.image_tokens > 0

    @property
    def tokens_per_second(self) -> float | None:
        """Of the answer after its first token; None where there were too few to tell."""
        if not isinstance(self.end, Finished) or self.end.tokens < 2:
            return None
        if self.looks > 1:
            return None  # the seconds are those of all looks
        seconds = self.end.seconds - self.end.first_token_seconds
        return (self.end.tokens - 1) / seconds if seconds > 0 and self.end.first_token_seconds else None

    @property
    def confidence(self) -> float | None:
        """How sure the model is of its answer, from 0 to 1; None where it is not known, tells nothing or may change."""
        end = None if self.is_looking else self.end
        return told_confidence(end.confidence, end.reason, end.tokens) if isinstance(end, Finished) else None

    @property
    def doubts(self) -> tuple[Notice, ...]:
        """That the model is not sure of its answer."""
        return unsure_notices(self.confidence, self.end.tokens) if isinstance(self.end, Finished) else ()

    @property
    def looks(self) -> int:
        """How many there were at its images."""
        return self.end.looks if isinstance(self.end, Finished) else 1

    @property
    def read_in(self) -> Place | None:
        """In which part of its one picture the answer was read: (left, top, right, bottom) in pixels; None for all."""
        return None if self.is_open else read_in_of(self.notices)

    @property
    def can_look(self) -> bool:
        """Whether a user may want another look: the model is not sure, and has looked once."""
        return self._is_doubtful_after_one_look and self._may_see_more and self.look_number is None

    @property
    def saw_nothing_larger(self) -> bool:
        """Whether its pictures cannot be seen larger, although that is wanted."""
        return self._is_doubtful_after_one_look and not self._may_see_more

    @property
    def _is_doubtful_after_one_look(self) -> bool:
        return self.looks == 1 and self.state == "done" and bool(self.doubts) and self._num_images > 0

    @property
    def _may_see_more(self) -> bool:
        return self.may_look and is_tiled(self._num_images)

    @property
    def _num_images(self) -> int:
        return len(self.image_sizes or self.images)

    def begin_look(self) -> FirstAnswer:
        """Let a second look follow an answer that is over; it stays until there is a surer one."""
        self.state, self.is_looking, self.may_look = "streaming", True, False
        self.look_number = self.look_failure = None
        end = self.end
        if not isinstance(end, Finished):
            raise AssertionError("an answer that did not end is not looked at again")
        return FirstAnswer(self.answer, end.confidence, end.tokens, end.seconds)

    def take(self, event: TurnEvent) -> None:
        """Take in what the engine says about it."""
        if isinstance(event, Prepared):
            earlier = len(event.image_sizes) - len(self.images)
            # What is so of an image was said when it was first asked about.
            self.notices = tuple(
                notice for notice in event.notices if int(notice.values.get("image", earlier + 1)) > earlier
            )
            self.image_sizes = event.image_sizes
            self.prompt_tokens, self.image_tokens = event.prompt_tokens, event.image_tokens
        elif isinstance(event, LooksAgain):
            self.is_looking, self.end = True, event.first
        elif isinstance(event, Replaced):
            self.first_answer, self.answer = self.answer, event.text
        elif isinstance(event, Finished):
            if event.reason == "stop" and self._is_look_stopped:
                self.cut("done", event)  # it counts as not begun
            elif event.reason == "stop" and self.is_looking and event.looks == 1:
                self.state, self.is_looking = "done", False  # nothing larger was seen; the figures are the first ones
            elif event.reason == "stop":
                self.state, self.end, self.is_looking = "done", event, False
                self.notices = notices_beside(event.read_in, self.notices)
            else:
                self.cut("stopped" if event.reason == "cancelled" else "done", event)
        elif isinstance(event, Failed):
            self.fail(event.error)
        else:
            self.answer += event.text
            self.state = "streaming" if self.state == "waiting" else self.state

    @property
    def _is_look_stopped(self) -> bool:
        return self.is_looking and self.state == "stopping" and not self.first_answer

    def fail(self, failure: WireError | EngineEnd) -> None:
        """There will be no answer, or no more of it; or no second look at one that is there."""
        if self.is_looking or self.look_number is not None:
            self.look_failure = failure
        self.cut("failed", failure)

    def cut(self, state: TurnState, end: Finished | WireError | EngineEnd | None) -> None:
        """No more will come; where the first look was over, its answer counts, and can be looked at again."""
        if self.is_looking or self.look_number is not None:
            self.state, self.is_looking, self.may_look, self.look_number = "done", False, True, None
        else:
            self.state, self.end = state, end


@dataclass(frozen=True, slots=True)
class Conversation:
    """What a conversation is made of: what is kept of it, and what it is shown from."""

    id: str = field(default_factory=new_id)
    title: str = ""
    turns: tuple[Turn, ...] = ()
    images: tuple[Attachment, ...] = ()
    """In the window, for the next question."""
