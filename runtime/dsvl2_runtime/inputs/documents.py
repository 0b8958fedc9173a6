"""Pages of documents as images: of a PDF, drawn in a child process (`pdf_child.py`), and of a TIFF."""

from __future__ import annotations

import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import IO, Any, BinaryIO, Literal, cast

from PIL import Image

from dsvl2_runtime.errors import ImageError, OutOfMemoryError, UsageError
from dsvl2_runtime.inputs import pdf_child
from dsvl2_runtime.inputs.formats import HEAD_BYTES, foreign_format, image_format
from dsvl2_runtime.inputs.images import ImageBytes, decode_page, image_file
from dsvl2_runtime.inputs.pdf_child import chosen_pages
from dsvl2_runtime.machine.own_modules import module_arguments
from dsvl2_runtime.notices import Notice
from dsvl2_runtime.progress import UNWATCHED, Watch, stops_as_errors

PDF_NAME = "a PDF document"
DPI = 150.0
"""At which a page of A4 has 1240x1754 pixels, a little more than the model sees of it."""
LEAST_DPI, MOST_DPI = 10, 1200
MOST_PAGE_PIXELS = 50_000_000
PAGE_SECONDS = 60.0
"""A page takes a fraction of a second; one of a hostile document may take forever."""
POLL_SECONDS = 0.1
EXIT_SECONDS = 2.0
MOST_PAGES = 50
"""Pages of a document that are taken without a choice."""
MOST_TIFF_PAGES = 10_000
"""A TIFF is a chain of pages, so that a later one is found through all of those before it."""
REPLY_BYTES = 1 << 16
CHILD = module_arguments(pdf_child.__name__)
"""Of the program that runs this."""
PRINT_ADVICE = "print it into a new PDF, or save the page as PNG"


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a document."""

    number: int
    """In the document, counted from 1."""
    chosen: int
    """How many pages were chosen."""
    image: Image.Image
    """RGB, upright; an `images.ImageSource`."""
    notices: tuple[Notice, ...] = ()
    """What is not shown as it is stored."""


DocumentSource = str | os.PathLike[str] | bytes | ImageBytes


def pages(
    source: DocumentSource, choice: str | None = None, dpi: float = DPI, watch: Watch = UNWATCHED
) -> Iterator[Page]:
    """Draw the pages of a document one after the other; the next one is begun when this one is taken.

    Args:
        source: a PDF, or an image, of which a TIFF may have several pages: a path, or bytes.
        choice: such as `1-3,7` or `5-`, in this order; all of them, at most `MOST_PAGES`, without a choice.
        dpi: dots per inch of a PDF's page; a TIFF has pixels of its own.
        watch: told how many pages are drawn, and asked for an end many times a second.

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
            yield from _pdf_pages(name, file, choice, dpi, watch)
        else:
            yield from _image_pages(name, file, source, choice, watch)


