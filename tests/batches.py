"""What the tests of `batch` share: a folder, a call, and which files are asked about."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from dsvl2_runtime.cli.batch import asker
from dsvl2_runtime.cli.verbs import app
from waiting import wait_until

EXAMPLES = Path(__file__).parents[1] / "examples"
FORM, RECEIPT = EXAMPLES / "small_form.png", EXAMPLES / "small_receipt.png"
CODE = "from dsvl2_runtime.cli.main import main; main()"
NAME = "What is the name?"

on_posix = pytest.mark.skipif(os.name != "posix", reason="signals, pipes and modes are those of POSIX")


def call(folder: Path, out: Path, *arguments: str, ask: str | None = NAME) -> Result:
    """With one thread: what becomes of answers is tried, and two that wait for a core take twice its time."""
    question = () if ask is None else ("--ask", ask)
    command = ["batch", str(folder), "--out", str(out), *question, *arguments]
    return CliRunner().invoke(app, command, env={"DSVL2_THREADS": "1"})


def lines_of(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.read_text("utf-8").splitlines()]


def wait_for_lines(out: Path, count: int, process: subprocess.Popen[bytes]) -> None:
    """Until a run has written so many; a cluster of its own may take minutes to begin."""

    def are_written() -> bool:
        has_ended = process.poll() is not None  # asked first: what it wrote before its end counts
        if out.exists() and out.read_bytes().count(b"\n") >= count:
            return True
        assert not has_ended, process.stderr and process.stderr.read()
        return False

    wait_until(are_written, f"{count} lines in {out.name}", patience=400)


def answers_of(out: Path) -> dict[str, Any]:
    return {line["file"]: line.get("answer") for line in lines_of(out)}


def three_pictures(folder: Path) -> Path:
    """Made in a new folder."""
    folder.mkdir()
    shutil.copy(FORM, folder / "b form.png")
    shutil.copy(RECEIPT, folder / "a.png")
    with Image.open(FORM) as form:
        form.convert("RGB").save(folder / "c.webp", lossless=True)
    return folder


def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that are asked about from now on."""
    asked: list[str] = []
    before = asker.Asker._answer

    def answer(self: asker.Asker, part: Any) -> dict[str, Any]:
        asked.append(part.images[0].name if hasattr(part.images[0], "name") else f"page {part.page}")
        return before(self, part)

    monkeypatch.setattr(asker.Asker, "_answer", answer)
    return asked
