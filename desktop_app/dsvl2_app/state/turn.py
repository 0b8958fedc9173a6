"""One question of a conversation, its pictures, and as much of its answer as has come."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Literal
from uuid import uuid4

from PIL import Image

from dsvl2_runtime.answers.boxes import Box, parse_boxes
from dsvl2_runtime.answers.confidence import SHORT_TOKENS, unsure_notices
from dsvl2_runtime.answers.sampling import GenerationOptions
from dsvl2_runtime.engine.client import EngineEnd
from dsvl2_runtime.engine.image_store import KeptImage
from dsvl2_runtime.engine.protocol import Failed, Finished, ImagePart, Prepared, Wrote
from dsvl2_runtime.engine.wire_error import WireError
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

    @property
    def is_asked(self) -> bool:
        """Whether the engine is at work for it."""
        return self.state in ("waiting", "streaming", "stopping")

    @property
    def is_open(self) -> bool:
        """Whether more may come."""
        return self.is_asked or self.state == "queued"

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
        seconds = self.end.seconds - self.end.first_token_seconds
        return (self.end.tokens - 1) / seconds if seconds > 0 and self.end.first_token_seconds else None

    @property
    def confidence(self) -> float | None:
        """How sure the model is of its answer, from 0 to 1; None where that is not known or tells nothing."""
        end = self.end
        return told_confidence(end.confidence, end.reason, end.tokens) if isinstance(end, Finished) else None

    @property
    def doubts(self) -> tuple[Notice, ...]:
        """That the model is not sure of its answer."""
        return unsure_notices(self.confidence, self.end.tokens) if isinstance(self.end, Finished) else ()

    def take(self, event: Prepared | Wrote | Finished | Failed) -> None:
        """Take in what the engine says about it."""
        if isinstance(event, Prepared):
            earlier = len(event.image_sizes) - len(self.images)
            # What is so of an image was said when it was first asked about.
            self.notices = tuple(
                notice for notice in event.notices if int(notice.values.get("image", earlier + 1)) > earlier
            )
            self.image_sizes = event.image_sizes
            self.prompt_tokens, self.image_tokens = event.prompt_tokens, event.image_tokens
        elif isinstance(event, Wrote):
            self.answer += event.text
            self.state = "streaming" if self.state == "waiting" else self.state
        elif isinstance(event, Finished):
            self.state = "stopped" if event.reason == "cancelled" else "done"
            self.end = event
        else:
            self.fail(event.error)

    def fail(self, failure: WireError | EngineEnd) -> None:
        """There will be no answer, or no more of it."""
        self.state, self.end = "failed", failure
