"""Ctrl-C and SIGTERM end the program also where Python would drop them."""

from __future__ import annotations

import subprocess
import sys

import pytest

from batches import on_posix
from dsvl2_runtime.cli.batch.asker import failure

pytestmark = on_posix

EXIT_CODES = {"SIGINT": 130, "SIGTERM": 143}
PROGRAM = """
import os, signal, sys, time
from dsvl2_runtime.cli.exit_codes import exit_code_of

def stop():
    os.kill(os.getpid(), signal.{name})

class Finalised:
    def __del__(self):
        stop()

class Referred:
    pass

def referred():
    import weakref
    thing = Referred()
    return weakref.ref(thing, lambda reference: stop())

def generator():
    try:
        yield 1
    finally:
        stop()

def call():
    {call}
    print("goes on", flush=True)
    time.sleep(600)

sys.exit(exit_code_of(call))
"""
LOST = {
    "finaliser": "Finalised()",
    "weak reference": "referred()",
    "generator": "next(generator())",
    "twice": "Finalised(), Finalised()",
}


def run(call: str, name: str, prelude: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", prelude + PROGRAM.format(call=call, name=name)]
    return subprocess.run(command, capture_output=True, encoding="utf-8", check=False, timeout=500)


@pytest.mark.parametrize("name", EXIT_CODES)
@pytest.mark.parametrize("where", LOST)
def test_a_signal_is_not_lost_where_nobody_called(name: str, where: str) -> None:
    """The program goes on there, and is ended a moment later, although it sleeps by then."""
    found = run(LOST[where], name)
    assert (found.returncode, found.stdout, found.stderr) == (EXIT_CODES[name], "goes on\n", "")


def test_other_errors_of_finalisers_are_told_as_always() -> None:
    found = run("Finalised.__del__ = lambda self: 1 / 0; Finalised(); raise SystemExit(0)", "SIGINT")
    assert found.returncode == 0
    assert "ZeroDivisionError" in found.stderr


@pytest.mark.parametrize("name", EXIT_CODES)
def test_what_is_ignored_stays_ignored(name: str) -> None:
    """As by nohup."""
    found = run("stop(); raise SystemExit(3)", name, f"import signal; signal.signal(signal.{name}, signal.SIG_IGN)")
    assert (found.returncode, found.stdout, found.stderr) == (3, "", "")


@pytest.mark.parametrize("where", ["raise ValueError from KeyboardInterrupt()", "raise ImageError('a', 'b', 'c')"])
def test_an_error_that_was_made_of_a_signal_ends_the_program_as_it_does(where: str) -> None:
    """Whether on purpose or while the signal was handled."""
    call = f"""
    from dsvl2_runtime.errors import ImageError
    try:
        stop()
    except KeyboardInterrupt:
        {where}
"""
    found = run(call, "SIGINT")
    assert (found.returncode, found.stdout, found.stderr) == (130, "", "")


def test_batch_makes_no_line_of_an_error_that_was_made_of_a_signal() -> None:
    """It goes on with the next file after an error of one, and ends after a signal."""
    error = RuntimeError("cannot load it")
    error.__cause__ = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        failure(error)
    assert failure(RuntimeError("cannot load it"))["error"]["text"] == "cannot load it"
