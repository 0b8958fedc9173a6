"""The command `dsvl2-onnx`: the verbs of the runtime, and those of the other parts found by their entry points.

Rules: the answer alone goes to standard output, everything else to standard error; progress only on a terminal; every
error that a user can cause is one line with an exit code (errors.py), never a traceback.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Annotated

import typer
from typer.models import CommandInfo

from dsvl2_runtime import __version__
from dsvl2_runtime.cli.exit_codes import exit_code_of
from dsvl2_runtime.cli.run_verb import app
from dsvl2_runtime.cli.settings import PROGRAM, command_of, settings_of
from dsvl2_runtime.cli.streams import prepare_streams, print_message
from dsvl2_runtime.machine.mapped_files import report_lost_files

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

VERB_GROUP = "dsvl2_onnx.verbs"
YOUNG_OBJECTS = 50_000
"""New ones before Python searches for cycles among them."""
ALL_VERBS = "config"
"""The verb that shows the options of all others."""

__all__ = ["add_verbs", "app", "main"]


def main() -> None:
    """Entry point of the console script."""
    # Imports make objects by the ten thousand that stay; searching them for garbage again and again took 0.04 s.
    gc.set_threshold(YOUNG_OBJECTS)
    # pydantic would read the metadata of every installed package in search of plugins, which took 0.03 s, and run them.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "1")
    prepare_streams()
    report_lost_files(lambda text: print_message(f"dsvl2-onnx: {text}"))
    sys.exit(exit_code_of(_run_app))


def _run_app() -> None:
    asked = sys.argv[1] if len(sys.argv) > 1 else ""
    choose_verbs(app, asked)
    command = command_of(app)
    command.main(sys.argv[1:] or ["--help"], prog_name=PROGRAM, default_map=settings_of(asked, command))


def _print_version(asked: bool) -> None:
    if asked:
        print(__version__)
        raise typer.Exit


def choose_verbs(target: typer.Typer, asked: str) -> None:
    """Leave the one verb that is asked for, or add those of the other parts.

    Making the commands and importing the other parts takes a tenth of a second, which every `run` would pay.

    Args:
        target: has the verb `run`.
        asked: the first argument; where that is no verb, as for help and completion, all verbs are needed.
    """
    if not _named(target, asked):
        import_module("dsvl2_runtime.cli.verbs")  # adds the other verbs of the runtime
    own = _named(target, asked)
    if own and asked != ALL_VERBS:
        target.registered_commands = own
    else:
        add_verbs(target, asked)
    # Without a callback typer also takes the only command of a program for the program itself.
    target.callback()(_program)


def _program(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    """Options before the verb."""


def _named(target: typer.Typer, asked: str) -> list[CommandInfo]:
    return [
        command
        for command in target.registered_commands
        if (command.name or getattr(command.callback, "__name__", "")) == asked
    ]


def add_verbs(target: typer.Typer, asked: str = "") -> None:
    """Add that verb of the other parts, or all of them; one that cannot be imported says which extra it needs."""
    from importlib.metadata import entry_points  # takes 0.03 s, which a `run` need not wait for

    entries = {entry.name: entry for entry in entry_points(group=VERB_GROUP)}
    for name in [asked] if asked in entries else sorted(entries):
        target.command(name)(_load_verb(entries[name]))


def _load_verb(entry: EntryPoint) -> Callable[..., None]:
    try:
        verb: Callable[..., None] = entry.load()
    except ModuleNotFoundError as error:
        missing = error

        def unavailable() -> None:
            raise missing

        unavailable.__doc__ = "Not installed."
        return unavailable
    return verb


if __name__ == "__main__":  # for programs that start this one without knowing where its command is
    main()
