"""An error as it crosses a pipe: class, codes, sentence, and the values from which another text can be made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from pydantic.dataclasses import dataclass

from dsvl2_runtime.config import STRICT
from dsvl2_runtime.errors import Dsvl2Error, OutOfMemoryError

LONGEST_TEXT = 10_000
"""Characters of a message or value; the error must fit into one line, whatever it quotes."""

Value = str | int | float | bool | None


@dataclass(frozen=True, config=STRICT)
class WireError:
    """One error of the engine, for a client in another process."""

    name: str
    """Of the class, such as "ImageError"."""
    message: str
    """One English sentence, as the command line prints it."""
    exit_code: int
    http_status: int
    values: Mapping[str, Value] = field(default_factory=dict)
    """The attributes of the error, such as `source`, `found` and `advice`."""


def wire_error(error: Exception) -> WireError:
    """Describe an error; one that is none of ours is internal, with its class and its words."""
    if isinstance(error, MemoryError):
        error = OutOfMemoryError()
    if not isinstance(error, Dsvl2Error):
        name = type(error).__name__
        return WireError(name, _cut(f"internal error: {name}: {error}"), Dsvl2Error.exit_code, Dsvl2Error.http_status)
    values = {name: _value(value) for name, value in vars(error).items()}
    return WireError(type(error).__name__, _cut(str(error)), error.exit_code, error.http_status, values)


def _value(value: object) -> Value:
    """What JSON can carry; a path becomes its text."""
    if value is None or isinstance(value, int | float | bool):
        return value
    return _cut(str(value))


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_TEXT else text[:LONGEST_TEXT] + "…"
