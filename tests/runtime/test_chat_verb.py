"""The verb `chat` as a user meets it: lines from a pipe, and a terminal."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dsvl2_runtime import GenerationOptions, load_model
from dsvl2_runtime.inputs.documents import pages
from own_pdfs import locked_pdf, own_pdf
from small_models import MakeBundle, picture
from waiting import PATIENCE

CODE = "from dsvl2_runtime.cli.main import main; main()"


@pytest.fixture(scope="module")
def model(bundle: MakeBundle) -> Path:
    return bundle("small", "int4")


@pytest.fixture(scope="module")
def bill(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pictures") / "a bill.png"
    picture(170, 90, 1).save(path)
    return path


def chat(lines: str, model: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", CODE, "chat", "-m", model, "-n", "6", "--threads", "1", *arguments]
    return subprocess.run(
        [str(part) for part in command], input=lines, capture_output=True, encoding="utf-8", check=False
    )


def answers(model: Path, bill: Path, *questions: str) -> str:
    """What the Python API says, a line each, the image with the first one."""
    talk = load_model(model, threads=1).chat()
    options = GenerationOptions(max_new_tokens=6)
    images = [[bill], *([] for _ in questions)]
    return "".join(
        talk.ask(question, image, options).read().text + "\n"
        for question, image in zip(questions, images, strict=False)
    )


def test_lines_from_a_pipe_are_one_conversation(model: Path, bill: Path) -> None:
    """The answers alone are on standard output; empty lines ask nothing, and nothing behind /quit is read."""
    expected = answers(model, bill, "What is it?", "And the date?")
    found = chat(f"/image '{bill}'\nWhat is it?\n\n   \nAnd the date?\r\n/quit\nmore\n", model)
    assert (found.returncode, found.stdout) == (0, expected)
    assert f"picture 1: {bill}" in found.stderr
    quiet = chat("What is it?\nAnd the date?\n", model, "-q", "-i", bill)
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (0, expected, "")


def test_files_are_named_without_an_option(model: Path, bill: Path, tmp_path: Path) -> None:
    """A picture is as with `-i`; a PDF, which its first bytes tell, as with `/pdf`."""
    expected = answers(model, bill, "What is it?")
    assert chat("What is it?\n", model, "-q", bill).stdout == expected
    document = tmp_path / "papers"
    document.write_bytes(own_pdf(((72, 144),) * 2))
    found = chat("What is it?\n", model, document, bill)
    assert found.returncode == 0
    assert f"2 pages of {document}\npicture 3: {bill}\n" in found.stderr
    assert found.stdout == chat(f"/pdf {document}\n/image {bill}\nWhat is it?\n", model).stdout


def test_a_saved_conversation_is_gone_on_with(model: Path, bill: Path, tmp_path: Path) -> None:
    """From a file that /save wrote; --system would contradict it."""
    expected = answers(model, bill, "What is it?", "And the date?").split("\n", 1)
    saved = tmp_path / "talk"
    first = chat(f"What is it?\n/save {saved}\n", model, "-i", bill)
    assert f"--resume {saved}" in first.stderr
    second = chat("And the date?\n", model, "--resume", saved)
    assert first.stdout + second.stdout == "\n".join(expected)
    refused = chat("", model, "--resume", saved, "--system", "Be brief.")
    assert refused.returncode == 2
    assert "leave --system out" in refused.stderr


def test_what_fails_is_said_and_the_conversation_goes_on(model: Path, bill: Path, tmp_path: Path) -> None:
    """From a pipe the exit code is that of the first failure; an image that was added stays for the next question."""
    text = tmp_path / "text.png"
    text.write_text("no picture")
    lines = (
        f"/image {text}\n/image {bill}\n/image\n/nope\n/boxes wide\n/save\n/image https://example.org/a.png\n"
        f"{'word ' * 600}\nWhat is it?\n"
    )
    found = chat(lines, model)
    errors = [line for line in found.stderr.splitlines() if line.startswith("dsvl2-onnx: ")]
    wanted = ["text.png", "which picture", "/nope is no command", "/boxes wide", "where to", "nothing is", "takes 512"]
    assert len(errors) == len(wanted)
    for error, words in zip(errors, wanted, strict=True):
        assert words in error
    assert found.returncode == 5
    assert found.stdout == answers(model, bill, "What is it?")


def test_clear_begins_anew_and_help_lists_the_commands(model: Path, bill: Path) -> None:
    found = chat("What is it?\n/clear\nWhat is it?\n/boxes\n/help\n ///\n", model, "-i", bill)
    assert found.returncode == 0
    first, second = found.stdout.splitlines()[:2]
    assert first == answers(model, bill, "What is it?").rstrip("\n")
    alone = load_model(model, threads=1).chat().ask("What is it?", (), GenerationOptions(max_new_tokens=6)).read()
    assert second == alone.text
    assert "there are no boxes" in found.stderr
    assert "/save PATH" in found.stderr


def test_pages_of_a_pdf_are_pictures(model: Path, tmp_path: Path) -> None:
    """All of them, or those that are chosen; what is no document is an error."""
    document = tmp_path / "two pages.pdf"
    first, second = picture(60, 60, 1), picture(60, 60, 2)
    first.save(document, "PDF", save_all=True, append_images=[second])
    lines = (
        f"/pdf '{document}'\nWhat is it?\n/clear\n/pdf {document} 2\nWhat is it?\n/pdf {tmp_path / 'no.pdf'}\n/pdf\n"
    )
    found = chat(lines, model)
    assert f"2 pages of {document}" in found.stderr
    assert f"1 page of {document}" in found.stderr
    assert "no.pdf" in found.stderr
    assert "which document" in found.stderr
    assert found.returncode == 5
    talk = load_model(model, threads=1).chat()
    drawn = [page.image for page in pages(document)]
    options = GenerationOptions(max_new_tokens=6)
    expected = [talk.ask("What is it?", drawn, options).read().text]
    talk.clear()
    expected.append(talk.ask("What is it?", drawn[1:], options).read().text)
    assert found.stdout == "".join(f"{text}\n" for text in expected)


def test_a_protected_document_and_a_bound_of_pixels(model: Path, bill: Path, tmp_path: Path) -> None:
    """The password comes from the file; what is above the bound is refused, and the conversation goes on."""
    document, password = tmp_path / "locked.pdf", tmp_path / "password"
    document.write_bytes(locked_pdf("sesame", [(72, 72), (144, 144)]))
    password.write_text("sesame\n")
    lines = f"/pdf {document}\n/image {bill}\nWhat is it?\n"
    bound = ("--max-pixels", str(170 * 90 - 1))
    found = chat(lines, model, "--pdf-password-file", password, *bound)
    assert f"{document}, page 1: it would have 150x150 pixels" in found.stderr
    assert f"{bill}: 170x90 pixels; scale it to at most 15299 pixels" in found.stderr
    assert (found.returncode, found.stdout.count("\n")) == (5, 1)
    assert "1 page of" in chat(f"/pdf {document} 1\n", model, "--pdf-password-file", password).stderr
    assert "protected with a password" in chat(f"/pdf {document}\n", model).stderr


def test_a_picture_that_cannot_be_read_ends_it_before_any_question(model: Path) -> None:
    found = chat("What is it?\n", model, "-i", "nowhere.png")
    assert (found.returncode, found.stdout) == (5, "")


class Terminal:
    """A pseudo terminal with the verb in it."""

    def __init__(self, model: Path, *arguments: str, prelude: str = "", cwd: Path, home: Path) -> None:
        import pty

        self._ours, theirs = pty.openpty()
        self._shown = b""
        environment = os.environ | {
            "PROMPT_TOOLKIT_NO_CPR": "1", "TERM": "xterm", "HOME": str(home), "COLUMNS": "300", "LINES": "50",
        }  # fmt: skip
        # As `setsid --ctty` would do: so that Ctrl-C reaches it as from a real terminal.
        own = "import fcntl, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0)\n"
        command = [sys.executable, "-c", own + prelude + CODE, "chat", "-m", str(model), "--threads", "1", *arguments]
        self._process = subprocess.Popen(
            command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, cwd=cwd, start_new_session=True
        )
        os.close(theirs)
        os.set_blocking(self._ours, False)

    def type(self, keys: bytes) -> None:
        os.write(self._ours, keys)

    def wait_for(self, words: bytes) -> None:
        """Read until these words come, without what moves the cursor."""
        end = time.monotonic() + PATIENCE
        while words not in self._shown:
            assert time.monotonic() < end, self._shown.decode(errors="replace")
            try:
                self._shown += os.read(self._ours, 65536)
            except BlockingIOError:
                time.sleep(0.02)
            self._shown = re.sub(rb"\x1b\[[0-9;?]*[A-Za-z]", b"", self._shown)
        self._shown = self._shown[self._shown.index(words) + len(words) :]

    def ended(self) -> int:
        return self._process.wait(PATIENCE)

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._ours)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo terminals of this kind")
def test_a_terminal_has_completion_history_and_a_way_out(model: Path, bill: Path, tmp_path: Path) -> None:
    """The tabulator completes command and path, the arrow key brings a question back, Ctrl-C clears, Ctrl-D leaves."""
    home, folder = tmp_path / "home", tmp_path / "folder"
    home.mkdir()
    folder.mkdir()
    (folder / "receipt.png").write_bytes(bill.read_bytes())
    terminal = Terminal(model, "-n", "3", cwd=folder, home=home)
    try:
        terminal.wait_for(b">")
        terminal.type(b"/im\t")
        terminal.wait_for(b"age")
        terminal.type(b" rec\t")
        terminal.wait_for(b"eipt.png")
        terminal.type(b"\r")
        terminal.wait_for(b"picture 1: receipt.png")
        terminal.wait_for(b"[1 picture]")
        terminal.type(b"What is it?\r")
        terminal.wait_for(b"cut off at its longest")
        terminal.wait_for(b">")
        terminal.type(b"half a question\x03")
        terminal.wait_for(b">")
        terminal.type(b"\x1b[A\r")  # the arrow key
        terminal.wait_for(b"What is it?")
        terminal.wait_for(b"cut off at its longest")
        terminal.wait_for(b">")
        terminal.type(b"\x04")
        assert terminal.ended() == 0
    finally:
        terminal.close()
    assert {path.name for path in home.rglob("*") if not path.is_dir()} <= {"speeds.json"}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo terminals of this kind")
def test_ctrl_c_stops_an_answer_and_not_the_conversation(model: Path, tmp_path: Path) -> None:
    """What had come stays, with its line end, and the next question is answered."""
    slow = (
        "import dsvl2_runtime.answers.sampling as sampling, time\n"
        "sampling.Sampler.next_id = lambda self, logits: (time.sleep(0.1), 70)[1]\n"
    )
    letter = load_model(model, threads=1).components.tokenizer.decode([70]).encode()
    terminal = Terminal(model, "-n", "400", prelude=slow, cwd=tmp_path, home=tmp_path)
    try:
        terminal.wait_for(b">")
        for _ in range(2):
            terminal.type(b"What?\r")
            terminal.wait_for(letter * 3)
            terminal.type(b"\x03")
            terminal.wait_for(b"\r\nstopped")
            terminal.wait_for(b">")
        terminal.type(b"/quit\r")
        assert terminal.ended() == 0
    finally:
        terminal.close()
