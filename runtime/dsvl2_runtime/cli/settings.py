"""The configuration file: defaults of options, below the environment and below what is typed.

    model = "models/small"      # for every verb that answers, as are threads, provider and models
    [run]                       # options of one verb, spelt as there: --max-tokens
    max_tokens = 256

Typer does the rest (`default_map`, `envvar`): an option that is typed counts more than its variable, such as
DSVL2_RUN_MAX_TOKENS, that more than the file, and the file more than the default. A variable of one verb counts more
than one of all verbs, such as DSVL2_MODEL.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from platformdirs import user_config_path

from dsvl2_runtime.bundle.model_names import FOLDER_VARIABLE
from dsvl2_runtime.errors import UsageError
from dsvl2_runtime.machine.files import read_errors

if TYPE_CHECKING:
    from typer import Typer

Command = Any
"""A command of typer, whose class comes with typer or with click."""
PROGRAM = "dsvl2-onnx"
PREFIX = "DSVL2"
"""Of the variables of all options: DSVL2_VERB_OPTION."""
FILE_VARIABLE = "DSVL2_CONFIG"
"""Names another file."""
MODELS_VARIABLE = FOLDER_VARIABLE
LARGEST_BYTES = 1_000_000
COMMON = ("model", "threads", "provider")
"""Keys outside the tables: they are for every option whose variable is DSVL2_KEY."""
MODELS = "models"
"""The key outside the tables that names the folder of models, which is no option."""
NOT_SET_HERE = ("help",)
EXAMPLE_OPTION = "max_tokens"
"""Its variable stands in the help of a verb that has it."""
KINDS: Mapping[type, tuple[type, ...]] = {bool: (bool,), int: (int,), float: (int, float)}
"""What becomes a value of a kind; everything else is text."""
NAMES: Mapping[type, str] = {bool: "true or false", int: "a whole number", float: "a number"}


def settings_file() -> Path:
    """The file that is read."""
    named = os.environ.get(FILE_VARIABLE)
    return Path(named) if named else Path(user_config_path(PROGRAM)) / "config.toml"


def read_settings(path: Path) -> Mapping[str, Any]:
    """What a file holds; nothing where the usual one is not there.

    Raises:
        UsageError: it is no TOML, or a file that was named is not there.
        ResourceError: it cannot be read.
    """
    with read_errors(path):
        if not path.is_file():
            if path.exists() or os.environ.get(FILE_VARIABLE):
                found = "no regular file" if path.exists() else "no such file"
                raise UsageError(f"{path}: {found}; {FILE_VARIABLE} names the configuration file")
            return {}
        with path.open("rb") as file:
            content = file.read(LARGEST_BYTES + 1)
    if len(content) > LARGEST_BYTES:
        raise UsageError(f"{path}: more than {LARGEST_BYTES} bytes; a configuration file is never that large")
    import tomllib

    try:
        return tomllib.loads(content.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path}: not a configuration file in TOML ({error}); correct it or remove it") from error


def command_of(app: Typer) -> Command:
    """The commands of a program, whose options each know their variable, spelt as the key of the file."""
    from typer.main import get_command

    group: Any = get_command(app)
    for verb, command in group.commands.items():
        _name_variables(command, verb)
    return group


def _name_variables(command: Command, verb: str) -> None:
    """Give the options of a verb their variables, and its help one line about them instead of one for each option."""
    for key, option in option_keys(command).items():
        shared = [option.envvar] if isinstance(option.envvar, str) else []
        option.envvar = [variable_of(verb, key), *shared]
        option.show_envvar = False
        if option.name == EXAMPLE_OPTION or command.epilog is None:
            command.epilog = (
                "Each option can also stand in the configuration file, or in a variable such as "
                f"{option.envvar[0]}: {PROGRAM} config {verb}"
            )


def variable_of(verb: str, key: str) -> str:
    """The environment variable of one option of one verb."""
    return f"{PREFIX}_{verb}_{key}".upper()


def settings_of(asked: str, group: Command) -> dict[str, dict[str, Any]]:
    """The `default_map` for a verb from the configuration file; the folder of models goes into the environment.

    Args:
        asked: the first argument; where it is no verb, as for help, the file is not read.
        group: has the verb.

    Raises:
        UsageError: the file has an unknown key or a value that an option does not take.
        ResourceError: it cannot be read.
    """
    command = group.commands.get(asked)
    if command is None or asked == "config":
        return {}
    path = settings_file()
    document = read_settings(path)
    if not document:
        return {}
    check_top(document, path, verb_names(document))
    if MODELS in document:
        os.environ.setdefault(MODELS_VARIABLE, models_folder(document, path))
    return {asked: defaults_of(command, asked, document, path)}


def models_folder(document: Mapping[str, Any], path: Path) -> str:
    """The folder of models that a file names, relative to that file.

    Raises:
        UsageError: it is no text.
    """
    if not isinstance(document[MODELS], str) or not document[MODELS]:
        raise UsageError(f"{path}: {MODELS} = {document[MODELS]!r}; give the path of a folder")
    return str(path.parent / Path(document[MODELS]).expanduser())


def verb_names(document: Mapping[str, Any]) -> set[str]:
    """The verbs of the runtime, and those of the other parts if a file has another table; they are not imported."""
    from dsvl2_runtime.cli.verbs import VERBS

    names = set(VERBS)
    if document.keys() <= names | {*COMMON, MODELS}:
        return names
    from importlib.metadata import entry_points

    from dsvl2_runtime.cli.main import VERB_GROUP

    return names | {entry.name for entry in entry_points(group=VERB_GROUP)}


def check_top(document: Mapping[str, Any], path: Path, verbs: Collection[str]) -> None:
    """Refuse a table of a verb that is not there, and a key that is none of those outside the tables.

    Raises:
        UsageError: there is one; it names the nearest that there is.
    """
    for key, value in document.items():
        if isinstance(value, dict):
            if key not in verbs:
                raise UsageError(f"{path}: there is no verb {key!r}; did you mean [{nearest(key, verbs)}]?")
        elif key not in (*COMMON, MODELS):
            names = (*COMMON, MODELS)
            raise UsageError(
                f"{path}: {key!r} is no key outside a table; did you mean {nearest(key, names)}, or does it belong "
                "to a verb, such as [run]?"
            )


def option_keys(command: Command) -> dict[str, Any]:
    """Key of the file to option of a verb, which is spelt as it is typed, with underscores."""
    keys = {}
    for option in command.params:
        long = [name for name in option.opts if name.startswith("--")]
        if option.param_type_name == "option" and long and option.name not in NOT_SET_HERE:
            keys[long[0][2:].replace("-", "_")] = option
    return keys


def defaults_of(command: Command, verb: str, document: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """Parameter to value, as the file has them for one verb.

    Raises:
        UsageError: a key is unknown, or its option does not take the value.
    """
    keys = option_keys(command)
    given = {
        key: (document[key], key)
        for key in COMMON
        if key in document and key in keys and f"{PREFIX}_{key.upper()}" in keys[key].envvar
    }
    for name, value in document.get(verb, {}).items():
        key = name.replace("-", "_")
        if key not in keys:
            raise UsageError(f"{path}: [{verb}] has no {name!r}; did you mean {nearest(key, keys)}?")
        given[key] = value, f"[{verb}] {name}"
    return {keys[key].name: _checked(keys[key], value, where, command, path) for key, (value, where) in given.items()}


def _checked(option: Any, value: Any, where: str, command: Command, path: Path) -> Any:
    """A value as its option takes it; TOML has types, so a number is none in quotes."""
    from typer import Context

    if isinstance(value, list) != option.multiple:
        raise UsageError(f"{path}: {where} = {value!r}; give {'a list' if option.multiple else 'a single value'}")
    try:
        taken = option.process_value(Context(command), value)
    except Exception as error:
        said = getattr(
            error, "format_message", None
        )  # the errors of the parser have it; it may be typer's own or click
        if said is None:
            raise
        raise UsageError(f"{path}: {where} = {value!r}: {said()}") from error
    for given, became in zip(value, taken, strict=True) if option.multiple else ((value, taken),):
        kind = next((kind for kind in KINDS if isinstance(became, kind)), str)
        if not isinstance(given, KINDS.get(kind, (str,))) or isinstance(given, bool) != (kind is bool):
            raise UsageError(f"{path}: {where} = {value!r}; give {NAMES.get(kind, 'a text in quotes')}")
    return value


def nearest(name: str, names: Collection[str]) -> str:
    """The most similar of some names."""
    from difflib import get_close_matches

    return get_close_matches(name, sorted(names), n=1, cutoff=0)[0]
