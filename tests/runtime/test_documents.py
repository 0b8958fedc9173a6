"""Pages of documents: what they show, and that no document harms the one who opens it."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from PIL import Image

import own_pdfs
from dsvl2_runtime.errors import CancelledError, Dsvl2Error, ImageError, TimeLimitError, UsageError
from dsvl2_runtime.inputs import pdf_reader
from dsvl2_runtime.inputs.documents import Page, page_count, pages
from dsvl2_runtime.inputs.images import ImageBytes
from dsvl2_runtime.inputs.pdf_child import chosen_pages, page_ranges
from dsvl2_runtime.inputs.pdf_reader import Password
from dsvl2_runtime.progress import Progress, Watch


@pytest.fixture(autouse=True)
def _no_child_is_left() -> Iterator[None]:
    before = {child.pid for child in psutil.Process().children()}
    yield
    assert {child.pid for child in psutil.Process().children()} <= before


def colour(page: Page) -> object:
    """At the left edge, where the page is filled."""
    return page.image.getpixel((2, page.image.height // 2))


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("documents") / "three pages ü.pdf"
    path.write_bytes(own_pdfs.own_pdf())
    return path


def test_pages_are_drawn_at_their_size(three: Path) -> None:
    """72 points are an inch; each page has its own colour, in RGB, and the paper is white."""
    found = list(pages(three, dpi=100))
    assert [(page.number, page.chosen, page.image.size) for page in found] == [(n, 3, (100, 200)) for n in (1, 2, 3)]
    assert [colour(page) for page in found] == list(own_pdfs.COLOURS[:3])
    assert found[0].image.getpixel((97, 100)) == (255, 255, 255)


@pytest.mark.parametrize(
    ("catalogue", "codes"),
    [
        (b"/NeedsRendering true /AcroForm << /Fields [] /XFA [] >>", ["pdf.placeholder"]),
        (b"/AcroForm << /Fields [] /XFA [] >>", []),
        (b"/NeedsRendering true /AcroForm << /Fields [] >>", []),
        (b"", []),
    ],
)
def test_a_form_that_is_not_drawn_is_said_to_be_one(catalogue: bytes, codes: list[str]) -> None:
    """Its page asks to wait for another program, and an answer would be about that page."""
    found = list(pages(own_pdfs.own_pdf(((72, 144),) * 2, catalogue=catalogue)))
    assert [[notice.code for notice in page.notices] for page in found] == [codes, codes]


def test_pages_are_chosen_in_any_order(three: Path) -> None:
    """A page may come twice; an end may be open."""
    assert [(page.number, colour(page)) for page in pages(three, "3,1-2")] == [
        (3, own_pdfs.COLOURS[2]),
        (1, own_pdfs.COLOURS[0]),
        (2, own_pdfs.COLOURS[1]),
    ]
    assert [page.number for page in pages(three.read_bytes(), "2-, 2")] == [2, 3, 2]


@pytest.mark.parametrize("choice", ["", "0", "x", "3-2", "1,,2", "-1", "1-x", "٣", "1" * 9, "4", "1-4", "2-3-4"])
def test_a_choice_that_is_none_is_a_usage_error(three: Path, choice: str) -> None:
    """Before any process is started, where it can be known."""
    with pytest.raises(UsageError):
        list(pages(three, choice))


@pytest.mark.parametrize("dpi", [0, -5, 9, 1201, float("nan"), float("inf")])
def test_dots_per_inch_have_bounds(three: Path, dpi: float) -> None:
    """Also what is no number."""
    with pytest.raises(UsageError, match="dots per inch"):
        next(pages(three, dpi=dpi))


def test_pages_that_are_left_out_keep_their_places(three: Path, tmp_path: Path) -> None:
    """Of a PDF and of a TIFF: they count as chosen, and none of them is drawn or decoded."""
    frames = [Image.new("RGB", (30, 20), colour) for colour in own_pdfs.COLOURS[:3]]
    frames[0].save(tmp_path / "scan.tif", save_all=True, append_images=frames[1:])
    for source in (three, tmp_path / "scan.tif"):
        found = list(pages(source, "3,1-2", without={1}))
        assert [(page.number, page.position, page.chosen) for page in found] == [(3, 1, 3), (2, 3, 3)]
        assert [colour(page) for page in found] == [own_pdfs.COLOURS[2], own_pdfs.COLOURS[1]]
        assert list(pages(source, without=range(1, 4))) == []
    assert page_ranges([7, 1, 2, 3, 9, 8]) == [(1, 3), (7, 9)]


def test_many_pages_need_a_choice() -> None:
    """The error says how many there are."""
    long = own_pdfs.own_pdf([(72, 72)] * 60)
    with pytest.raises(UsageError, match="60 pages"):
        next(pages(long))
    assert [page.number for page in pages(long, "59-")] == [59, 60]
    assert len(chosen_pages("1-", 60)) == 60


def test_a_turned_page_is_upright() -> None:
    """As a reader of PDFs shows it: 90 degrees clockwise, so that the left edge is at the top."""
    (page,) = pages(own_pdfs.own_pdf([(72, 144)], b"/Rotate 90"), dpi=72)
    assert page.image.size == (144, 72)
    assert page.image.getpixel((70, 2)) == own_pdfs.COLOURS[0]
    assert page.image.getpixel((70, 70)) == (255, 255, 255)


def test_progress_is_told_page_by_page(three: Path) -> None:
    """From none to all of those that were chosen."""
    told: list[Progress] = []
    list(pages(three, "2,3", watch=Watch(told.append)))
    assert told == [Progress("pages", done, 2) for done in (0, 1, 2)]


def test_a_stop_ends_it_and_the_process(three: Path) -> None:
    """By the caller, by the clock, and by a caller who takes no more pages."""
    with pytest.raises(CancelledError):
        list(pages(three, watch=Watch(should_stop=lambda: True)))
    with pytest.raises(TimeLimitError):
        list(pages(three, watch=Watch(deadline=0.0)))
    drawing = pages(three)
    assert next(drawing).number == 1
    drawing.close()  # type: ignore[attr-defined]


def test_a_password_is_named() -> None:
    """With the file's name."""
    with pytest.raises(ImageError, match=r"secret\.pdf: it is protected with a password") as found:
        list(pages(ImageBytes("secret.pdf", own_pdfs.protected_pdf())))
    assert found.value.exit_code == 5


