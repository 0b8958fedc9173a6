"""Completion in shells: what the program answers, and that each shell understands the script that connects it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CODE = "from dsvl2_runtime.cli.main import main; main()"
SHELLS = ("bash", "zsh", "fish")


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A program of this name on the path, a folder of models with one name in it."""
    program = tmp_path / "bin" / "dsvl2-onnx"
    program.parent.mkdir()
    call = f"import sys; sys.argv[0] = 'dsvl2-onnx'; {CODE}"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -c "{call}" "$@"\n')
    program.chmod(0o700)
    (tmp_path / "models" / "mine-int4").mkdir(parents=True)
    (tmp_path / "models" / ".mine-hidden").mkdir()
    path = f"{program.parent}{os.pathsep}{os.environ['PATH']}"
    return os.environ | {"PATH": path, "DSVL2_MODELS": str(tmp_path / "models")}


def completed(line: str, environment: dict[str, str]) -> list[str]:
    """What completes the last word of a line, as bash asks for it."""
    words = line.split(" ")
    asked = {"COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1), "_DSVL2_ONNX_COMPLETE": "complete_bash"}
    found = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.argv[0] = 'dsvl2-onnx'; {CODE}"],
        env=environment | asked,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert found.stderr == ""
    return found.stdout.split()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("dsvl2-onnx ba", ["batch"]),
        ("dsvl2-onnx run -m mi", ["mine-int4"]),
        ("dsvl2-onnx run --model ", ["demo", "mine-int4"]),
        ("dsvl2-onnx rm m", ["mine-int4"]),
        ("dsvl2-onnx show d", ["demo"]),
        ("dsvl2-onnx verify d", ["demo"]),
        ("dsvl2-onnx batch --task o", ["ocr"]),
        ("dsvl2-onnx run --form", ["--format"]),
        ("dsvl2-onnx run --format json", ["json", "jsonl"]),
    ],
)
def test_verbs_models_and_presets_are_completed(line: str, words: list[str], environment: dict[str, str]) -> None:
    """The names of built-in models and of those on the shelf, and not what is hidden there."""
    assert completed(line, environment) == words


@pytest.mark.skipif(sys.platform == "win32", reason="these are shells of POSIX")
@pytest.mark.parametrize("shell", SHELLS)
def test_each_shell_understands_its_script(shell: str, environment: dict[str, str], tmp_path: Path) -> None:
    """It is shown for each; where the shell is there, it reads it without a word."""
    shown = subprocess.run(
        ["dsvl2-onnx", "--show-completion", shell],
        env=environment | {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert shown.returncode == 0, shown.stderr
    assert "_DSVL2_ONNX_COMPLETE" in shown.stdout
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell} here; its script was shown and not read")
    script = tmp_path / "script"
    script.write_text(shown.stdout)
    found = subprocess.run([shell, "-n", str(script)], capture_output=True, encoding="utf-8", check=False)
    assert (found.returncode, found.stderr) == (0, "")


@pytest.mark.skipif(shutil.which("bash") is None or sys.platform == "win32", reason="there is no bash here")
def test_bash_completes_with_the_script(environment: dict[str, str]) -> None:
    """The function of the script, called as bash calls it."""
    script = (
        'eval "$(_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION=1 dsvl2-onnx --show-completion bash)"\n'
        "COMP_WORDS=(dsvl2-onnx run --model mi); COMP_CWORD=3\n"
        '_dsvl2_onnx_completion dsvl2-onnx; echo "${COMPREPLY[@]}"'
    )
    found = subprocess.run(
        ["bash", "--norc", "-c", script], env=environment, capture_output=True, encoding="utf-8", check=False
    )
    assert (found.stdout, found.stderr) == ("mine-int4\n", "")
