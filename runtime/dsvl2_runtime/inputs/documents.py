"""Pages of documents as images: of a PDF, drawn in a child process (`pdf_reader.py`), and of a TIFF."""

from __future__ import annotations

import os
import warnings
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from PIL import Image

from dsvl2_runtime.errors import UsageError
from dsvl2_runtime.geometry import LARGEST_PIXELS
from dsvl2_runtime.inputs.formats import HEAD_BYTES, is_pdf
from dsvl2_runtime.inputs.images import ImageBytes, decode_page, image_file
from dsvl2_runtime.inputs.pdf_child import chosen_pages
from dsvl2_runtime.inputs.pdf_reader import MOST_PAGE_PIXELS, Asked, Password, next_reply, opened_pdf
from dsvl2_runtime.notices import Notice
from dsvl2_runtime.progress import UNWATCHED, Watch, stops_as_errors

DPI = 150.0
"""At which a page of A4 has 1240x1754 pixels, a little more than the model sees of it."""
LEAST_DPI, MOST_DPI = 10, 1200
MOST_PAGES = 50
"""Pages of a document that are taken without a choice."""
MOST_TIFF_PAGES = 10_000
"""A TIFF is a chain of pages, so that a later one is found through all of those before it."""


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a document."""

    number: int
    """In the document, counted from 1."""
    chosen: int
    """How many pages were chosen."""
    position: int
    """Which of the chosen pages it is, counted from 1."""
    image: Image.Image
    """RGB, upright; an `images.ImageSource`."""
    notices: tuple[Notice, ...] = ()
    """What is not shown as it is stored."""


DocumentSource = str | os.PathLike[str] | bytes | ImageBytes


def pages(
    source: DocumentSource,
    choice: str | None = None,
    dpi: float = DPI,
    watch: Watch = UNWATCHED,
    *,
    password: Password = None,
    most_pixels: int = LARGEST_PIXELS,
    without: Collection[int] = (),
) -> Iterator[Page]:
    """Draw the pages of a document one after the other; the next one is begun when this one is taken.

    Args:
        source: a PDF, or an image, of which a TIFF may have several pages: a path, or bytes.
        choice: such as `1-3,7` or `5-`, in this order; all of them, at most `MOST_PAGES`, without a choice.
        dpi: dots per inch of a PDF's page; a TIFF has pixels of its own.
        watch: told how many pages are drawn, and asked for an end many times a second.
        password: of a protected PDF. It reaches the reader over a pipe, and stands in no argument, file or log.
        most_pixels: width times height of a page; a page with more is refused before it is drawn or decoded. A PDF's
            page may never have more than `MOST_PAGE_PIXELS`.
        without: numbers of pages that are neither drawn nor given, though they count as chosen.

    Raises:
        UsageError: the choice or `dpi` is none, or the document has no such page.
        ImageError: it is no document, is damaged or protected, or a page cannot be drawn; named with its page.
        OutOfMemoryError: there is too little memory for a page.
        CancelledError, TimeLimitError: the watch ended it.
    """
    try:
        chosen_pages(choice)
    except ValueError as error:
        raise UsageError(f"pages: {error}") from None
    if not LEAST_DPI <= dpi <= MOST_DPI:
        raise UsageError(f"{dpi} dots per inch; give {LEAST_DPI} to {MOST_DPI}")
    name, file = image_file(source)
    with file, stops_as_errors():
        head = file.read(HEAD_BYTES)
        file.seek(0)
        if is_pdf(head):
            asked = Asked(choice, dpi, min(most_pixels, MOST_PAGE_PIXELS), frozenset(without))
            yield from _pdf_pages(name, file, asked, watch, password)
        else:
            yield from _image_pages(name, file, source, choice, watch, most_pixels, without)


def page_count(source: DocumentSource, watch: Watch = UNWATCHED, *, password: Password = None) -> int:
    """How many pages a document has; 1 for an image that is no TIFF. Of a PDF the reader draws one page to be sure.

    Args:
        source: as for `pages`.
        watch: asked for an end.
        password: as for `pages`.

    Raises:
        ImageError: it is missing, damaged or protected.
        CancelledError, TimeLimitError: the watch ended it.
    """
    name, file = image_file(source)
    with file, stops_as_errors():
        head = file.read(HEAD_BYTES)
        file.seek(0)
        if not is_pdf(head):
            return _count_pages(file)
        with opened_pdf(name, file, Asked("1", LEAST_DPI), watch, password) as (first, _, _):
            return int(first["count"])


def _image_pages(
    name: str,
    file: BinaryIO,
    source: DocumentSource,
    choice: str | None,
    watch: Watch,
    most_pixels: int,
    without: Collection[int],
) -> Iterator[Page]:
    """Pages of a TIFF; another image is one page."""
    count = _count_pages(file)
    try:
        chosen = chosen_pages(choice, count)
    except ValueError as error:
        raise UsageError(f"{name}: {error}") from None
    _require_few(name, choice, count)
    watch.report("pages", 0, len(chosen))
    for done, number in enumerate(chosen, 1):
        if number in without:
            continue
        watch.check()
        decoded = decode_page(source, number - 1, most_pixels)
        watch.report("pages", done, len(chosen))
        yield Page(number, len(chosen), done, decoded.image, decoded.notices)


def _count_pages(file: BinaryIO) -> int:
    """Pages of a TIFF up to a bound, a damaged one after the others included; 1 for any other file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of odd metadata
        try:
            image = Image.open(file, formats=("TIFF",))
        except Exception:  # it is none, or is damaged at its start, which is said where it is decoded
            return 1
        for number in range(1, MOST_TIFF_PAGES):
            try:
                image.seek(number)
            except EOFError:
                return number
            except Exception:  # as above
                return number + 1
        return MOST_TIFF_PAGES


def _require_few(name: str, choice: str | None, count: int) -> None:
    if choice is None and count > MOST_PAGES:
        raise UsageError(f"{name}: it has {count} pages; choose some of them, such as 1-{MOST_PAGES}")


def _pdf_pages(name: str, file: BinaryIO, asked: Asked, watch: Watch, password: Password) -> Iterator[Page]:
    with opened_pdf(name, file, asked, watch, password) as (first, process, replies):
        chosen, count = first["pages"], first["count"]
        _require_few(name, asked.choice, count)
        notices = (Notice("pdf.placeholder"),) if first["is_placeholder"] else ()
        watch.report("pages", 0, len(chosen))
        for done, number in enumerate(chosen, 1):
            if number in asked.without:
                continue
            reply = next_reply(name, number, process, replies, watch)
            image = Image.frombytes("RGB", (reply["width"], reply["height"]), reply["pixels"])
            watch.report("pages", done, len(chosen))
            yield Page(number, len(chosen), done, image, notices)
