"""Messages as other programs write them, OpenAI's and transformers', to the messages of this package.

A message is a mapping with `role` and `content`, and content is text or a list of parts:

| part | what becomes of it |
|---|---|
| `{"type": "text", "text": …}` | text, which can never become a special token |
| `{"type": "image_url", "image_url": {"url": …}}`, or the address itself | an image (OpenAI) |
| `{"type": "image", "image": …}`, or `url`, `path`, `base64` in place of `image` | an image (transformers) |
| `{"type": "image"}` | the next one of the images that are given beside the messages |

An address is a `data:` URL; where local files are allowed, a path or a `file:` URI as well. Nothing is downloaded.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

from dsvl2_runtime.errors import ImageError, UsageError
from dsvl2_runtime.inputs.images import LARGEST_FILE_BYTES, ImageBytes, ImageSource, image_source
from dsvl2_runtime.inputs.processor import PromptImage
from dsvl2_runtime.inputs.prompt import ContentPart, ImagePlace, Message

MessageDict = Mapping[str, Any]
"""A message as JSON has it."""

ROLES: dict[object, Literal["system", "user", "assistant"]] = {
    "system": "system", "developer": "system", "user": "user", "assistant": "assistant",
}  # fmt: skip
"""OpenAI's newer word for the system is "developer"."""
IMAGE_KEYS = ("image", "url", "path", "base64")


@dataclass(frozen=True, slots=True)
class Conversation:
    """Messages, and their images in the order of their places."""

    messages: tuple[Message, ...]
    images: tuple[PromptImage, ...]


def read_messages(
    documents: Sequence[MessageDict], images: Sequence[PromptImage] = (), *, local_files: bool = True
) -> Conversation:
    """Convert messages; each image stands on a line of its own, where its part stood.

    Args:
        documents: from the first message to the user's last one.
        images: for parts that only say that an image belongs there.
        local_files: whether a message may name a file of this machine; not where messages come from others.

    Raises:
        UsageError: something is not as the table above says, with the place where.
        ImageError: an image is an address of the internet, or its URL is damaged.
    """
    reader = _Reader(list(images), local_files)
    messages = tuple(reader.message(document, f"message {number}") for number, document in enumerate(documents, 1))
    if reader.beside:
        raise UsageError(f"{len(reader.beside)} of the pictures beside the messages have no place in them")
    return Conversation(messages, tuple(reader.images))


class _Reader:
    """Collects the images of a conversation while its messages are converted."""

    def __init__(self, beside: list[PromptImage], local_files: bool) -> None:
        self.beside, self._local_files = beside, local_files
        self.images: list[PromptImage] = []

    def message(self, document: object, place: str) -> Message:
        if not isinstance(document, Mapping):
            raise UsageError(f"{place} is a {type(document).__name__}; it must be a mapping with role and content")
        _require_no_more(document, {"role", "content", "name"}, place)
        role = document.get("role")
        if not isinstance(role, str) or role not in ROLES:
            raise UsageError(f"{place} has the role {role!r}; it must be one of {', '.join(map(str, ROLES))}")
        content = document.get("content")
        if content is None and role == "assistant":
            content = ""  # OpenAI's form of an answer without text
        if isinstance(content, str):
            return Message(ROLES[role], content)
        if not isinstance(content, Sequence) or isinstance(content, bytes):
            raise UsageError(
                f"the content of {place} is a {type(content).__name__}; it must be text or a list of parts"
            )
        parts: list[ContentPart] = []
        for number, part in enumerate(content, 1):
            parts += self._part(part, f"part {number} of {place}")
        return Message(ROLES[role], parts)

    def _part(self, part: object, place: str) -> list[ContentPart]:
        if isinstance(part, str):
            return [part]
        kind = part.get("type") if isinstance(part, Mapping) else None
        if not isinstance(part, Mapping) or kind not in ("text", "image_url", "image"):
            found = f"has the type {kind!r}" if isinstance(part, Mapping) else f"is a {type(part).__name__}"
            raise UsageError(f"{place} {found}; it must be a mapping with the type text, image_url or image")
        if kind == "text":
            _require_no_more(part, {"type", "text"}, place)
            text = part.get("text")
            if not isinstance(text, str):
                raise UsageError(f"the text of {place} is a {type(text).__name__}")
            return [text]
        self.images.append(self._image(part, place))
        return [ImagePlace(), "\n"]

    def _image(self, part: Mapping[str, Any], place: str) -> PromptImage:
        if part["type"] == "image_url":
            _require_no_more(part, {"type", "image_url"}, place)
            address = part.get("image_url")
            if isinstance(address, Mapping):
                _require_no_more(address, {"url", "detail"}, place)
                address = address.get("url")
            if not isinstance(address, str):
                raise UsageError(f"the image_url of {place} must be an address, or a mapping with the address as url")
            return self._address(address, place)
        _require_no_more(part, {"type", *IMAGE_KEYS}, place)
        given = [key for key in IMAGE_KEYS if part.get(key) is not None]
        if len(given) > 1:
            raise UsageError(f"{place} has {' and '.join(given)}; give one of them")
        if not given:
            if not self.beside:
                raise UsageError(f"{place} has no picture in it, and no picture is left of those beside the messages")
            return self.beside.pop(0)
        value = part[given[0]]
        if given[0] == "base64":
            if not isinstance(value, (str, bytes)):
                raise UsageError(f"the base64 of {place} is a {type(value).__name__}")
            return _decoded(value, place)
        if isinstance(value, str):
            return self._address(value, place)
        if not self._local_files:
            raise UsageError(f"the picture of {place} is a {type(value).__name__}; give it as a data: URL")
        return cast("ImageSource", value)

    def _address(self, address: str, place: str) -> ImageSource:
        if address[:5].lower() == "data:":
            head, comma, data = address.partition(",")
            if not comma or not head.lower().endswith(";base64"):
                raise ImageError(f"in {place}", "its data: URL is not base64", "write data:image/png;base64,…")
            return _decoded(data, place)
        if address == "-":  # standard input is for the command line
            raise ImageError(address, "not a file", "give a path or a data: URL")
        source = image_source(address)
        if not self._local_files:
            raise UsageError(f"the picture of {place} is not a data: URL; files are not read for others")
        return source


def _decoded(data: str | bytes, place: str) -> ImageBytes:
    name = f"in {place}"
    if len(data) > LARGEST_FILE_BYTES * 4 // 3 + 4:
        raise ImageError(name, f"over {LARGEST_FILE_BYTES} bytes", "use a smaller file")
    try:
        return ImageBytes(name, base64.b64decode(data, validate=True))
    except (binascii.Error, ValueError) as error:
        raise ImageError(name, f"its base64 is damaged ({error})", "encode it again") from error


def _require_no_more(document: Mapping[str, Any], known: set[str], place: str) -> None:
    """Refuse keys that would change what is meant; clients also send many of them with nothing in them."""
    more = sorted(str(key) for key, value in document.items() if key not in known and value not in (None, [], {}, ""))
    if more:
        raise UsageError(f"{place} has {', '.join(more)}, which this model does not know")
