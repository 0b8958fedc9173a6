"""The messages of a conversation as a client sends them to the engine: texts, images by their paths, special tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, cast

from pydantic import Field
from pydantic.dataclasses import dataclass

from dsvl2_runtime.config import STRICT
from dsvl2_runtime.inputs.prompt import GROUNDING_NAMES

Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


@dataclass(frozen=True, config=STRICT)
class TextPart:
    """Text as a user typed it; it becomes a special token only where `Ask.special_tokens` says so."""

    text: str
    kind: Literal["text"] = "text"


@dataclass(frozen=True, config=STRICT)
class ImagePart:
    """An image, on a line of its own in the prompt."""

    path: str
    """Absolute."""
    name: str | None = None
    """What the user calls it, for messages; without it the path."""
    sha256: Sha256 | None = None
    """Of the file's bytes, from a client that keeps content: a file with other bytes is then refused."""
    kind: Literal["image"] = "image"


GroundingToken = Literal["<|ref|>", "<|/ref|>", "<|det|>", "<|/det|>", "<|grounding|>"]
"""One of `prompt.GROUNDING_TOKENS`, for the check of messages."""


@dataclass(frozen=True, config=STRICT)
class TokenPart:
    """A special token that a program puts there: in the request for a place, or in an answer with boxes."""

    name: GroundingToken
    kind: Literal["token"] = "token"


Part = Annotated[TextPart | ImagePart | TokenPart, Field(discriminator="kind")]


@dataclass(frozen=True, config=STRICT)
class ChatMessage:
    """One message of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: tuple[Part, ...]


def user_message(question: str, images: Sequence[ImagePart] = ()) -> ChatMessage:
    """A question about images, which come first."""
    return ChatMessage("user", (*images, TextPart(question)))


def grounded_parts(text: str) -> tuple[Part, ...]:
    """A text of the program or of the model, in which the names of the grounding tokens mean these tokens."""
    # What is split off is every other piece, and is one of the names.
    pieces = enumerate(GROUNDING_NAMES.split(text))
    return tuple(
        TokenPart(cast("GroundingToken", piece)) if at % 2 else TextPart(piece) for at, piece in pieces if piece
    )
