"""The body of a request for a chat completion to the question that the engine gets.

Source: "Create chat completion" of OpenAI's API reference. Fields that would change the answer and that this model
cannot follow are refused; all others that are not known are ignored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dsvl2_runtime.answers.sampling import GenerationOptions
from dsvl2_runtime.config import describe
from dsvl2_runtime.errors import UsageError
from dsvl2_runtime.inputs.images import ImageBytes
from dsvl2_runtime.inputs.messages import Conversation, read_messages
from dsvl2_runtime.inputs.prompt import ImagePlace, Message

NEUTRAL: dict[str, tuple[object, ...]] = {
    "n": (1,),
    "tools": ([],),
    "tool_choice": ("none", "auto"),
    "functions": ([],),
    "function_call": ("none", "auto"),
    "logprobs": (False,),
    "top_logprobs": (0,),
    "logit_bias": ({},),
    "frequency_penalty": (0,),
    "presence_penalty": (0,),
    "response_format": ({"type": "text"},),
    "modalities": (["text"],),
    "audio": (),
    "prediction": (),
    "web_search_options": (),
}
"""Fields that cannot be followed to the values with which they change nothing; null is always one of them."""


class StreamOptions(BaseModel):
    """What a stream holds beside the answer."""

    model_config = ConfigDict(strict=True, extra="ignore")
    include_usage: bool | None = None


class Body(BaseModel):
    """The fields that are followed."""

    model_config = ConfigDict(strict=True, extra="allow")
    messages: list[dict[str, Any]] = Field(min_length=1)
    model: str | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    repetition_penalty: float | None = None
    seed: int | None = None
    stop: str | list[str] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """One question, read and checked as far as that is possible without the model."""

    model: str | None
    """As the client calls it."""
    messages: tuple[Message, ...]
    images: tuple[ImageBytes, ...]
    """In the order of their places."""
    options: GenerationOptions
    stream: bool
    include_usage: bool


def read_chat_request(body: bytes) -> ChatRequest:
    """Read a body of JSON.

    Raises:
        UsageError: it is no JSON, lacks something, or asks for something that cannot be done.
        ImageError: a picture is not a `data:` URL or is damaged.
    """
    try:
        fields = Body.model_validate_json(body)
    except ValidationError as error:
        raise UsageError(f"the request cannot be read: {describe(error)}") from error
    _require_neutral(fields.model_extra or {})
    conversation = read_messages(fields.messages, local_files=False)
    return ChatRequest(
        fields.model,
        conversation.messages,
        _image_bytes(conversation),
        _options(fields),
        bool(fields.stream),
        bool(fields.stream_options and fields.stream_options.include_usage),
    )


def _require_neutral(extra: dict[str, Any]) -> None:
    for name, values in NEUTRAL.items():
        if extra.get(name) is not None and extra[name] not in values:
            raise UsageError(f"this server cannot follow {name} in a request; leave it out")


def _options(fields: Body) -> GenerationOptions:
    longest = fields.max_tokens if fields.max_completion_tokens is None else fields.max_completion_tokens
    given: dict[str, Any] = {
        "max_new_tokens": longest,
        "temperature": fields.temperature,
        "top_p": fields.top_p,
        "top_k": fields.top_k,
        "repetition_penalty": fields.repetition_penalty,
        "seed": fields.seed,
        "stop": fields.stop,
    }
    return GenerationOptions(**{name: value for name, value in given.items() if value is not None})


def _image_bytes(conversation: Conversation) -> tuple[ImageBytes, ...]:
    """The images, which are all bytes, because only `data:` URLs were read."""
    images: list[ImageBytes] = []
    for image in conversation.images:
        if not isinstance(image, ImageBytes):
            raise UsageError("a picture is not a data: URL; files are not read for others")
        images.append(image)
    return tuple(images)


def text_and_images(message: Message) -> Sequence[str | None]:
    """The parts of a message as the engine takes them: texts, and None where an image belongs.

    The engine puts an image on a line of its own, so the line end after its place is left out.
    """
    if isinstance(message.content, str):
        return [message.content]
    parts: list[str | None] = []
    after_place = False
    for part in message.content:
        if isinstance(part, ImagePlace):
            parts.append(None)
        elif isinstance(part, str) and not (after_place and part == "\n"):
            parts.append(part)
        after_place = isinstance(part, ImagePlace)
    return parts
