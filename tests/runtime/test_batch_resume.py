"""Runs of `batch` that end before all is asked, and those that go on: no answer is lost, and none is given twice."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from batches import (
    CODE,
    FORM,
    NAME,
    RECEIPT,
    answers_of,
    call,
    counted,
    lines_of,
    on_posix,
    three_pictures,
    wait_for_lines,
)
from dsvl2_runtime.errors import BusyError, ModelNotFoundError, ResourceError, UsageError
from dsvl2_runtime.inputs.documents import Page, pages
from dsvl2_runtime.inputs.pdf_reader import next_reply
from dsvl2_runtime.machine.files import only_writer
from own_pdfs import own_pdf
from waiting import PATIENCE


class Counting:
    """Passes replies of the process that draws on, and keeps the numbers of the pages."""

    def __init__(self, before: Callable[..., Any]) -> None:
        self._before = before
        self.pages: list[int] = []

    def __call__(self, name: str, page: int | None, *rest: Any) -> Any:
        reply = self._before(name, page, *rest)
        if page is not None:
            assert reply["page"] == page
            self.pages.append(page)
        return reply


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three pictures."""
    return three_pictures(tmp_path / "pictures")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "results.jsonl"


def test_a_second_run_asks_nothing(folder: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And does not even load the model; what it writes is the same file."""
    call(folder, out)
    before = out.read_bytes()
    monkeypatch.setattr("dsvl2_runtime.cli.batch.verb.load_model", lambda *_, **__: pytest.fail("it was loaded"))
    found = call(folder, out)
    assert (found.exit_code, out.read_bytes()) == (0, before)
    assert "3 files: 0 answered, 3 answered before" in found.stderr


def test_a_changed_file_is_asked_again(folder: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It alone; the line about its former content is gone, and one about a file that was removed stays."""
    call(folder, out)
    shutil.copy(RECEIPT, folder / "b form.png")
    (folder / "c.webp").unlink()
    shutil.copy(FORM, folder / "d.png")
    asked = counted(monkeypatch)
    assert call(folder, out).exit_code == 0
    assert asked == ["b form.png", "d.png"]
    lines = lines_of(out)
    assert [line["file"] for line in lines] == ["a.png", "c.webp", "b form.png", "d.png"]
    assert lines[0]["sha256"] == lines[2]["sha256"]
    assert lines[0]["answer"] == lines[2]["answer"]


def test_what_failed_is_tried_again(folder: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its new line takes the place of the old one, and the exit code is that of this run."""
    (folder / "z.png").write_text("this is no picture")
    assert call(folder, out).exit_code == 5
    assert call(folder, out).exit_code == 5
    assert [line["file"] for line in lines_of(out)] == ["a.png", "b form.png", "c.webp", "z.png"]
    shutil.copy(FORM, folder / "z.png")
    asked = counted(monkeypatch)
    assert call(folder, out).exit_code == 0
    assert asked == ["z.png"]
    assert answers_of(out)["z.png"] == "Anna Weber"
    assert len(lines_of(out)) == 4


def test_an_answer_stays_when_its_file_cannot_be_read_any_more(folder: Path, out: Path) -> None:
    """What cannot be read has not changed, as far as one knows."""
    call(folder, out)
    (folder / "a.png").unlink()
    (folder / "a.png").symlink_to("nowhere")
    assert call(folder, out).exit_code == 5
    about = [line for line in lines_of(out) if line["file"] == "a.png"]
    assert ["error" in line for line in about] == [False, True]


def test_a_document_goes_on_at_the_page_where_it_was(
    tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When a run was killed between two of its pages."""
    folder = tmp_path / "documents"
    folder.mkdir()
    (folder / "a.pdf").write_bytes(own_pdf())
    call(folder, out, "-n", "4")
    whole = out.read_bytes()
    out.write_bytes(b"".join(whole.splitlines(keepends=True)[:1]))
    asked = counted(monkeypatch)
    assert call(folder, out, "-n", "4").exit_code == 0
    assert asked == ["page 2", "page 3"]
    assert [line["page"] for line in lines_of(out)] == [1, 2, 3]


@pytest.mark.parametrize(
    "arguments",
    [("--dpi", "72"), ("--dpi", "72", "--pages", "1-3"), ("--dpi", "720", "--split", "auto")],
    ids=["all", "chosen", "strips"],
)
def test_pages_that_are_answered_are_not_drawn_again(
    arguments: tuple[str, ...], tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After one before them that failed; the place of a page in its document stays what it is."""
    folder = tmp_path / "documents"
    folder.mkdir()
    (folder / "a.pdf").write_bytes(own_pdf([(50, 250)] * 3))
    options = ("-n", "2", *arguments)
    call(folder, out, *options)
    whole = lines_of(out)
    assert ("strip" in whole[0]) == ("--split" in arguments)
    failed = whole[0] | {"error": {"error": "OutOfMemoryError", "exit_code": 6, "text": "too little memory"}}
    out.write_text("".join(json.dumps(line) + "\n" for line in (failed, *whole[1:])), "utf-8")
    drawn: list[int] = []

    def spy(*arguments: Any, **options: Any) -> Iterator[Page]:
        for page in pages(*arguments, **options):
            drawn.append(page.number)
            yield page

    monkeypatch.setattr("dsvl2_runtime.cli.batch.pieces.pages", spy)
    monkeypatch.setattr("dsvl2_runtime.inputs.documents.next_reply", counting := Counting(next_reply))
    assert call(folder, out, *options).exit_code == 0
    assert drawn == counting.pages == [1]
    found = sorted(lines_of(out), key=lambda line: (line["page"], line.get("strip", 0)))
    names = ("page", "pages", "strip", "strips", "last", "answer")
    assert [[line.get(name) for name in names] for line in found] == [
        [line.get(name) for name in names] for line in whole
    ]


@pytest.mark.parametrize("cut", [1, 40, -1, 0])
def test_a_line_that_was_cut_is_dropped(folder: Path, out: Path, cut: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its file is asked again, and the file is what it would have been."""
    call(folder, out)
    whole = out.read_bytes()
    first, second, third = whole.splitlines(keepends=True)
    out.write_bytes(first + second + third[:cut])
    asked = counted(monkeypatch)
    assert call(folder, out).exit_code == 0
    assert asked == ["c.webp"]
    assert answers_of(out) == {"a.png": answers_of(out)["a.png"], "b form.png": "Anna Weber", "c.webp": "Anna Weber"}
    assert out.read_bytes().startswith(first + second)


STANDS_STILL = (
    "import time\nfrom dsvl2_runtime.answers import sampling\nfrom dsvl2_runtime.cli.batch import asker\n"
    "answer, next_id, begun = asker.Asker._answer, sampling.Sampler.next_id, []\n"
    "asker.Asker._answer = lambda self, part: (begun.append(part), answer(self, part))[1]\n"
    "def third_waits(self, logits):\n"
    "    if len(begun) == 3: time.sleep(600)\n"
    "    return next_id(self, logits)\n"
    "sampling.Sampler.next_id = third_waits\n"
)
"""The run stands still in the middle of its third answer, so that it is there when it is ended."""


@on_posix
@pytest.mark.parametrize(("how", "code"), [(signal.SIGKILL, -9), (signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_run_that_was_ended_goes_on(folder: Path, out: Path, how: signal.Signals, code: int) -> None:
    """Every line that it leaves is whole, no answer is lost, and none is given twice."""
    for number in range(8):
        shutil.copy(FORM, folder / f"more {number:02}.png")
    command = [sys.executable, "-c", STANDS_STILL + CODE, "batch", str(folder), "--ask", NAME, "--out", str(out)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    wait_for_lines(out, 2, process)
    process.send_signal(how)
    assert process.wait(PATIENCE) == code
    left = out.read_bytes()
    whole = left[: left.rfind(b"\n") + 1]
    assert len([json.loads(line) for line in whole.splitlines()]) == 2
    if how != signal.SIGKILL:
        assert left == whole
    found = call(folder, out)
    assert found.exit_code == 0, found.stderr
    assert out.read_bytes().startswith(whole)
    names = [line["file"] for line in lines_of(out)]
    assert sorted(names) == sorted(set(names)) == sorted(path.name for path in folder.iterdir())


def test_answers_to_another_question_are_not_touched(folder: Path, out: Path) -> None:
    """The refusal names both questions; --overwrite begins anew."""
    call(folder, out, ask="What is the date?")
    before = out.read_bytes()
    found = call(folder, out)
    assert isinstance(found.exception, UsageError)
    assert found.exception.exit_code == 2
    assert "'What is the date?'" in str(found.exception)
    assert "'What is the name?'" in str(found.exception)
    for arguments in (("--system", "Answer in French."), ("--split", "auto"), ("-n", "7")):
        assert isinstance(call(folder, out, *arguments, ask="What is the date?").exception, UsageError)
    assert out.read_bytes() == before
    assert call(folder, out, "--overwrite").exit_code == 0
    assert {line["question"] for line in lines_of(out)} == {NAME}


def test_threads_and_time_make_no_other_question(folder: Path, out: Path) -> None:
    call(folder, out)
    before = out.read_bytes()
    assert call(folder, out, "--threads", "1", "--timeout", "100", "-q").exit_code == 0
    assert out.read_bytes() == before


@pytest.mark.parametrize(
    "content",
    [b"notes", b"notes\n", b"{}\n", b'{"schema": "dsvl2.batch/1"}\n', b"\x00\x01", b"[" * 50_000 + b"\n", b"1\n2\n"],
)
def test_a_file_of_something_else_is_not_touched(folder: Path, out: Path, content: bytes) -> None:
    """Also one that does not end with a line."""
    out.write_bytes(content)
    found = call(folder, out)
    assert isinstance(found.exception, UsageError)
    assert out.read_bytes() == content


def test_overwriting_waits_until_the_model_is_there(folder: Path, out: Path) -> None:
    """A name that was mistyped costs no answers."""
    out.write_bytes(b"precious")
    found = call(folder, out, "--overwrite", "-m", "none")
    assert isinstance(found.exception, ModelNotFoundError)
    assert out.read_bytes() == b"precious"


def test_two_runs_do_not_write_one_file(folder: Path, out: Path) -> None:
    with only_writer(out):
        found = call(folder, out)
    assert isinstance(found.exception, BusyError)
    assert not out.exists()


@pytest.mark.parametrize("where", ["folder", "no/such"])
def test_results_that_cannot_be_written_are_an_error(folder: Path, tmp_path: Path, where: str) -> None:
    """Before the model is loaded."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "no").write_text("a file")
    found = call(folder, tmp_path / where, "-m", "demo")
    assert isinstance(found.exception, (UsageError, ResourceError))


@on_posix
def test_a_full_disk_ends_the_run_and_loses_nothing(folder: Path, out: Path) -> None:
    """A file may not grow beyond some bytes here; a run with more room goes on."""
    prelude = "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
    prelude += "resource.setrlimit(resource.RLIMIT_FSIZE, (1500, 1500))\n"
    command = [sys.executable, "-c", prelude + CODE, "batch", str(folder), "--ask", NAME, "--out", str(out)]
    found = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    assert (found.returncode, "cannot write" in found.stderr) == (7, True), found.stderr
    assert out.stat().st_size == 1500
    assert call(folder, out).exit_code == 0
    assert [line["file"] for line in lines_of(out)] == ["a.png", "b form.png", "c.webp"]