def test_a_protected_document_opens_with_its_password(three: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It stands in no argument and no variable of a process, and nobody is asked for that of an open document."""
    started: list[tuple[object, ...]] = []
    begin = subprocess.Popen

    def recorded(arguments: list[str], **others: Any) -> subprocess.Popen[bytes]:
        started.append((arguments, others.get("env"), dict(os.environ)))
        return begin(arguments, **others)

    monkeypatch.setattr(subprocess, "Popen", recorded)
    asked: list[str] = []

    def password(name: str) -> str:
        asked.append(name)
        return "gel\u00f6st 8"

    secret = own_pdfs.locked_pdf("gel\u00f6st 8")
    (page,) = pages(ImageBytes("secret.pdf", secret), "2", dpi=100, password=password)
    assert (page.number, page.image.size, colour(page)) == (2, (100, 200), own_pdfs.COLOURS[1])
    assert page_count(secret, password=password) == 3
    assert len(list(pages(three, password=password))) == 3
    assert asked == ["secret.pdf", "in memory"]
    assert len(started) == 5
    assert "gel\u00f6st" not in str(started)


@pytest.mark.parametrize(
    ("password", "error", "says"),
    [
        (None, ImageError, "give it with --pdf-password-file"),
        (lambda name: None, ImageError, "give it with --pdf-password-file"),
        ("wrong", ImageError, "the password that was given does not open it"),
        ("", ImageError, "the password that was given does not open it"),
        ("x" * 100_000, ImageError, "the password that was given does not open it"),
        ("\0", UsageError, "what no text has"),
        ("\ud800", UsageError, "what no text has"),
    ],
)
def test_a_password_that_does_not_open_it_is_said(password: Password, error: type[Dsvl2Error], says: str) -> None:
    """And not repeated."""
    with pytest.raises(error, match=says) as found:
        list(pages(ImageBytes("secret.pdf", own_pdfs.locked_pdf("right")), password=password))
    assert "secret.pdf" in str(found.value)
    assert "wrong" not in str(found.value)


def test_a_child_that_ends_before_it_has_read_the_document_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """More than a pipe holds is left unread."""
    reads = "import sys, json; locked = json.loads(sys.argv[4]); sys.stdin.buffer.readline() if locked else 0; "
    monkeypatch.setattr(
        pdf_reader, "CHILD", ("-c", reads + "print('{}') if locked else print('{\"error\": \"password\"}')")
    )
    with pytest.raises(ImageError, match="ended on it with"):
        list(pages(own_pdfs.own_pdf() + bytes(5_000_000), password=lambda name: "x"))


def test_a_page_above_the_bound_that_was_set_is_refused(tmp_path: Path) -> None:
    """Of a PDF before it is drawn, of a TIFF before it is decoded; a page within it comes."""
    drawing = pages(own_pdfs.own_pdf([(72, 72), (72, 144)]), dpi=72, most_pixels=72 * 72)
    assert next(drawing).image.size == (72, 72)
    with pytest.raises(ImageError, match=r"page 2: it would have 72x144 pixels; use fewer .* 5184"):
        next(drawing)
    sizes = [(40, 30), (20, 10)]
    first, second = (Image.new("RGB", size) for size in sizes)
    first.save(tmp_path / "scan.tif", save_all=True, append_images=[second])
    assert [page.image.size for page in pages(tmp_path / "scan.tif", "2", most_pixels=200)] == [(20, 10)]
    with pytest.raises(ImageError, match="40x30 pixels; scale it to at most 200 pixels, or allow more"):
        list(pages(tmp_path / "scan.tif", "1", most_pixels=200))


@pytest.mark.parametrize("size", [(144_000, 144_000), (1e9, 1), (1e8, 1e8)])
def test_a_page_that_is_too_large_is_named(size: tuple[float, float]) -> None:
    """With its number; the pages before it come."""
    drawing = pages(own_pdfs.own_pdf([(72, 72), size]), dpi=300)
    assert next(drawing).number == 1
    with pytest.raises(ImageError, match="page 2: it would have"):
        next(drawing)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "empty file"),
        (b"%PDF-1.4\n", "begins like a PDF"),
        (b"\x00" * 50, "not a picture"),
        (b"PK\x03\x04" + bytes(26) + b"word/document.xml", "a Word document"),
    ],
)
def test_what_is_no_document_is_named_as_what_it_is(tmp_path: Path, content: bytes, says: str) -> None:
    """By its content."""
    (tmp_path / "x.pdf").write_bytes(content)
    with pytest.raises(ImageError, match=says):
        list(pages(tmp_path / "x.pdf"))


def said(*replies: object) -> str:
    """A program that prints these replies."""
    return "; ".join(f"print({json.dumps(reply)!r})" for reply in replies)


@pytest.mark.parametrize(
    ("program", "says"),
    [
        ("import os; os.kill(os.getpid(), 11)", "ended on it with signal SIGSEGV"),
        ("raise SystemExit(3)", "ended on it with exit code 3"),
        (said({"pages": [1], "count": 1, "is_placeholder": False}, {"page": 1, "width": 9, "height": 9}), "page 1: "),
        (
            said({"pages": [1], "count": 1, "is_placeholder": False}, {"page": 7, "width": 1, "height": 1})
            + "; print('abc')",
            "page 1: ",
        ),
        (said({"page": 1, "width": 1_000_000, "height": 1_000_000}), "ended on it with"),
        (said({"page": 1, "width": -10, "height": -10}), "ended on it with"),
        (said({"pages": "12", "count": 2, "is_placeholder": False}), "ended on it with"),
        (said({"error": "?"}), "it is damaged"),
        ("print('[' * 60000)", "PDF reader"),
        ("print('x' * 1000000)", "PDF reader does not say"),
    ],
)
@pytest.mark.skipif(sys.platform == "win32", reason="there are no such signals")
def test_a_child_that_dies_or_says_nonsense_is_an_error(
    three: Path, monkeypatch: pytest.MonkeyPatch, program: str, says: str
) -> None:
    """Named with the file, and with the page where it is about one."""
    monkeypatch.setattr(pdf_reader, "CHILD", ("-c", program))
    with pytest.raises(ImageError, match=says) as found:
        list(pages(three))
    assert three.name in str(found.value)


def test_a_child_that_hangs_is_ended(three: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the time of a page."""
    monkeypatch.setattr(pdf_reader, "CHILD", ("-c", "import time; time.sleep(600)"))
    monkeypatch.setattr(pdf_reader, "PAGE_SECONDS", 0.3)
    with pytest.raises(ImageError, match=r"not drawn after 0\.3 seconds"):
        list(pages(three))


@pytest.mark.nightly
def test_hostile_and_broken_pdfs_harm_nothing(tmp_path: Path, nightly: bool) -> None:
    """Each is drawn or is an error of ours, which names it; some are still drawn, and the errors are of many kinds.

    Every day they are the same fifty; at night there are five folders of two hundred.
    """
    count = 200 if nightly else 50
    seeds = [16, *(secrets.randbits(32) for _ in range(4 if nightly else 0))]
    for seed in seeds:
        bombs = [*own_pdfs.bomb_pdfs()]
        folder = tmp_path / str(seed)
        folder.mkdir()
        for number, content in enumerate([*bombs, *own_pdfs.mutated(count - len(bombs), seed)]):
            (folder / f"{number}.pdf").write_bytes(content)
        paths = sorted(folder.iterdir())
        assert len(paths) == count
        drawn, errors = 0, set()
        for path in paths:
            try:
                for page in pages(path, dpi=36):
                    assert page.image.mode == "RGB"
                    drawn += 1
            except Dsvl2Error as error:
                assert error.exit_code in (2, 5, 7), f"seed {seed}, {path.name}"
                errors.add(str(error).removeprefix(f"picture {path}"))
        assert drawn > count / 2, f"seed {seed}"
        assert len(errors) > 5, f"seed {seed}"


def test_pages_of_a_tiff_are_chosen_like_those_of_a_pdf(tmp_path: Path) -> None:
    """Each has its own size and colour, and there is nothing to say about the others."""
    frames = [Image.new("RGB", (30 + number, 20), colour) for number, colour in enumerate(own_pdfs.COLOURS)]
    frames[0].save(tmp_path / "scan.tif", save_all=True, append_images=frames[1:])
    found = list(pages(tmp_path / "scan.tif", "4,1-2"))
    assert [(page.number, page.image.width, colour(page)) for page in found] == [
        (number, 29 + number, own_pdfs.COLOURS[number - 1]) for number in (4, 1, 2)
    ]
    assert all(page.notices == () for page in found)
    with pytest.raises(UsageError, match="has 4"):
        list(pages(tmp_path / "scan.tif", "5"))


def test_another_image_is_one_page(tmp_path: Path) -> None:
    """A damaged TIFF is named with its page."""
    Image.new("RGB", (30, 20), "red").save(tmp_path / "one.png")
    (page,) = pages(tmp_path / "one.png")
    assert (page.number, page.chosen, page.image.size) == (1, 1, (30, 20))
    frames = [Image.new("RGB", (300, 200), colour) for colour in own_pdfs.COLOURS]
    frames[0].save(tmp_path / "cut.tif", save_all=True, append_images=frames[1:])
    whole = (tmp_path / "cut.tif").read_bytes()
    (tmp_path / "cut.tif").write_bytes(whole[: len(whole) * 6 // 10])
    drawing = pages(tmp_path / "cut.tif", "1-")
    assert next(drawing).number == 1
    with pytest.raises(ImageError, match="damaged"):
        list(drawing)
