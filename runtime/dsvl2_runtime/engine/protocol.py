"""What the window and the engine process say to each other: one JSON object per line, checked on both sides.

The engine reads commands from its standard input and writes events to its standard output.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from dsvl2_runtime.config import STRICT, describe
from dsvl2_runtime.errors import Dsvl2Error
from dsvl2_runtime.notices import Notice
from dsvl2_runtime.progress import FinishReason, Phase

LONGEST_LINE = 1_000_000
"""Bytes; the longest question that fits a context is far below."""


class ProtocolError(Dsvl2Error, ValueError):
    """A line that is none of ours; the process on the other side is not what it should be."""


@dataclass(frozen=True, config=STRICT)
class Load:
    """Load a bundle; every other command needs one."""

    model: str
    """Folder or name."""
    threads: int | None = None
    force: bool = False
    """Even a model that seems too large for the memory."""
    kind: Literal["load"] = "load"


@dataclass(frozen=True, config=STRICT)
class Ask:
    """Answer a question."""

    turn: int
    question: str
    pictures: tuple[str, ...]
    """Absolute paths."""
    max_new_tokens: int = 512
    kind: Literal["ask"] = "ask"


@dataclass(frozen=True, config=STRICT)
class Stop:
    """End the answer to a question; the events of the turn still come to their end."""

    turn: int
    kind: Literal["stop"] = "stop"


@dataclass(frozen=True, config=STRICT)
class Progressed:
    """How far a phase is; without a turn while loading."""

    phase: Phase
    done: int
    total: int
    turn: int | None = None
    kind: Literal["progressed"] = "progressed"


@dataclass(frozen=True, config=STRICT)
class Loaded:
    """The bundle is ready."""

    name: str
    precision: str
    note: str
    kind: Literal["loaded"] = "loaded"


@dataclass(frozen=True, config=STRICT)
class Prepared:
    """The pictures are as the model will see them; `notices` says what of them it will not see."""

    turn: int
    notices: tuple[Notice, ...]
    kind: Literal["prepared"] = "prepared"


@dataclass(frozen=True, config=STRICT)
class Wrote:
    """A piece of the answer."""

    turn: int
    text: str
    kind: Literal["wrote"] = "wrote"


@dataclass(frozen=True, config=STRICT)
class Finished:
    """The answer is complete."""

    turn: int
    reason: FinishReason
    tokens: int
    seconds: float
    kind: Literal["finished"] = "finished"


@dataclass(frozen=True, config=STRICT)
class Failed:
    """A turn came to an error; without a turn it was the loading or a line, and the process can answer nothing."""

    message: str
    turn: int | None = None
    kind: Literal["failed"] = "failed"


Command = Load | Ask | Stop
Event = Progressed | Loaded | Prepared | Wrote | Finished | Failed

Message = TypeVar("Message")

_COMMANDS: TypeAdapter[Command] = TypeAdapter(Annotated[Command, Field(discriminator="kind")])
_EVENTS: TypeAdapter[Event] = TypeAdapter(Annotated[Event, Field(discriminator="kind")])


def to_line(message: Command | Event) -> bytes:
    """One line of ASCII JSON with its line end; lone surrogates survive as escapes."""
    text: str = json.dumps(TypeAdapter(type(message)).dump_python(message), ensure_ascii=True)
    return text.encode("ascii") + b"\n"


def read_command(line: bytes) -> Command:
    """A command from its line.

    Raises:
        ProtocolError: it is too long, not JSON, or not exactly one of the commands.
    """
    return _read(_COMMANDS, line)


def read_event(line: bytes) -> Event:
    """An event from its line; raises like `read_command`."""
    return _read(_EVENTS, line)


def _read(adapter: TypeAdapter[Message], line: bytes) -> Message:
    if len(line) > LONGEST_LINE:
        raise ProtocolError(f"a line of {len(line)} bytes came; at most {LONGEST_LINE} are read")
    try:
        document: Any = json.loads(line)
        return adapter.validate_python(document)
    except ValidationError as error:
        raise ProtocolError(f"not a message: {describe(error)}") from error
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"not a message: {error}") from error
