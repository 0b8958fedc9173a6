"""What is written to a terminal, to a pipe and into JSON."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from dsvl2_runtime.cli import streams
from small_models import MakeBundle, edit_manifest
from waiting import PATIENCE

try:
    import pty
except ImportError:  # Windows
    pty = None  # type: ignore[assignment]

HOSTILE = "a\x1b]0;owned\x07b\x9b2Jc\u202ed\u2066e\x7ff\rg\x08h"
HARMLESS = "a␛]0;owned␇b\ufffd2Jc\ufffdd\ufffde␡f␍g␈h"
CODE = "from dsvl2_runtime.cli.main import main; main()"
SAYS_HOSTILE = (
    "import dsvl2_runtime.answers.generate as generate\n"
    f"generate.StreamDecoder.push = lambda self, token: {HOSTILE!r}\n"
)


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("code", [*range(0x20), 0x7F, *range(0x80, 0xA0), 0x061C, 0x200E, 0x202E, 0x2069])
def test_no_control_character_reaches_a_terminal(code: int) -> None:
    """But for line end and tab; each becomes one sign that can be seen."""
    found = streams.shown(f"a{chr(code)}b", Terminal())
    if chr(code) in "\n\t":
        assert found == f"a{chr(code)}b"
    else:
        assert len(found) == 3
        assert found[1].isprintable()
        assert found[1] != chr(code)


def test_text_is_left_as_it_is() -> None:
    """Letters of all scripts, emoji with their joiners, combining marks, no-break spaces."""
    text = "Straße, 東京, שלום, مرحبا, 👩‍💻, e\u0301, 1\u00a0000 €\tx\n"
    assert streams.shown(text, Terminal()) == text


def test_a_pipe_gets_the_text_as_it_is() -> None:
    """What a program reads must be what the model wrote."""
    assert streams.shown(HOSTILE, io.StringIO()) == HOSTILE


def test_json_escapes_what_a_terminal_would_obey(capsys: pytest.CaptureFixture[str]) -> None:
    """Also the characters that JSON allows as they are; the document is the same when it is read."""
    streams.print_json({"answer": HOSTILE, HOSTILE: "é東"})
    written = capsys.readouterr().out
    assert json.loads(written) == {"answer": HOSTILE, HOSTILE: "é東"}
    assert "é東" in written
    assert written.removesuffix("\n").isprintable()


@pytest.mark.skipif(sys.platform == "win32", reason="a closed pipe is another error there")
@pytest.mark.parametrize("form", ["text", "json", "jsonl"])
def test_a_reader_that_went_away_ends_a_run_like_other_programs(bundle: MakeBundle, form: str) -> None:
    """As behind `| head -1`: with their exit code, and neither a traceback nor a complaint at the end."""
    reading, writing = os.pipe()
    os.close(reading)
    model = str(bundle("small", "int4"))
    command = [sys.executable, "-c", CODE, "run", "x", "-m", model, "-n", "3", "-q", "--format", form]
    found = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, encoding="utf-8", check=False)
    os.close(writing)
    assert (found.returncode, found.stderr) == (141, "")


def on_terminal(arguments: Sequence[str | Path], prelude: str = "") -> tuple[str, str]:
    """What a command writes to a terminal as its standard output, and to another one as its standard error."""
    masters, slaves = zip(*(pty.openpty() for _ in range(2)), strict=True)
    process = subprocess.Popen(
        [sys.executable, "-c", prelude + CODE, *map(str, arguments)], stdout=slaves[0], stderr=slaves[1]
    )
    for slave in slaves:
        os.close(slave)
    written = []
    for master in masters:
        pieces = []
        try:
            while piece := os.read(master, 4096):
                pieces.append(piece)
        except OSError:  # Linux's way to say that the other side is closed
            pass
        os.close(master)
        written.append(b"".join(pieces).decode().replace("\r\n", "\n"))
    process.wait(PATIENCE)
    return written[0], written[1]


@pytest.fixture
def hostile_model(bundle: MakeBundle, tmp_path: Path) -> Path:
    """A bundle whose note, name and folder are hostile."""
    folder = Path(shutil.copytree(bundle("small", "int4"), tmp_path / f"model{HOSTILE}"))
    edit_manifest(folder, lambda document: document.update(name=HOSTILE, note=HOSTILE))
    return folder


@pytest.mark.skipif(pty is None, reason="no terminals to open there")
def test_an_answer_on_a_terminal_obeys_nothing(hostile_model: Path) -> None:
    """Nor does the model's note; the same command writes the answer into a pipe as it is."""
    arguments: list[str | Path] = ["run", "x", "-m", hostile_model, "-n", "1"]
    answer, messages = on_terminal(arguments, SAYS_HOSTILE)
    assert answer == HARMLESS + "\n"
    assert f"note: {HARMLESS}\n" in messages
    piped = subprocess.run([sys.executable, "-c", SAYS_HOSTILE + CODE, *arguments], capture_output=True, check=True)
    assert piped.stdout.decode() == HOSTILE + "\n"


@pytest.mark.skipif(pty is None, reason="no terminals to open there")
@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "x", "-m", "HOSTILE"],
        ["run", "x", "-i", "HOSTILE.png"],
        ["verify", "MODEL"],
        ["verify", "HOSTILE"],
        ["optimize", "MODEL", "--remove"],
        ["doctor", "--model", "MODEL"],
    ],
    ids=" ".join,
)
def test_names_on_a_terminal_obey_nothing(hostile_model: Path, arguments: list[str]) -> None:
    """Of models and pictures, in errors and in reports."""
    named = [argument.replace("HOSTILE", HOSTILE).replace("MODEL", str(hostile_model)) for argument in arguments]
    for written in on_terminal(named):
        assert "owned\x07" not in written
        assert "\x1b]0" not in written
        assert "\x9b" not in written
        assert "\u202e" not in written
        assert "\x08" not in written
