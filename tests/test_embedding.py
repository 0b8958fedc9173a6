"""Every block of docs/embedding.md does what the page says."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from own_pdfs import own_pdf

ROOT = Path(__file__).parents[1]
BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "docs/embedding.md").read_text("utf-8"), re.DOTALL)
KIOSK = next(block for block in BLOCKS if "manual.talk" in block)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("form.png", "manual.png"):
        shutil.copy(ROOT / "examples/small_form.png", tmp_path / name)
    (tmp_path / "papers.pdf").write_bytes(own_pdf([(72, 72)] * 2))
    return tmp_path


def test_the_blocks_run_one_after_the_other(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the answers of the demonstration model, and with the error that the page shows."""
    monkeypatch.chdir(folder)
    names: dict[str, Any] = {}
    for block in BLOCKS:
        if block is not KIOSK:
            exec(block, names)  # noqa: S102 - our own page
    lines = capsys.readouterr().out.splitlines()
    assert names["first"].text == lines[0]
    assert names["text"] == names["second"].text
    assert lines[1].startswith(f"{lines[0]} 0.9")
    assert "positions were there" in lines[2]
    assert list(names["totals"]) == [1, 2]
    assert names["answer"].text == lines[0]
    assert names["answer"].confidence > 0.9
    assert names["second"].usage.cached_tokens > 0.8 * names["second"].usage.prompt_tokens
    assert lines[3].split()[0] == lines[0].split()[0]
    assert lines[4].startswith("ImageError 5 picture missing.png")


def test_the_kiosk_reads_its_manual_once(folder: Path) -> None:
    """A second start, and a second visitor, find it read; the answers are the same. It has fewer than 60 lines."""
    assert len(KIOSK.splitlines()) < 60
    (folder / "kiosk.py").write_text(KIOSK, "utf-8")

    def visit(questions: str) -> tuple[list[str], list[str]]:
        found = subprocess.run(
            [sys.executable, "kiosk.py"], input=questions, cwd=folder, capture_output=True, encoding="utf-8", check=True
        )
        return found.stdout.splitlines(), found.stderr.splitlines()

    answers, logged = visit("What is the name?\n\nWhat is the name?\nWhat is the date?\n")
    assert len(answers) == 3
    assert answers[0] == answers[1] != answers[2]
    assert sum("reading the manual" in line for line in logged) == 1
    assert (folder / "manual.talk").is_file()
    again, logged = visit("What is the name?\nWhat is the date?\n" + "word " * 3000 + "\n")
    assert again[:2] == answers[1:]
    assert "begin a new conversation" in again[2]
    assert not [line for line in logged if "reading the manual" in line]
    counts = [re.search(r"(\d+) of (\d+) positions", line) for line in logged]
    found = [(int(count[1]), int(count[2])) for count in counts if count]
    assert len(found) == 2
    assert all(cached > 0.8 * prompt for cached, prompt in found)
