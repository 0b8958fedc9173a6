"""The body of a request for a chat completion to the question that the engine gets.

Source: "Create chat completion" of OpenAI's API reference. Fields that would change the answer and that this model
cannot follow are refused; all others that are not known are ignored.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

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
    "modalities": (["text"],),
    "audio": (),
    "prediction": (),
    "web_search_options": (),
}
"""Fields that cannot be followed to the values with which they change nothing; null is always one of them."""


ANY_OBJECT = '{"type": "object"}'
"""The JSON schema of an answer that is only told to be JSON."""


class StreamOptions(BaseModel):
    """What a stream holds beside the answer."""

    model_config = ConfigDict(strict=True, extra="ignore")
    include_usage: bool | None = None


class NamedSchema(BaseModel):
    """A JSON schema that the answer has to fit; without one, any object does."""

    model_config = ConfigDict(strict=True, extra="forbid")
    name: str | None = None
    description: str | None = None
    json_schema: dict[str, Any] | None = Field(None, alias="schema")
    strict: bool | None = None
    """Answers are kept within the schema whatever is said here."""


class ResponseFormat(BaseModel):
    """Whether the answer is text or JSON."""

    model_config = ConfigDict(strict=True, extra="forbid")
    type: Literal["text", "json_object", "json_schema"]
    json_schema: NamedSchema | None = None


class Extension(BaseModel):
    """What OpenAI's API has no field for; a key that is not known is refused, since this part is ours."""

    model_config = ConfigDict(strict=True, extra="forbid")
    special_tokens: bool | None = None
    """Whether `<|ref|>`, `<|det|>` and `<|grounding|>` in the texts of this request are the tokens of these names."""
    no_repeat_ngram: int | None = None
    repetition_guard: bool | None = None
    look_again: bool | None = None
    """Where the model is not sure; null leaves it to what is best for the model, and looks once where it streams."""


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
    response_format: ResponseFormat | None = None
    x_dsvl2: Extension | None = None


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
    special_tokens: bool
    look_again: bool | None
    """None leaves it to what is best for the model."""


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
    extension, stream = fields.x_dsvl2 or Extension(), bool(fields.stream)
    return ChatRequest(
        fields.model,
        conversation.messages,
        _image_bytes(conversation),
        _options(fields),
        stream,
        bool(fields.stream_options and fields.stream_options.include_usage),
        bool(extension.special_tokens),
        False if stream and extension.look_again is None else extension.look_again,
    )


def _require_neutral(extra: dict[str, Any]) -> None:
    for name, values in NEUTRAL.items():
        if extra.get(name) is not None and extra[name] not in values:
            raise UsageError(f"this server cannot follow {name} in a request; leave it out")


def _options(fields: Body) -> GenerationOptions:
    longest = fields.max_tokens if fields.max_completion_tokens is None else fields.max_completion_tokens
    extension = fields.x_dsvl2 or Extension()
    given: dict[str, Any] = {
        "max_new_tokens": longest,
        "temperature": fields.temperature,
        "top_p": fields.top_p,
        "top_k": fields.top_k,
        "repetition_penalty": fields.repetition_penalty,
        "seed": fields.seed,
        "stop": fields.stop,
        "no_repeat_ngram": extension.no_repeat_ngram,
        "repetition_guard": extension.repetition_guard,
        "json_schema": _json_schema(fields.response_format),
        "logprobs": True,
    }
    return GenerationOptions(**{name: value for name, value in given.items() if value is not None})


def _json_schema(wanted: ResponseFormat | None) -> str | None:
    """The JSON schema of the answer as text; None for an answer in words."""
    if wanted is None or wanted.type == "text":
        return None
    if wanted.type == "json_object":
        return ANY_OBJECT
    if wanted.json_schema is None:
        raise UsageError("response_format has the type json_schema, but no json_schema in it")
    schema = wanted.json_schema.json_schema
    return ANY_OBJECT if schema is None else json.dumps(schema)


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
