"""The command line as a user meets it: another process, its two streams and its exit code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import IO

import numpy as np
import pytest
from PIL import Image

from small_models import MakeBundle, picture

CODE = "from dsvl2_runtime.cli.main import main; main()"


def call(
    *arguments: str | Path, prelude: str = "", stdin: int | IO[bytes] = subprocess.DEVNULL, **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", prelude + CODE, *map(str, arguments)],
        stdin=stdin,
        capture_output=True,
        encoding="utf-8",
        env=os.environ | environment,
        check=False,
    )


@pytest.fixture(scope="module")
def model(bundle: MakeBundle) -> Path:
    return bundle("small", "int4")


@pytest.fixture(scope="module")
def bill(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pictures") / "bill.png"
    picture(170, 90, 1).save(path)
    return path


def test_the_answer_alone_is_on_standard_output(model: Path, bill: Path) -> None:
    """The note about random weights goes to standard error, and --quiet silences it."""
    found = call("run", "What is it?", "-i", bill, "-m", model, "-n", "6", "--threads", "1")
    assert found.returncode == 0, found.stderr
    assert "random" in found.stderr
    assert found.stdout.endswith("\n")
    quiet = call("run", "What is it?", "-i", bill, "-m", model, "-n", "6", "--threads", "1", "--quiet")
    assert quiet.stderr == ""
    assert quiet.stdout == found.stdout


def test_json_is_one_object_with_tokens_and_timings(model: Path, bill: Path) -> None:
    """Schema, answer, reason, usage, seconds of each phase."""
    found = call("run", "What is it?", "-i", bill, "-m", model, "-n", "5", "--format", "json", "--threads", "1")
    report = json.loads(found.stdout)
    text = call("run", "What is it?", "-i", bill, "-m", model, "-n", "5", "--threads", "1").stdout
    assert report["schema"] == "dsvl2.run/1"
    assert report["answer"] == text.removesuffix("\n")
    assert report["usage"]["completion"] <= 5
    assert report["images"][0]["tokens"] == report["usage"]["image"]
    assert report["finish_reason"] in ("stop", "length")
    assert {"load", "vision", "prefill", "decode", "ttft"} <= set(report["timings"])
    assert all(seconds >= 0 for seconds in report["timings"].values())


def test_every_mistake_has_its_exit_code_and_one_line(model: Path, bill: Path, tmp_path: Path) -> None:
    """No traceback, and the line names what was given."""
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"nothing")
    corrupt = tmp_path / "corrupt"
    corrupt.mkdir()
    (corrupt / "manifest.json").write_text("{}")
    cases: dict[tuple[str | Path, ...], tuple[int, str]] = {
        ("run", "x", "-m", tmp_path / "none"): (3, "none"),
        ("run", "x", "-m", tmp_path): (3, "manifest.json"),
        ("run", "x", "-m", corrupt): (4, "manifest.json"),
        ("run", "x", "-m", model, "-i", tmp_path / "lost.png"): (5, "lost.png"),
        ("run", "x", "-m", model, "-i", broken): (5, "broken.png"),
        ("run", "x", "-m", model, "-i", ""): (5, "picture"),
        ("run", "x", "-m", model, "-i", "https://example.org/bill.png"): (5, "nothing is downloaded"),
        ("run", "x", "-m", model, "-i", "data:image/png;base64,AAAA"): (5, "nothing is downloaded"),
        ("run", "x", "-m", model, "-i", "file://elsewhere/bill.png"): (5, "another machine"),
        ("run", "x", "-m", model, "-i", (tmp_path / "lost.png").as_uri()): (5, "lost.png"),
        ("run", "x", "-m", model, "-i", "-"): (5, "standard input"),  # which is empty
        ("run", "x", "-m", tmp_path / "none", "-i", broken): (5, "broken.png"),  # no load for it
        ("run", "x " * 2000, "-m", model): (6, "512"),
        ("run", "  ", "-m", model): (2, "empty"),
        ("run", "", "-m", model, "-i", bill): (2, "the question is empty"),
        ("run", bill, " ", "-m", model): (2, "the question is empty"),
        ("run", "x", "-m", model, "--top-p", "3"): (2, "top_p"),
        ("run", "x", "-m", model, "--temperature", "-1"): (2, "temperature"),
        ("run", "x", "-m", model, "--repetition-penalty", "1e-50"): (2, "repetition_penalty"),
        ("run", "x", "-m", model, "--threads", "99999999999"): (2, "threads"),
        ("run", "x", "-m", "m" * 300): (3, "no such folder"),
        ("run", "x", "-m", "demmo"): (3, "dsvl2-onnx ls"),
        ("run", "x", "-m", model, *("-i", bill) * 50): (6, "fewer or smaller pictures"),
        ("run",): (2, "question"),
        ("run", "x", "--no-such-option"): (2, "no-such-option"),
        ("no-such-verb",): (2, "no-such-verb"),
        ("verify", tmp_path / "none"): (3, "none"),
        ("verify", corrupt): (4, "manifest.json"),
        ("export", tmp_path / "none", "--out", tmp_path / "out"): (3, "none"),
    }
    for arguments, (code, named) in cases.items():
        found = call(*arguments)
        assert found.returncode == code, (arguments, found.stderr)
        assert named in found.stderr
        assert "Traceback" not in found.stderr
        assert found.stdout == ""
    assert not (tmp_path / "out").exists()


def test_a_picture_comes_as_a_path_an_address_or_through_a_pipe(model: Path, tmp_path: Path) -> None:
    """The same picture, so the same answer; the name in the address is escaped as addresses are."""
    bill = tmp_path / "a bill ü.png"
    picture(170, 90, 1).save(bill)
    asked = ("run", "What is it?", "-m", model, "-n", "6", "--threads", "1", "--format", "json")
    by_path = json.loads(call(*asked, "-i", bill).stdout)
    by_address = call(*asked, "-i", bill.as_uri())
    with bill.open("rb") as piped:
        by_pipe = call(*asked, "-i", "-", stdin=piped)
    for found in (by_address, by_pipe):
        assert found.returncode == 0, found.stderr
        report = json.loads(found.stdout)
        assert (report["answer"], report["images"]) == (by_path["answer"], by_path["images"])
    assert by_path["images"][0]["width"] == 170


def test_what_is_not_seen_of_a_picture_is_said(model: Path, tmp_path: Path) -> None:
    """A second page, and few of the values of 16 bits: lines on standard error and entries with codes, or silence."""
    pages, dark = tmp_path / "pages.tif", tmp_path / "dark.png"
    picture(60, 40, 1).save(pages, save_all=True, append_images=[picture(60, 40, 2)])
    Image.fromarray(np.arange(2400, dtype=np.uint16).reshape(40, 60)).save(dark)
    arguments = ("run", "What is it?", "-i", pages, "-i", dark, "-m", model, "-n", "1", "--threads", "1")
    found = call(*arguments, "--format", "json")
    lines = [line.removeprefix("warning: ") for line in found.stderr.splitlines() if not line.startswith("note: ")]
    said = json.loads(found.stdout)["warnings"][1:]
    assert [warning["code"] for warning in said] == ["image.first_page", "image.stretched"]
    assert lines == [warning["text"] for warning in said]
    assert call(*arguments, "--quiet").stderr == ""


def test_a_picture_that_is_scaled_down_is_said(model: Path, bill: Path, tmp_path: Path) -> None:
    """One line for each on standard error, and an entry in the report; nothing for the others, nothing with --quiet."""
    large = tmp_path / "large.png"
    picture(1900, 1000, 1).save(large)
    arguments = ("run", "What is it?", "-i", bill, "-i", large, "-m", model, "-n", "1", "--threads", "1")
    found = call(*arguments, "--format", "json")
    (line,) = [line for line in found.stderr.splitlines() if line.startswith("warning: ")]
    assert line.startswith("warning: picture 2 has 1900x1000 pixels, but the model sees it at ")
    said = {"code": "image.scaled_down", "text": line.removeprefix("warning: ")}
    assert said in json.loads(found.stdout)["warnings"]
    assert call(*arguments, "--quiet").stderr == ""


HIDE = (
    "import sys\n"
    "class Hide:\n"
    "    def find_spec(self, name, path=None, target=None):\n"
    "        if name.split('.')[0] in {hidden!r}:\n"
    "            raise ModuleNotFoundError(f'No module named {{name!r}}', name=name)\n"
    "sys.meta_path.insert(0, Hide())\n"
)
HEAVY = ("torch", "transformers", "onnx", "optimum", "safetensors", "PySide6", "dsvl2_export", "dsvl2_quant")


def test_a_light_install_runs_a_bundle(model: Path, bill: Path) -> None:
    """Without torch, transformers, onnx and Qt the runtime answers; help still comes."""
    prelude = HIDE.format(hidden=HEAVY)
    found = call("run", "What is it?", "-i", bill, "-m", model, "-n", "3", "--quiet", prelude=prelude)
    assert found.returncode == 0, found.stderr
    helped = call("--help", prelude=prelude)
    assert helped.returncode == 0, helped.stderr


@pytest.mark.parametrize(
    ("verb", "hidden", "extra"),
    [
        (("export", "somewhere", "--out", "out"), ("torch",), "export"),
        (("app",), ("PySide6",), "app"),
        (("run", "x", "-m", "."), ("onnxruntime",), "cpu"),
    ],
    ids=["export", "app", "run"],
)
def test_a_missing_extra_is_named(tmp_path: Path, verb: tuple[str, ...], hidden: tuple[str, ...], extra: str) -> None:
    """The line says what to install."""
    arguments = [str(tmp_path / "out") if argument == "out" else argument for argument in verb]
    found = call(*arguments, prelude=HIDE.format(hidden=hidden))
    assert found.returncode == 2, found.stderr
    assert f"pip install 'dsvl2-onnx[{extra}]'" in found.stderr
    assert "Traceback" not in found.stderr


def test_nothing_is_asked_of_the_network(model: Path, bill: Path) -> None:
    """With sockets forbidden everything works as before."""
    prelude = (
        "import socket\n"
        "def forbidden(*_, **__): raise SystemExit('network!')\n"
        "socket.socket.connect = socket.getaddrinfo = socket.create_connection = forbidden\n"
    )
    found = call("run", "What is it?", "-i", bill, "-m", model, "-n", "3", "--quiet", prelude=prelude)
    assert found.returncode == 0, found.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_full_disk_behind_standard_output_is_one_line(model: Path) -> None:
    """Exit code 7, said on standard error, and no second complaint at the end."""
    with Path("/dev/full").open("w") as full:
        found = subprocess.run(
            [sys.executable, "-c", CODE, "run", "x", "-m", str(model), "-n", "3", "--quiet"],
            stdout=full,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            check=False,
        )
    assert found.returncode == 7
    assert found.stderr == "dsvl2-onnx: cannot write standard output: No space left on device\n"


@pytest.mark.skipif(sys.platform == "win32", reason="there is no such shell")
@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_swallow_what_goes_there(model: Path, closed: str) -> None:
    """And nothing else: no traceback, and no note where the answer belongs."""
    arguments = ["run", "x", "-m", str(model), "-n", "3", "--threads", "1"]
    whole = call(*arguments)
    command = ["sh", "-c", f'exec "$@" {closed}', "sh", sys.executable, "-c", CODE, *arguments]
    found = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    assert found.returncode == 0, found.stderr
    assert found.stderr == ("" if "2>" in closed else whole.stderr)
    assert found.stdout == (whole.stdout if closed == "2>&-" else "")


NOT_NEEDED = (
    "asyncio",
    "rich",
    "dsvl2_export",
    "dsvl2_bench",
    "dsvl2_app",
    "dsvl2_runtime.chat",
    "dsvl2_runtime.server",
    "dsvl2_runtime.cli.verbs",
)
"""By a question of a script: other verbs, and what only a terminal is shown."""


def test_a_run_imports_only_what_it_uses(model: Path) -> None:
    """The rest took a tenth of a second of every start."""
    report = f"import atexit, sys; atexit.register(lambda: print([n for n in {NOT_NEEDED} if n in sys.modules]))\n"
    found = call("run", "x", "-m", model, "-n", "1", "-q", prelude=report)
    assert found.returncode == 0, found.stderr
    assert found.stdout.splitlines()[-1] == "[]"


INTERRUPTED_START = {
    "verbs": (
        "import os, signal, dsvl2_runtime.cli.main as cli\n"
        "cli.choose_verbs = lambda app, asked: os.kill(os.getpid(), signal.SIGINT)\n"
    ),
    "compiled module": (
        "import sys\n"
        "class Interrupted:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'onnxruntime':\n"
        "            raise ImportError('initialization failed') from KeyboardInterrupt()\n"
        "sys.meta_path.insert(0, Interrupted())\n"
    ),
}


@pytest.mark.skipif(sys.platform == "win32", reason="signals differ there")
@pytest.mark.parametrize("where", INTERRUPTED_START)
def test_ctrl_c_while_starting_ends_with_130(model: Path, where: str) -> None:
    """While verbs are gathered, or a compiled module is loaded, which makes another error of it."""
    found = call("run", "x", "-m", model, prelude=INTERRUPTED_START[where])
    assert (found.returncode, found.stderr, found.stdout) == (130, "", "")


def test_a_file_that_cannot_be_used_is_named(model: Path) -> None:
    """Wherever it was opened, and not called one that cannot be written."""
    prelude = (
        "import errno, dsvl2_runtime.cli.verbs as cli\n"
        "def locked(name): raise PermissionError(errno.EACCES, 'Permission denied', 'a.file')\n"
        "cli.find_model = locked\n"
    )
    found = call("verify", model, prelude=prelude)
    assert found.returncode == 7
    assert found.stderr == "dsvl2-onnx: cannot use a.file: Permission denied; check its permissions and its disk\n"


def test_verify_needs_no_onnxruntime(model: Path) -> None:
    """A bundle can be checked where it is only stored."""
    found = call("verify", model, prelude="import sys\nsys.modules['onnxruntime'] = None\n")
    assert found.returncode == 0, found.stderr


# The third token of the answer waits for a signal, instead of a signal that is sent at a guessed moment.
SIGNALLED = (
    "import os, signal, dsvl2_runtime.answers.sampling as s\n"
    "old, count = s.Sampler.next_id, 0\n"
    "def next_id(self, logits):\n"
    "    global count\n"
    "    count += 1\n"
    "    if count == 4: os.kill(os.getpid(), signal.{name})\n"
    "    return old(self, logits)\n"
    "s.Sampler.next_id = next_id\n"
)


@pytest.mark.skipif(sys.platform == "win32", reason="signals differ there")
@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_a_signal_in_an_answer_leaves_what_came_and_ends_its_line(model: Path, name: str, code: int) -> None:
    """With the exit code of the signal and nothing on standard error."""
    arguments = ["run", "Tell me everything", "-m", str(model), "--quiet"]
    three = call(*arguments, "-n", "3")
    assert len(three.stdout) > 1
    found = call(*arguments, "-n", "480", prelude=SIGNALLED.format(name=name))
    assert (found.returncode, found.stdout, found.stderr) == (code, three.stdout, "")


@pytest.mark.skipif(sys.platform == "win32", reason="signals differ there")
@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_a_signal_in_an_answer_as_json_is_reported(model: Path, name: str, code: int) -> None:
    """What had come, with the reason cancelled; a program that reads it gets an object, and the exit code as well."""
    arguments = ["run", "Tell me everything", "-m", str(model), "--quiet", "--format", "json"]
    three = json.loads(call(*arguments, "-n", "3").stdout)
    found = call(*arguments, "-n", "480", prelude=SIGNALLED.format(name=name))
    report = json.loads(found.stdout)
    assert (found.returncode, found.stderr) == (code, "")
    assert (report["answer"], report["finish_reason"]) == (three["answer"], "cancelled")
    assert report["usage"]["completion"] == 3


@pytest.mark.skipif(sys.platform == "win32", reason="signals differ there")
@pytest.mark.parametrize("form", ["text", "json"])
def test_two_signals_end_it_as_one_does(model: Path, form: str) -> None:
    """Whether the second is met while the first is handled or not: no traceback, and the exit code of the signal."""
    twice = SIGNALLED.format(name="SIGINT").replace(
        "os.kill(os.getpid(), signal.SIGINT)", "[os.kill(os.getpid(), signal.SIGINT) for _ in range(2)]"
    )
    found = call("run", "Tell me", "-m", model, "-n", "480", "--quiet", "--format", form, prelude=twice)
    assert (found.returncode, found.stderr) == (130, "")


@pytest.mark.parametrize("threads", ["0", "-1", "many"])
def test_a_number_of_threads_that_is_none_is_a_usage_error(model: Path, threads: str) -> None:
    """Before anything is loaded."""
    found = call("run", "x", "-m", model, "--threads", threads)
    assert found.returncode == 2
    assert "--threads" in found.stderr
    assert "Traceback" not in found.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="signals differ there")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_after_the_answer_changes_nothing(model: Path, name: str) -> None:
    """While the program tidies up, the answer is whole and so is the exit code."""
    prelude = f"import atexit, os, signal\natexit.register(lambda: os.kill(os.getpid(), signal.{name}))\n"
    found = call("run", "x", "-m", model, "-n", "3", "--quiet", prelude=prelude)
    assert (found.returncode, found.stderr) == (0, "")


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        ("GenerationError('bad')", 8, "bad"),
        ("OutOfMemoryError()", 7, "not enough memory"),
        ("MemoryError()", 7, "not enough memory"),
    ],
)
def test_an_error_in_an_answer_comes_on_a_line_of_its_own(model: Path, error: str, code: int, words: str) -> None:
    """What was written before it ends with its line; the exit code is the error's."""
    prelude = SIGNALLED.format(name="SIGINT").replace("os.kill(os.getpid(), signal.SIGINT)", f"raise errors.{error}")
    prelude = "from dsvl2_runtime import errors\nerrors.MemoryError = MemoryError\n" + prelude
    found = call("run", "Tell me everything", "-m", model, "--quiet", prelude=prelude)
    assert found.returncode == code
    assert found.stderr.startswith("dsvl2-onnx: ")
    assert words in found.stderr
    assert len(found.stderr.splitlines()) == 1
    assert found.stdout.endswith("\n")
    assert len(found.stdout) > 1
