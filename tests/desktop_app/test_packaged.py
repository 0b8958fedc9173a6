"""What a packaged program, which is its own interpreter, does otherwise; `make bundle` itself takes minutes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from dsvl2_runtime.engine.client import EngineClient
from dsvl2_runtime.engine.prompt_parts import user_message
from dsvl2_runtime.engine.protocol import Ask, Failed, Finished, Load, LoadFailed, Wrote
from dsvl2_runtime.machine.own_modules import module_arguments
from waiting import PATIENCE

START = Path(__file__).parents[2] / "desktop_app" / "packaged" / "start.py"


def test_a_packaged_program_starts_its_modules_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    assert module_arguments("dsvl2_runtime.engine.process")[-2:] == ("-m", "dsvl2_runtime.engine.process")
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    assert module_arguments("dsvl2_runtime.engine.process") == ("--run-module", "dsvl2_runtime.engine.process")


def test_its_engine_answers() -> None:
    """Started as the packaged program starts it."""
    engine = EngineClient(Load("demo", 1), [str(START), "--run-module", "dsvl2_runtime.engine.process"])
    try:
        form = START.parents[2] / "examples" / "small_form.png"
        from dsvl2_runtime.engine.prompt_parts import ImagePart

        engine.send(Ask(1, (user_message("What is the name?", [ImagePart(str(form))]),)))
        text = ""
        while not isinstance(event := engine.next_event(PATIENCE), Finished):
            assert not isinstance(event, Failed | LoadFailed), event
            text += event.text if isinstance(event, Wrote) else ""
        assert text == "Anna Weber"
    finally:
        engine.close()


def test_no_other_module_is_run_and_other_arguments_are_those_of_the_command() -> None:
    """A module of Python's own is no verb."""
    command = [sys.executable, str(START)]
    other = subprocess.run([*command, "--run-module", "this"], capture_output=True, encoding="utf-8", check=False)
    assert (other.returncode, other.stdout) == (2, "")
    shown = subprocess.run([*command, "doctor", "--format", "json"], capture_output=True, encoding="utf-8", check=False)
    assert shown.returncode == 0
    assert '"sent": []' in shown.stdout
