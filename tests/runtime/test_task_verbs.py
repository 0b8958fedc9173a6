"""The presets, and questions about pages and strips, with the demonstration model and in this process."""

from __future__ import annotations

import getpass
import json
import sys
from pathlib import Path

import pytest
from PIL import Image

import own_pdfs
from dsvl2_runtime.answers import tasks
from dsvl2_runtime.answers.boxes import Box
from dsvl2_runtime.cli import pdf_password, run
from dsvl2_runtime.cli.parts import Part, parts_of
from dsvl2_runtime.cli.run_options import RunOptions
from dsvl2_runtime.errors import Dsvl2Error, ImageError, UsageError
from dsvl2_runtime.inputs.split import Strip
from dsvl2_runtime.progress import UNWATCHED
from image_files import png_header
from runtime.test_run_verb import FORM, call, report

EXAMPLES = Path(FORM).parent


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A PDF of a form, a receipt and a dialog, each page as large as its picture at 150 dpi."""
    pictures = [Image.open(EXAMPLES / f"small_{name}.png").convert("RGB") for name in ("form", "receipt", "dialog")]
    path = tmp_path_factory.mktemp("documents") / "three.pdf"
    pictures[0].save(path, save_all=True, append_images=pictures[1:], resolution=150, quality=95)
    return str(path)


def test_pages_are_asked_one_by_one_and_the_answer_says_where(three: str) -> None:
    """Pages that do not show it are left out; a single page is answered like a picture."""
    assert call("run", "What is the total?", "--pdf", three) == "page 2: $15.15\n"
    assert call("run", "What is the total?", "--pdf", three, "--pages", "2") == "$15.15\n"
    assert call("run", "What is the total?", "--pdf", three, "--pages", "1") == "not shown\n"
    assert call("run", "What is the total?", "--pdf", three, "--pages", "1,1") == "not shown\n"


def test_the_report_has_every_page(three: str) -> None:
    """With its answer and its image; the sums are over all of them."""
    found = report("run", "What is the total?", "--pdf", three, "--pages", "2-3")
    assert found["answer"] == "page 2: $15.15"
    assert [(part["picture"], part["page"]) for part in found["parts"]] == [(1, 2), (2, 3)]
    assert found["parts"][0]["answer"] == "$15.15"
    assert [(image["page"], image["width"], image["height"]) for image in found["images"]] == [
        (2, 224, 224), (3, 224, 224),
    ]  # fmt: skip
    assert (
        found["usage"]["image"] == sum(image["tokens"] for image in found["images"]) == 2 * 421
    )  # one tile of 14 x 14 cells each
    assert found["timings"]["pages"] > 0
    assert next(event for event in json_lines(three) if event["event"] == "progress")["phase"] == "pages"


def json_lines(pdf: str) -> list[dict[str, object]]:
    output = call("run", "What is the total?", "--pdf", pdf, "--pages", "2", "--format", "jsonl")
    return [json.loads(line) for line in output.splitlines()]


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        (("--pages", "1"), UsageError, "--pdf"),
        (("--pdf", "{three}", "-i", FORM), UsageError, "do not go together"),
        (("--pdf", "{three}", "--pages", "9"), UsageError, "the document has 3"),
        (("--pdf", "{three}", "--pages", "x"), UsageError, "1-3,7"),
        (("--pdf", "{three}", "--dpi", "5"), UsageError, "dots per inch"),
        (("--pdf", "lost.pdf"), ImageError, "no such file"),
        (("--split", "auto"), UsageError, "needs a picture"),
        (("-i", "{three}"), ImageError, "it is a PDF document, which is not read; ask about its pages with --pdf"),
    ],
)
def test_what_cannot_be_asked_is_said_before_the_model(
    three: str, arguments: tuple[str, ...], error: type[Dsvl2Error], says: str
) -> None:
    """There is no such model either."""
    given = [argument.replace("{three}", three) for argument in arguments]
    with pytest.raises(error, match=says):
        call("run", "x", "-m", "none", *given)


def test_a_protected_document_is_named(tmp_path: Path) -> None:
    """With exit code 5."""
    (tmp_path / "secret.pdf").write_bytes(own_pdfs.protected_pdf())
    with pytest.raises(ImageError, match="protected with a password") as found:
        call("run", "x", "--pdf", str(tmp_path / "secret.pdf"))
    assert found.value.exit_code == 5


@pytest.fixture
def locked(tmp_path: Path) -> str:
    (tmp_path / "locked.pdf").write_bytes(own_pdfs.locked_pdf("open sesame"))
    return str(tmp_path / "locked.pdf")


def pages_of(pdf: str, *arguments: str) -> list[int]:
    found = report("run", "What is the total?", "--pdf", pdf, "--dpi", "72", "-n", "1", *arguments)
    return [image["page"] for image in found["images"]]


def test_the_password_of_a_document_comes_from_a_file_or_a_variable(
    locked: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file counts more, and its name alone stands among the options."""
    file = tmp_path / "password"
    file.write_text("open sesame\r\nanother line\n")
    monkeypatch.setenv("DSVL2_PDF_PASSWORD", "wrong")
    assert pages_of(locked, "--pdf-password-file", str(file)) == [1, 2, 3]
    with pytest.raises(ImageError, match="does not open it"):
        pages_of(locked)
    monkeypatch.setenv("DSVL2_PDF_PASSWORD", "open sesame")
    assert pages_of(locked, "--pages", "2") == [2]


