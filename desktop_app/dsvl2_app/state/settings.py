"""What a user has chosen, in a file that can be read and edited: `settings.toml` in the system's place for settings."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, field
from pathlib import Path
from typing import Annotated, Any, Literal

from platformdirs import user_config_path
from pydantic import Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from dsvl2_runtime.config import STRICT, describe
from dsvl2_runtime.errors import UsageError
from dsvl2_runtime.machine.files import disk_errors, new_file

LARGEST_FILE_BYTES = 1_000_000
"""More than any settings have; another file may stand in their place."""
LONGEST_ANSWER = 4096
"""Tokens: no release has more positions."""
MOST_THREADS = 1024

Language = Literal["system", "en", "zh_CN"]


@dataclass(frozen=True, config=STRICT)
class Settings:
    """All of them, as they are when nothing was chosen. Theme and text size are of the layout (`layout.py`)."""

    language: Language = "system"
    opens_last: bool = False
    """Begin with the conversation that was open last."""
    threads: Annotated[int, Field(ge=0, le=MOST_THREADS)] = 0
    """Of the engine; 0 is one for each core that may be used."""
    longest_answer: Annotated[int, Field(ge=1, le=LONGEST_ANSWER)] = 512
    """Tokens."""
    temperature: Annotated[float, Field(ge=0, le=2)] = 0.0
    looks_again: bool = True
    """Where the model is not sure, it looks again by itself, if its answers become better by that."""
    keeps_nothing: bool = False
    """No conversation is kept."""
    tray: bool = False
    """An icon in the notification area."""
    knows_demo: bool = False
    """The card about the demonstration model was answered."""
    model: str = ""
    """Folder of the bundle that is loaded at start; empty for the demonstration model."""
    models: tuple[str, ...] = ()
    """Folders of other bundles that were added."""
    keys: Mapping[str, str] = field(default_factory=dict)
    """Other keys than usual: the usual one, as Qt writes it, to the chosen one, which is empty for none."""


_SETTINGS: TypeAdapter[Settings] = TypeAdapter(Settings)


def settings_path() -> Path:
    """Of this user's settings."""
    path: Path = user_config_path("dsvl2-onnx", appauthor=False) / "settings.toml"
    return path


def load_settings(path: Path | None) -> Settings:
    """What was chosen; the defaults where there is no file.

    Raises:
        UsageError: the file is not as it should be; the message says where.
    """
    if path is None:
        return Settings()
    try:
        if path.stat().st_size > LARGEST_FILE_BYTES:
            raise UsageError(f"{path} is no file of settings: it is too large; remove it or correct it")
        return _SETTINGS.validate_python(tomllib.loads(path.read_text("utf-8")))
    except FileNotFoundError:
        return Settings()
    except ValidationError as error:
        raise UsageError(f"{path}: {describe(error)}; correct it, or remove it to begin anew") from error
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"{path} cannot be read: {error}; correct it, or remove it to begin anew") from error


def save_settings(path: Path | None, settings: Settings) -> None:
    """Write the file, whole or not at all; one that could not be read is kept beside it.

    Raises:
        ResourceError: it cannot be written.
    """
    if path is None:
        return
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            load_settings(path)
        except UsageError:
            path.replace(path.with_name("settings.unreadable.toml"))
        with new_file(path, private=True) as unfinished:
            unfinished.write_text(to_toml(asdict(settings)), "utf-8")


def to_toml(values: Mapping[str, Any]) -> str:
    """Plain values, lists of texts, and one level of tables, which come last."""
    plain = {name: value for name, value in values.items() if not isinstance(value, Mapping)}
    lines = [f"{name} = {_value(value)}" for name, value in plain.items()]
    for name, table in values.items():
        if isinstance(table, Mapping):
            lines += ["", f"[{name}]", *(f"{_value(key)} = {_value(value)}" for key, value in table.items())]
    return "\n".join(lines) + "\n"


def _value(value: object) -> str:
    # Texts, numbers and truths of JSON are those of TOML, apart from one sign that JSON leaves as it is.
    if isinstance(value, str):
        value = value.encode("utf-8", "replace").decode("utf-8")
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
