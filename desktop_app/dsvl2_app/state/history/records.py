"""What is kept of conversations, as data that is checked both when it is written and when it is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, TypeAdapter
from pydantic.dataclasses import dataclass

from dsvl2_runtime.config import STRICT

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Identity = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
"""A random UUID in hexadecimal digits; it may become a part of a file's name."""
Side = Annotated[int, Field(gt=0, lt=1 << 31)]
Coordinate = Annotated[int, Field(ge=0, le=999)]
Share = Annotated[float, Field(ge=0, le=1)]
Looks = Annotated[int, Field(ge=1)]
SavedState = Literal["open", "done", "stopped", "failed"]
"""Of a turn. `open` is one whose answer was still coming when it was written last."""


@dataclass(frozen=True, slots=True, config=STRICT)
class SavedImage:
    """An image that no earlier turn has; its content is in the folder of pictures."""

    name: str
    sha256: Sha256
    width: Side
    height: Side
    page: Annotated[int, Field(gt=0)] | None = None
    """Of the document that it was drawn from, counted from 1."""
    document: str | None = None
    """Name of that document."""


@dataclass(frozen=True, slots=True, config=STRICT)
class SavedBox:
    """A place in an image that an answer names."""

    label: str
    image: Annotated[int, Field(gt=0)]
    """Which image of the conversation up to here, counted from 1."""
    norm999: tuple[Coordinate, Coordinate, Coordinate, Coordinate]
    """(left, top, right, bottom) from 0 to 999."""


@dataclass(frozen=True, slots=True, config=STRICT)
class SavedEnd:
    """How an answer ended."""

    reason: str
    """A `FinishReason`, or the class of an error."""
    tokens: Annotated[int, Field(ge=0)] = 0
    seconds: Annotated[float, Field(ge=0)] = 0.0
    cached_tokens: Annotated[int, Field(ge=0)] = 0
    first_token_seconds: Annotated[float, Field(ge=0)] = 0.0
    message: str = ""
    """Of the error."""


@dataclass(frozen=True, slots=True, config=STRICT)
class SavedNotice:
    """What was told beside an answer. Another version may not know its code, so any is kept."""

    code: str
    values: Mapping[str, int | float | str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, config=STRICT)
class SavedTurn:
    """A question and its answer."""

    id: Identity
    question: str
    asked_at: float
    """Seconds since the epoch."""
    answer: str = ""
    """As the model wrote it, boxes included."""
    state: SavedState = "open"
    images: tuple[SavedImage, ...] = ()
    boxes: tuple[SavedBox, ...] = ()
    end: SavedEnd | None = None
    model: str = ""
    """Name and precision of the model that answered."""
    task: str = "question"
    """What was asked for, as `state.turn.Task` has it; another version may know others."""
    image_sizes: tuple[tuple[Side, Side], ...] = ()
    """(width, height) of each image of the whole prompt, those of earlier turns included."""
    notices: tuple[SavedNotice, ...] = ()
    is_dropped: bool = False
    """Later questions do not hold it."""
    is_alone: bool = False
    """It was one of the questions for each page of a document."""
    confidence: Share | None = None
    """The probability that the model gave to its answer, where it is known (`answers/confidence.py`)."""
    looks: Looks = 1
    """How many there were at its images (`answers/second_look.py`)."""
    first_answer: str = ""
    """What was read at the first look, where another answer counts."""


@dataclass(frozen=True, slots=True, config=STRICT)
class Summary:
    """A conversation as a list shows it."""

    id: Identity
    title: str
    updated_at: float
    """Seconds since the epoch."""
    is_pinned: bool = False
    turns: Annotated[int, Field(ge=0)] = 0
    picture: str = ""
    """Name of its first image, if it has one."""
    picture_sha256: Sha256 | None = None


@dataclass(frozen=True, slots=True, config=STRICT)
class SavedConversation:
    """A conversation with all of its turns, the oldest first."""

    id: Identity
    title: str
    created_at: float
    updated_at: float
    turns: tuple[SavedTurn, ...]
    is_pinned: bool = False


@dataclass(frozen=True, slots=True, config=STRICT)
class Hit:
    """A conversation that a search has found."""

    summary: Summary
    excerpt: str
    """One line around the first place; of the title where no turn holds the words."""
    marks: tuple[tuple[int, int], ...] = ()
    """(begin, end) in the excerpt, of the words that were searched."""
    turn: Identity | None = None
    """The newest turn that holds the words."""


@dataclass(frozen=True, slots=True, config=ConfigDict(extra="ignore", allow_inf_nan=False))
class More:
    """What a turn has beside its texts, as one JSON text; keys of a newer version are passed over."""

    boxes: tuple[SavedBox, ...] = ()
    end: SavedEnd | None = None
    task: str = "question"
    image_sizes: tuple[tuple[Side, Side], ...] = ()
    notices: tuple[SavedNotice, ...] = ()
    is_dropped: bool = False
    is_alone: bool = False
    confidence: Share | None = None
    looks: Looks = 1
    first_answer: str = ""


MORE: TypeAdapter[More] = TypeAdapter(More)
