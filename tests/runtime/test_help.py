"""What the command line says of itself: help, and the version."""

from __future__ import annotations

import subprocess
import sys

import pytest
import typer

from dsvl2_runtime import __version__
from dsvl2_runtime.cli.main import add_verbs
from dsvl2_runtime.cli.settings import command_of
from dsvl2_runtime.cli.verbs import app

CODE = "from dsvl2_runtime.cli.main import main; main()"


def call(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", CODE, *arguments], capture_output=True, encoding="utf-8", check=False)


@pytest.mark.parametrize("arguments", [("--help",), ("run", "--help"), ("export", "--help")])
def test_help_works(arguments: tuple[str, ...]) -> None:
    """On standard output, with code 0."""
    found = call(*arguments)
    assert found.returncode == 0, found.stderr
    assert found.stdout.startswith("Usage: ")


def test_help_cuts_nothing_off_in_a_terminal_of_80_columns() -> None:
    """What a verb does is read whole, and so is the name of every option, which could not be typed otherwise."""
    every = typer.Typer(rich_markup_mode=app.rich_markup_mode)
    every.registered_commands += app.registered_commands
    add_verbs(every)
    group = command_of(every)
    listed = group.get_help(typer.Context(group, terminal_width=80))
    assert len(group.commands) > 20
    assert {verb for verb in group.commands if f"  {verb} " not in listed} == set()
    assert "..." not in listed.split("Commands:")[1]
    for verb, command in group.commands.items():
        told = command.get_help(typer.Context(command, info_name=verb, terminal_width=80))
        names = {name for option in command.params for name in (*option.opts, *option.secondary_opts) if "--" in name}
        assert {name for name in names if name not in told} == set(), verb
        assert "\u2026" not in told, verb
        assert max(map(len, told.splitlines())) <= 80, verb


@pytest.mark.parametrize("asked", [["--version"], ["version"]])
def test_the_version_is_told(asked: list[str]) -> None:
    """As an option, which most programs have, and as a verb."""
    found = call(*asked)
    assert (found.stdout, found.stderr, found.returncode) == (f"{__version__}\n", "", 0)


@pytest.mark.parametrize("arguments", [["--help"], []])
def test_help_names_the_verbs_of_all_parts(arguments: list[str]) -> None:
    shown = call(*arguments).stdout
    assert all(f" {verb} " in shown for verb in ("run", "chat", "extract", "serve", "export", "app", "eval", "bench"))
