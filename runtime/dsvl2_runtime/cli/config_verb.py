"""The verb `config`: every setting with where it comes from, and whether the configuration file is right."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any

import typer
from rich.table import Table

from dsvl2_runtime.bundle.model_names import models_folder as shelf_folder
from dsvl2_runtime.cli import settings
from dsvl2_runtime.cli.console import print_table
from dsvl2_runtime.cli.settings import COMMON, MODELS, MODELS_VARIABLE, PREFIX
from dsvl2_runtime.cli.streams import print_json
from dsvl2_runtime.errors import UsageError

FROM = {"DEFAULT_MAP": "file", "ENVIRONMENT": "environment", "DEFAULT": "default"}
SECRET = ("api_key",)
HIDDEN = "(hidden)"
EXAMPLE_VERB = "run"
"""Has all the keys that are common to verbs."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One value."""

    verb: str | None
    """None for what all verbs share."""
    key: str
    value: Any
    source: str
    """`environment`, `file` or `default`."""
    variable: str
    """In which it can stand."""


def show_settings(app: typer.Typer, verb: str | None, as_json: bool) -> None:
    """Print what is shared and what is not the default, or all options of one verb.

    Args:
        app: with all verbs.
        verb: that is asked about.
        as_json: one object instead of a table.

    Raises:
        UsageError: there is no such verb, or the file is wrong anywhere.
        ResourceError: the file cannot be read.
    """
    path = settings.settings_file()
    document = settings.read_settings(path)
    commands: dict[str, Any] = settings.command_of(app).commands
    settings.check_top(document, path, commands)
    if verb is not None and verb not in commands:
        raise UsageError(f"there is no verb {verb!r}; did you mean {settings.nearest(verb, commands)}?")
    found = list(_shared(document, commands[EXAMPLE_VERB]))
    for name in sorted(commands):
        of_verb = list(_of_verb(commands[name], name, document))
        found += [each for each in of_verb if name == verb or (verb is None and _is_own(each, document))]
    if as_json:
        print_json({"file": str(path), "exists": path.is_file(), "settings": [asdict(each) for each in found]})
        return
    table = Table(
        title=f"{path}{'' if path.is_file() else ' (not there)'}",
        caption=f"variables: {settings.variable_of('verb', 'key')}, and {PREFIX}_KEY where there is no verb",
    )
    for title in ("verb", "key", "value", "from"):
        table.add_column(title, overflow="fold")  # a name that is cut off cannot be typed
    for each in found:
        table.add_row(each.verb or "", each.key, str(each.value), each.source)
    print_table(table)


def _is_own(setting: Setting, document: Mapping[str, Any]) -> bool:
    """Whether a verb's value is neither the default nor what all verbs share."""
    own = setting.key in document.get(setting.verb or "", {}) or setting.variable in os.environ
    return setting.source != "default" and (own or setting.key not in COMMON)


def _shared(document: Mapping[str, Any], command: Any) -> Iterator[Setting]:
    for setting in _of_verb(command, EXAMPLE_VERB, {key: document[key] for key in COMMON if key in document}):
        if setting.key in COMMON:
            yield Setting(None, setting.key, setting.value, setting.source, f"{PREFIX}_{setting.key}".upper())
    if os.environ.get(MODELS_VARIABLE):
        yield Setting(None, MODELS, os.environ[MODELS_VARIABLE], "environment", MODELS_VARIABLE)
    elif MODELS in document:
        yield Setting(None, MODELS, settings.models_folder(document, settings.settings_file()), "file", MODELS_VARIABLE)
    else:
        yield Setting(None, MODELS, str(shelf_folder()), "default", MODELS_VARIABLE)


def _of_verb(command: Any, verb: str, document: Mapping[str, Any]) -> Iterator[Setting]:
    """All options of a verb, of which nothing is typed here."""
    defaults = settings.defaults_of(command, verb, document, settings.settings_file())
    context = command.make_context(verb, [], resilient_parsing=True, default_map=defaults)
    for key, option in settings.option_keys(command).items():
        source = context.get_parameter_source(option.name)
        value = context.params.get(option.name)
        shown = value.value if isinstance(value, Enum) else list(value) if isinstance(value, tuple) else value
        if option.name in SECRET and shown is not None:
            shown = HIDDEN
        yield Setting(
            verb, key, shown, FROM.get(source.name if source else "DEFAULT", "default"), settings.variable_of(verb, key)
        )
