"""What a second start asks of the window that is open: one JSON object with a version, checked on arrival."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import field
from typing import Annotated, Final, Literal

from pydantic import Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from dsvl2_runtime.config import STRICT
from dsvl2_runtime.errors import Dsvl2Error

REQUEST_VERSION: Final = 1
LONGEST_REQUEST = 64_000_000
"""Bytes: a picture from standard input travels in it."""
MOST_PICTURES = 1_000
LONGEST_QUESTION = 100_000
LONGEST_TOKEN = 512
LONGEST_DELAY = 60.0
AUTO = "auto"
"""Of a provider: any will do."""

CaptureKind = Literal["region", "window", "screen"]
Token = Annotated[str, Field(max_length=LONGEST_TOKEN, pattern=r"^[ -~]*$")]


class RequestError(Dsvl2Error, ValueError):
    """A request that cannot be read, or an answer to one."""

    exit_code = 2
    http_status = 400


class RefusedError(Dsvl2Error):
    """The open window did not do what a second start asked of it; the exit code is that of its reason."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


@dataclass(frozen=True, config=STRICT)
class PictureBytes:
    """A picture that has no file: what came through standard input."""

    name: str
    content: str
    """Base64."""

    @property
    def data(self) -> bytes:
        """The bytes.

        Raises:
            RequestError: they are not base64.
        """
        try:
            return base64.b64decode(self.content, validate=True)
        except binascii.Error as error:
            raise RequestError(f"the content of {self.name} is not base64") from error


@dataclass(frozen=True, config=STRICT)
class AppRequest:
    """Show the window; open pictures or capture one, and ask if there is a question."""

    version: Literal[1] = REQUEST_VERSION
    pictures: Annotated[tuple[str | PictureBytes, ...], Field(max_length=MOST_PICTURES)] = ()
    """Absolute paths, and pictures without a file."""
    capture: CaptureKind | None = None
    delay: Annotated[float, Field(ge=0, le=LONGEST_DELAY)] = 0.0
    """Seconds before the capture."""
    ask: Annotated[str, Field(max_length=LONGEST_QUESTION)] | None = None
    model: str | None = None
    """The folder of the model that was asked for by name; None if any will do."""
    threads: int | None = None
    provider: str = AUTO
    activation: Token = ""
    """With this a desktop lets a window come to the front (`XDG_ACTIVATION_TOKEN`)."""


@dataclass(frozen=True, config=STRICT)
class AppReply:
    """What became of it."""

    version: Literal[1] = REQUEST_VERSION
    error: str = ""
    """One sentence, if it was refused."""
    exit_code: int = 0
    window: int = field(default=0)
    """The process of the window."""


_REQUEST, _REPLY = TypeAdapter(AppRequest), TypeAdapter(AppReply)


def to_bytes(message: AppRequest | AppReply) -> bytes:
    """A message for the socket: its length in four bytes, the highest first, then JSON.

    Raises:
        RequestError: it is longer than is read.
    """
    adapter: TypeAdapter[AppRequest] | TypeAdapter[AppReply]
    adapter = _REQUEST if isinstance(message, AppRequest) else _REPLY
    text: bytes = adapter.dump_json(message)  # type: ignore[arg-type]
    if len(text) > LONGEST_REQUEST:
        raise RequestError(
            f"this has {len(text)} bytes, and the open window reads {LONGEST_REQUEST}; give the picture as a file"
        )
    return len(text).to_bytes(4, "big") + text


def complete(data: bytes | bytearray) -> bytes | None:
    """The JSON of a message if all of it is there.

    Raises:
        RequestError: it says that it is longer than is read.
    """
    if len(data) < 4:
        return None
    length = int.from_bytes(data[:4], "big")
    if length > LONGEST_REQUEST:
        raise RequestError(f"a message of {length} bytes was announced; {LONGEST_REQUEST} are read")
    return bytes(data[4 : 4 + length]) if len(data) >= 4 + length else None


def read_request(text: bytes) -> AppRequest:
    """A request from its JSON.

    Raises:
        RequestError: it is none, or of another version.
    """
    _require_version(text)
    try:
        return _REQUEST.validate_json(text)
    except ValidationError as error:
        raise RequestError(f"the request cannot be read: {_first(error)}") from error


def read_reply(text: bytes) -> AppReply:
    """A reply from its JSON; raises like `read_request`."""
    _require_version(text)
    try:
        return _REPLY.validate_json(text)
    except ValidationError as error:
        raise RequestError(f"the answer of the open window cannot be read: {_first(error)}") from error


def _require_version(text: bytes) -> None:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RequestError("the message is not JSON") from error
    version = found.get("version") if isinstance(found, dict) else None
    if version != REQUEST_VERSION:
        raise RequestError(
            f"the open window and this command are of different versions ({version} and {REQUEST_VERSION}); "
            "close the window and start it again"
        )


def _first(error: ValidationError) -> str:
    found = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(map(str, found['loc']))}: {found['msg']}"
