"""The README shows what the program prints: a conversation, a PDF, boxes and fields, the server."""

from __future__ import annotations

import doctest
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from dsvl2_demo.evaluation.scores import intersection_over_union
from dsvl2_demo.pages.page import Box
from running_server import REAL_ENGINE, running

ROOT = Path(__file__).parents[1]
BLOCKS = re.findall(r"^```\n(.*?)^```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL | re.MULTILINE)
PROMPT = "$ dsvl2-onnx "
BOX = re.compile(r"\[(\d+), (\d+), (\d+), (\d+)\]")
SAME_PLACE = 0.8
"""Overlap of a box with the one that is printed. The model writes places digit by digit, and where two last digits are
about as likely the rounding decides, which differs from one processor to another: the README's box begins at 433 with
AVX-512 and at 434 with AVX2, and ends at 103 without the tiles of AMX and at 101 with them. A line lower, or the price
beside the word, overlaps by nothing."""
CODE = "from dsvl2_runtime.cli.main import main; main()"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """As the README has it: the examples, and two of them as pages of 224 points."""
    (tmp_path / "examples").mkdir()
    shutil.copy(ROOT / "examples/receipt.png", tmp_path / "examples")
    first, second = (Image.open(ROOT / "examples" / name) for name in ("small_receipt.png", "small_form.png"))
    first.convert("RGB").save(
        tmp_path / "papers.pdf", save_all=True, append_images=[second.convert("RGB")], resolution=72
    )
    return tmp_path


def shown(verb: str) -> tuple[list[str], list[str]]:
    """The arguments of a command, and the lines below it."""
    (parts,) = (block.split(PROMPT)[1:] for block in BLOCKS if f"{PROMPT}{verb} " in block)
    command, *lines = next(part for part in parts if part.startswith(verb)).splitlines()
    return shlex.split(command), lines


def printed(folder: Path, arguments: list[str], typed: str = "") -> list[str]:
    found = subprocess.run(
        [sys.executable, "-c", CODE, *arguments],
        cwd=folder,
        input=typed,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert found.returncode == 0, found.stderr
    return found.stdout.splitlines()


def corners(found: re.Match[str]) -> Box:
    left, top, right, bottom = map(int, found.groups())
    return left, top, right, bottom


@pytest.mark.parametrize("verb", ["run -q", "locate", "extract"])
def test_a_command_prints_the_lines_below_it(folder: Path, verb: str) -> None:
    """A PDF, a box, fields."""
    arguments, lines = shown(verb)
    assert lines
    found = printed(folder, arguments)
    assert [BOX.sub("[]", line) for line in found] == [BOX.sub("[]", line) for line in lines]
    for box, wanted in zip(BOX.finditer("\n".join(found)), BOX.finditer("\n".join(lines)), strict=True):
        assert intersection_over_union(corners(box), corners(wanted)) >= SAME_PLACE
    assert (folder / "boxes.png").exists() == (verb == "locate")


def test_a_conversation_goes_as_it_is_shown(folder: Path) -> None:
    """Each second line is what was typed."""
    arguments, lines = shown("chat")
    questions, answers = lines[::2], lines[1::2]
    assert len(questions) == len(answers) == 2
    assert printed(folder, arguments, "".join(f"{question}\n" for question in questions)) == answers


def test_the_server_answers_as_it_is_shown(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenAI's client over a socket."""
    monkeypatch.chdir(folder)
    (session,) = (block for block in BLOCKS if block.startswith(">>> "))
    _, (announced,) = shown("serve")
    address = announced.removeprefix("listening on ")
    with running(REAL_ENGINE) as server:
        assert address in session
        examples = doctest.DocTestParser().get_doctest(session.replace(address, server.url), {}, "README", None, 0)
        failed, tried = doctest.DocTestRunner().run(examples)
    assert (failed, tried) == (0, 6)
