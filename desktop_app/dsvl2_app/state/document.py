"""A PDF or a TIFF of several pages: what it is, its pages as small pictures, and a page as a picture to ask about."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from dsvl2_runtime.engine.image_store import KeptImage
from dsvl2_runtime.engine.wire_error import WireError, wire_error
from dsvl2_runtime.errors import CancelledError, ImageError, UsageError
from dsvl2_runtime.inputs.documents import page_count, pages
from dsvl2_runtime.inputs.formats import HEAD_BYTES, image_format, is_pdf
from dsvl2_runtime.inputs.pdf_reader import PROTECTED, WRONG_PASSWORD
from dsvl2_runtime.progress import Watch

PAGE_DPI = (200.0, 100.0, 50.0, 24.0)
"""At which a page is drawn to be asked about: A4 has 1654x2339 pixels at the first; a poster needs a later one."""
THUMBNAIL_DPI = 24.0
"""At which the longer side of A4 has 281 pixels."""
THUMBNAIL_SIDE = 281
"""Pixels of the longer side that this is enough for."""
BATCH = 50
"""Thumbnails that one process draws."""
MOST_THUMBNAILS = 1000
"""Pages beyond have a number alone."""
A4_PIXELS = (1654, 2339)
"""Of a page at the first dots per inch, by which is guessed how many pages the context holds."""
FASTEST_PNG = 1
TOO_LARGE = "it would have"
"""How `documents.pages` begins to say that a page has too many pixels."""


@dataclass(frozen=True, slots=True)
class Document:
    """A document that was added; it is its content, as an image is."""

    name: str
    """The path of its file, or what the program calls it."""
    content: KeptImage
    count: int
    """Of pages."""
    password: str | None = field(default=None, repr=False)
    """That opens it; it lives in the memory alone, and no file, log or argument of a process has it."""


@dataclass(frozen=True, slots=True)
class LockedDocument:
    """A document that nobody can read without its password."""

    name: str
    """As of a document."""
    content: KeptImage
    was_refused: bool = False
    """A password was given, and does not open it."""


@dataclass(frozen=True, slots=True)
class PageThumbnail:
    """A small picture of one page."""

    sha256: str
    """Of the document."""
    number: int
    """Of the page, from 1."""
    image: Image.Image
    """RGB."""


def opened_document(name: str, content: KeptImage, password: str | None = None) -> Document | LockedDocument | None:
    """The document that a content is; None for a picture of one page, which is decoded as such.

    Raises:
        ImageError: it is damaged; by its name and not that of the copy.
    """
    with content.path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    form = image_format(head)
    if not is_pdf(head) and (form is None or form.name != "TIFF"):
        return None
    try:
        with _named(name, content.path):
            count = page_count(content.path, password=password)
    except ImageError as error:
        if error.found not in (PROTECTED, WRONG_PASSWORD):
            raise
        return LockedDocument(name, content, was_refused=error.found == WRONG_PASSWORD)
    except UsageError:  # no PDF can have such a password
        return LockedDocument(name, content, was_refused=True)
    return Document(name, content, count, password) if count > 1 or is_pdf(head) else None


def write_page(document: Document, number: int, out: Path) -> None:
    """Draw one page, counted from 1, as PNG; raises like `documents.pages`."""
    for dpi in PAGE_DPI:
        try:
            with _named(document.name, document.content.path):
                (page,) = pages(document.content.path, str(number), dpi, password=document.password)
        except ImageError as error:
            if dpi == PAGE_DPI[-1] or not error.found.startswith(TOO_LARGE):
                raise
            continue
        page.image.save(out, "PNG", compress_level=FASTEST_PNG)
        return


class PageThumbnails:
    """Draws the pages of one document on a thread, for as long as it is looked at."""

    def __init__(
        self, document: Document, on_result: Callable[[PageThumbnail | WireError], None], side: int = THUMBNAIL_SIDE
    ) -> None:
        self._document = document
        self._side = side
        """Pixels of the longer side."""
        self._on_result = on_result
        """Called on the thread."""
        self._is_over = threading.Event()
        threading.Thread(target=self._run, name="draw thumbnails", daemon=True).start()

    def stop(self) -> None:
        """Draw no more; the page that is being drawn is given up."""
        self._is_over.set()

    def _run(self) -> None:
        document, last = self._document, min(self._document.count, MOST_THUMBNAILS)
        watch = Watch(should_stop=self._is_over.is_set)
        dpi = THUMBNAIL_DPI * max(1.0, self._side / THUMBNAIL_SIDE)
        try:
            for first in range(1, last + 1, BATCH):
                choice = f"{first}-{min(first + BATCH - 1, last)}"
                with _named(document.name, document.content.path):
                    drawn = pages(document.content.path, choice, dpi, watch, password=document.password)
                    for page in drawn:
                        page.image.thumbnail((self._side, self._side))
                        self._on_result(PageThumbnail(document.content.sha256, page.number, page.image))
        except CancelledError:
            return
        except Exception as error:  # whatever it is, the window must hear of it
            self._on_result(wire_error(error))


@contextmanager
def _named(name: str, path: Path) -> Iterator[None]:
    """Errors name the document as its user does, and not the copy that is read."""
    try:
        yield
    except ImageError as error:
        raise ImageError(error.source.replace(str(path), name), error.found, error.advice) from error


def page_ranges(numbers: Sequence[int]) -> str:
    """Page numbers as a choice, such as `1-3,7`, in ascending order."""
    parts: list[str] = []
    begin = last = 0
    for number in [*sorted(set(numbers)), 0]:
        if begin and number == last + 1:
            last = number
            continue
        if begin:
            parts.append(str(begin) if begin == last else f"{begin}-{last}")
        begin = last = number
    return ",".join(parts)