def test_the_password_of_a_document_is_asked_for_on_a_terminal(locked: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """On standard error, by the document's name, and without an echo; elsewhere nobody is asked."""
    asked = []

    def unseen(prompt: str, stream: object) -> str:
        asked.append((prompt, stream is sys.stderr))
        return "open sesame"

    monkeypatch.setattr(getpass, "getpass", unseen)
    options = RunOptions(pdf=locked, dpi=72)
    with pytest.raises(ImageError, match="protected with a password"):
        next(parts_of(options, UNWATCHED))
    monkeypatch.setattr(pdf_password, "_is_terminal", lambda stream: stream in (sys.stdin, sys.stderr))
    assert next(parts_of(options, UNWATCHED)).page == 1
    assert asked == [(f"password of {locked}: ", True)]


@pytest.mark.parametrize(
    ("content", "says"),
    [(None, "No such file"), (b"", "is empty"), (b"\nx", "is empty"), (b"\xff\n", "UTF-8"), (b"x" * 1001, "1000")],
)
def test_a_file_without_a_password_is_a_usage_error(
    locked: str, tmp_path: Path, content: bytes | None, says: str
) -> None:
    file = tmp_path / "password"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(UsageError, match=rf"{says}.*--pdf-password-file"):
        call("run", "x", "--pdf", locked, "--pdf-password-file", str(file))


def test_a_picture_above_max_pixels_is_refused_before_it_is_decoded(
    tmp_path: Path, three: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And before the model is loaded; from the configuration file as well; one with as many is asked about."""
    header_only = tmp_path / "large.png"
    header_only.write_bytes(png_header(300, 200))  # decoding it would fail
    for verb in (("run", "x"), ("ocr",), ("locate", "x")):
        with pytest.raises(ImageError, match="300x200 pixels; scale it to at most 59999 pixels") as found:
            call(*verb, "-m", "none", "-i", str(header_only), "--max-pixels", "59999")
        assert found.value.exit_code == 5
    with pytest.raises(ImageError, match="at most 50175 pixels, or allow more with --max-pixels"):
        call("run", "x", "-i", FORM, "--max-pixels", "50175")
    with pytest.raises(ImageError, match="page 1: it would have 224x224 pixels"):
        call("run", "x", "--pdf", three, "--max-pixels", "50175")
    assert call("run", "What is the name?", "-i", FORM, "--max-pixels", "50176") == "Anna Weber\n"


def test_a_large_picture_is_asked_strip_by_strip(tmp_path: Path) -> None:
    """The report says which strips there were, and that they cover the picture."""
    whole = Image.new("RGB", (1000, 4000), "white")
    whole.save(tmp_path / "long.png")
    found = report("run", "What is the total?", "-i", str(tmp_path / "long.png"), "--split", "auto", "-n", "1")
    assert [part["strip"] for part in found["parts"]] == list(range(1, len(found["parts"]) + 1))
    assert len(found["parts"]) >= 4
    assert sum(image["height"] for image in found["images"]) == 4000
    one = report("run", "What is the name?", "-i", FORM, "--split", "auto")
    assert one["answer"] == "Anna Weber"
    assert "parts" not in one


def test_a_box_of_a_strip_is_a_box_of_the_whole() -> None:
    """Moved by the strip's corner, and as large as its pixels are in a picture that was halved."""
    strip = Strip(2, 3, 0, 1000, Image.new("RGB", (500, 500)))
    part = Part((strip.image,), 4, strip=strip, whole_size=(1000, 4000), scale=2.0, is_alone=False)
    box = part.box_in_whole(Box("x", 1, (0, 0, 999, 999), (0, 0, 500, 500)))
    assert box == Box("x", 4, (0, 500, 999, 749), (0, 2000, 1000, 3000))
    assert part.name == "picture 4, strip 2"
    assert part.place == {"picture": 4, "strip": 2}


def test_pictures_are_one_part_unless_they_may_be_split() -> None:
    """Then each is asked alone."""
    both = RunOptions(image=[FORM, FORM])
    assert [len(part.images) for part in parts_of(both, UNWATCHED)] == [2]
    assert call("describe", "-i", FORM, "-n", "1").endswith("\n")


def test_locate_finds_what_is_named() -> None:
    """Its box in pixels; the same box as with typed tokens."""
    typed = report("run", "<|ref|>Name<|/ref|>", "-i", FORM, "--allow-special-tokens")["boxes"]
    assert report("locate", "Name", "-i", FORM)["boxes"] == typed
    assert call("locate", "Name", "-i", FORM) == f"Name {typed[0]['px']}\n"
    with pytest.raises(UsageError, match="nothing to look for"):
        call("locate", " ", "-i", FORM)


def test_ocr_reads_the_text() -> None:
    """Of the form, its title and its values; with the options of `run`."""
    found = report("ocr", "-i", FORM)
    assert "Anna Weber" in found["answer"]
    assert found["usage"]["completion"] > 20
    assert report("ocr", "-i", FORM, "-n", "3")["finish_reason"] == "length"


def test_a_table_becomes_csv(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the answer is one; the command passes the answer through."""
    markdown = 'Here:\n\n| a | b \\| c |\n| --- | :-: |\n| 1,5 | say "x" |\n| | 2 |\n'
    assert tasks.as_csv(markdown) == 'a,b | c\n"1,5","say ""x"""\n,2'
    assert tasks.as_csv("no table") == "no table"
    monkeypatch.setattr(tasks, "as_csv", lambda answer: f"<{len(answer)}>")
    plain = report("table", "-i", FORM, "-n", "9")["answer"]
    assert report("table", "-i", FORM, "-n", "9", "--as", "csv")["answer"] == f"<{len(plain)}>"
    assert call("chart", "-i", FORM, "-n", "9", "--as", "csv").startswith("<")


@pytest.mark.parametrize(
    ("answer", "is_shown"),
    [
        ("not shown", False), ("Not shown.", False), ("It is not visible in the image.", False), ("N/A", False),
        ("The date is not specified", False), ("", True), ("$5", True), ("not shown to minors", True),
    ],
)  # fmt: skip
def test_not_shown_is_recognised(answer: str, is_shown: bool) -> None:
    """As a whole answer only."""
    assert tasks.says_not_shown(answer) is not is_shown


def test_the_whole_answer_of_pages_none_of_which_shows_it() -> None:
    """The constant that is printed is one that is recognised."""
    assert tasks.says_not_shown(run.NOT_SHOWN)
