"""Files that stand on the command line without an option, in front of the question and behind it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from dsvl2_runtime.cli.arguments import split_question, with_files
from dsvl2_runtime.cli.run_options import RunOptions
from dsvl2_runtime.errors import Dsvl2Error, ImageError, UsageError
from own_pdfs import own_pdf
from runtime.test_run_verb import FORM, call

QUESTION = "What is the name?"
PLAIN = RunOptions()


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to stand in, with a picture and a document whose name says otherwise."""
    shutil.copy(FORM, tmp_path / "form.png")
    shutil.copy(FORM, tmp_path / "two words.png")
    (tmp_path / "scan").write_bytes(own_pdf(((72, 144),) * 2))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("arguments", "options", "question", "image", "pdf"),
    [
        ([QUESTION], PLAIN, QUESTION, None, None),
        ([QUESTION, "form.png"], PLAIN, QUESTION, ["form.png"], None),
        (["form.png", QUESTION], PLAIN, QUESTION, ["form.png"], None),
        (["two words.png", "form.png", QUESTION], PLAIN, QUESTION, ["two words.png", "form.png"], None),
        ([QUESTION, "form.png"], RunOptions(image=["-"]), QUESTION, ["-", "form.png"], None),
        ([QUESTION, "-"], PLAIN, QUESTION, ["-"], None),
        ([QUESTION, "file:///form.png"], PLAIN, QUESTION, ["file:///form.png"], None),
        ([QUESTION, "scan"], PLAIN, QUESTION, None, "scan"),
        (["form.png"], RunOptions(image=["two words.png"]), "form.png", ["two words.png"], None),
        (["form.png"], RunOptions(pdf="scan"), "form.png", None, "scan"),
        (["x" * 5000, "form.png"], PLAIN, "x" * 5000, ["form.png"], None),
        (["a\0b", "form.png"], PLAIN, "a\0b", ["form.png"], None),
        (["form.png", "form.png", "What is in form.png"], PLAIN, "What is in form.png", ["form.png"] * 2, None),
    ],
)
def test_the_question_is_told_from_the_files(
    arguments: list[str], options: RunOptions, question: str, image: list[str] | None, pdf: str | None
) -> None:
    """Wherever it stands; what `--image` names comes first, and a PDF is known by its first bytes."""
    asked, found = split_question(arguments[0], arguments[1:], options)
    assert (asked, found.image, found.pdf) == (question, image, pdf)


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        (["form.png"], UsageError, r'form\.png is a file; what is asked about it\?.*"What is the total\?" form\.png'),
        (["form.png", "scan"], UsageError, "form.png is a file"),
        ([QUESTION, "nope.png"], ImageError, r"nope\.png: no such file"),
        (["nope.png", QUESTION], ImageError, r"nope\.png: no such file"),
        (["What", "is", "that"], ImageError, "picture is: no such file; .*quotes"),
        ([QUESTION, "scan", "scan"], UsageError, "scan and scan are 2 documents"),
    ],
)
def test_what_is_not_meant_is_said(arguments: list[str], error: type[Dsvl2Error], said: str) -> None:
    """No file becomes a question, and no word of a question a file, without a word."""
    with pytest.raises(error, match=said):
        split_question(arguments[0], arguments[1:], PLAIN)


@pytest.mark.usefixtures("here")
def test_an_empty_argument_is_no_file() -> None:
    """As a variable that is not set gives it: alone it is an empty question, which is refused as one."""
    assert split_question("", (), PLAIN) == ("", PLAIN)
    assert split_question("", ["form.png"], PLAIN)[0] == ""
    with pytest.raises(ImageError, match="no such file"):
        split_question(QUESTION, [""], PLAIN)


@pytest.mark.usefixtures("here")
def test_two_documents_are_refused_also_by_an_option() -> None:
    """The pages of one would be taken for those of the other."""
    with pytest.raises(UsageError, match="2 documents"):
        with_files(RunOptions(pdf="scan"), ["scan"])


def test_verbs_without_a_question_take_files() -> None:
    """The same answer as with the option."""
    for verb in ("describe", "ocr"):
        assert call(verb, FORM, "-n", "8") == call(verb, "-i", FORM, "-n", "8")


def test_run_and_locate_take_files() -> None:
    """In either order."""
    asked = call("run", QUESTION, "-i", FORM)
    assert call("run", QUESTION, FORM) == call("run", FORM, QUESTION) == asked
    assert call("locate", "Name", FORM) == call("locate", "Name", "-i", FORM)


@pytest.mark.usefixtures("here")
def test_a_document_without_an_option_is_asked_page_by_page() -> None:
    """As with `--pdf`."""
    pages = ("--pages", "2", "--dpi", "30", "-n", "4")
    assert call("run", QUESTION, "scan", *pages) == call("run", QUESTION, "--pdf", "scan", *pages)
