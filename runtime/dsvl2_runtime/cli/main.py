"""The command `dsvl2-onnx`: the verbs of the runtime, and those of the other parts found by their entry points.

Rules: the answer alone goes to standard output, everything else to standard error; progress only on a terminal; every
error that a user can cause is one line with an exit code (errors.py), never a traceback.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points

import typer

from dsvl2_runtime.cli.exit_codes import exit_code_of
from dsvl2_runtime.cli.streams import prepare_streams, print_message
from dsvl2_runtime.cli.verbs import app
from dsvl2_runtime.machine.mapped_files import report_lost_files

VERB_GROUP = "dsvl2_onnx.verbs"

__all__ = ["add_verbs", "app", "main"]


def main() -> None:
    """Entry point of the console script."""
    prepare_streams()
    report_lost_files(lambda text: print_message(f"dsvl2-onnx: {text}"))
    sys.exit(exit_code_of(_run_app))


def _run_app() -> None:
    add_verbs(app)
    app(prog_name="dsvl2-onnx")


def add_verbs(target: typer.Typer) -> None:
    """Add the verbs of the other parts; one that cannot be imported says which extra it needs."""
    for entry in sorted(entry_points(group=VERB_GROUP), key=lambda found: found.name):
        target.command(entry.name)(_load_verb(entry))


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