def page_count(source: DocumentSource, watch: Watch = UNWATCHED) -> int:
    """How many pages a document has; 1 for an image that is no TIFF. Of a PDF the reader draws one page to be sure.

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
        with _child(file, "1", LEAST_DPI) as (process, replies):
            return int(_next_reply(name, None, process, replies, watch)["count"])


def is_pdf(head: bytes) -> bool:
    """Whether a file with these first bytes is a PDF, and no image that holds one."""
    foreign = foreign_format(head)
    return foreign is not None and foreign.name == PDF_NAME and image_format(head) is None


def _image_pages(name: str, file: BinaryIO, source: DocumentSource, choice: str | None, watch: Watch) -> Iterator[Page]:
    """Pages of a TIFF; another image is one page."""
    count = _count_pages(file)
    try:
        chosen = chosen_pages(choice, count)
    except ValueError as error:
        raise UsageError(f"{name}: {error}") from None
    _require_few(name, choice, count)
    watch.report("pages", 0, len(chosen))
    for done, number in enumerate(chosen, 1):
        watch.check()
        decoded = decode_page(source, number - 1)
        watch.report("pages", done, len(chosen))
        yield Page(number, len(chosen), decoded.image, decoded.notices)


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


@dataclass(frozen=True, slots=True)
class _Reply:
    """What the child said: its line, and the bytes of a page; None for its end."""

    line: dict[str, Any] | None
    pixels: bytes = b""


def _pdf_pages(name: str, file: BinaryIO, choice: str | None, dpi: float, watch: Watch) -> Iterator[Page]:
    with _child(file, choice, dpi) as (process, replies):
        first = _next_reply(name, None, process, replies, watch)
        chosen, count = first["pages"], first["count"]
        _require_few(name, choice, count)
        watch.report("pages", 0, len(chosen))
        for done, number in enumerate(chosen, 1):
            reply = _next_reply(name, number, process, replies, watch)
            image = Image.frombytes("RGB", (reply["width"], reply["height"]), reply["pixels"])
            watch.report("pages", done, len(chosen))
            yield Page(number, len(chosen), image)


@contextmanager
def _child(
    file: BinaryIO, choice: str | None, dpi: float
) -> Iterator[tuple[subprocess.Popen[bytes], queue.Queue[_Reply]]]:
    """The process that draws, and what it says; it is gone when the block ends, whatever it does."""
    arguments = (*CHILD, json.dumps(choice), repr(float(dpi)), str(MOST_PAGE_PIXELS))
    with ExitStack() as stack:
        process = subprocess.Popen(  # noqa: S603 - our own module, in our own Python
            [sys.executable, *arguments],
            stdin=stack.enter_context(_on_disk(file)),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        replies: queue.Queue[_Reply] = queue.Queue(maxsize=1)
        is_over = threading.Event()
        reader = threading.Thread(
            target=_read_replies, args=(cast("IO[bytes]", process.stdout), replies, is_over), daemon=True
        )
        reader.start()
        try:
            yield process, replies
        finally:
            is_over.set()
            process.kill()
            process.wait()
            reader.join()
            cast("IO[bytes]", process.stdout).close()


@contextmanager
def _on_disk(file: BinaryIO) -> Iterator[IO[bytes]]:
    """The file as one that another process can read."""
    try:
        file.fileno()
    except OSError:  # it is in memory
        with tempfile.TemporaryFile() as copy:
            shutil.copyfileobj(file, copy)
            copy.seek(0)
            yield copy
    else:
        os.lseek(file.fileno(), 0, os.SEEK_SET)  # a seek of the buffered file may stay in its buffer
        yield file


def _read_replies(stdout: IO[bytes], replies: queue.Queue[_Reply], is_over: threading.Event) -> None:
    """Read what the child says to its end; a child that a hostile file has taken over may say anything."""

    def put(reply: _Reply) -> None:
        while not is_over.is_set():
            try:
                replies.put(reply, timeout=POLL_SECONDS)
                return
            except queue.Full:
                continue

    while line := stdout.readline(REPLY_BYTES):
        reply = _checked(line)
        if reply is None:
            break
        size = reply["width"] * reply["height"] * 3 if "page" in reply and "error" not in reply else 0
        pixels = stdout.read(size)
        if len(pixels) < size or is_over.is_set():
            break
        put(_Reply(reply, pixels))
    put(_Reply(None))


def _checked(line: bytes) -> dict[str, Any] | None:
    """A reply with the fields of its kind, or None for anything else."""
    try:
        reply = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(reply, dict):
        return None
    if "error" in reply:
        return reply
    if "pages" in reply:
        numbers = reply["pages"]
        good = isinstance(numbers, list) and all(isinstance(number, int) for number in numbers)
        return reply if good and isinstance(reply.get("count"), int) else None
    sides = [reply.get("width"), reply.get("height")]
    if "page" not in reply or not all(isinstance(side, int) and side > 0 for side in sides):
        return None
    # Both sides were rounded up after their product was checked.
    return reply if reply["width"] * reply["height"] <= 2 * MOST_PAGE_PIXELS else None


def _next_reply(
    name: str,
    page: int | None,
    process: subprocess.Popen[bytes],
    replies: queue.Queue[_Reply],
    watch: Watch,
) -> dict[str, Any]:
    """The next reply of the child, about a page, or None for the document as a whole.

    Raises:
        Stopped: the watch ended it.
        ImageError, UsageError, OutOfMemoryError: the child says so, has died, or takes too long.
    """
    where = name if page is None else f"{name}, page {page}"
    give_up = time.monotonic() + PAGE_SECONDS
    while True:
        watch.check()
        try:
            reply = replies.get(timeout=POLL_SECONDS)
            break
        except queue.Empty:
            if time.monotonic() > give_up:
                found = f"it is not drawn after {PAGE_SECONDS:g} seconds"
                raise ImageError(where, found, PRINT_ADVICE) from None
    if reply.line is None:
        try:
            code = process.wait(timeout=EXIT_SECONDS)
        except subprocess.TimeoutExpired:  # it has said something wrong, and waits for a reader of more
            raise ImageError(where, "the PDF reader does not say what belongs here", PRINT_ADVICE) from None
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        raise ImageError(where, f"the PDF reader ended on it with {how}", PRINT_ADVICE)
    if "error" in reply.line:
        raise _error(name, where, reply.line)
    kind: Literal["pages", "page"] = "pages" if page is None else "page"
    if kind not in reply.line or (page is not None and reply.line["page"] != page):
        raise ImageError(where, "the PDF reader does not say what belongs here", PRINT_ADVICE)
    return {**reply.line, "pixels": reply.pixels}


def _error(name: str, where: str, line: dict[str, Any]) -> ImageError | UsageError | OutOfMemoryError:
    kind, text = line["error"], line.get("text")
    if kind == pdf_child.RANGE:
        return UsageError(f"{name}: {text}")
    if kind == pdf_child.MEMORY:
        return OutOfMemoryError()
    found, advice = {
        pdf_child.PASSWORD: ("it is protected with a password", "save it without one"),
        pdf_child.NOT_A_PDF: (f"it begins like a PDF document, but is damaged ({text})", "save it again"),
        pdf_child.SIZE: (
            f"it would have {line.get('width')}x{line.get('height')} pixels",
            f"use fewer dots per inch; a page may have {MOST_PAGE_PIXELS}",
        ),
    }.get(kind, (f"it is damaged ({text})", PRINT_ADVICE))
    return ImageError(where, found, advice)
