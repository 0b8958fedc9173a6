"""Reads a PDF through a child process (`pdf_child.py`), which may crash, hang or say anything without harm."""

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
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import IO, Any, BinaryIO, Literal, cast

from dsvl2_runtime.errors import ImageError, OutOfMemoryError, UsageError
from dsvl2_runtime.inputs import pdf_child
from dsvl2_runtime.machine.own_modules import module_arguments
from dsvl2_runtime.progress import Watch

MOST_PAGE_PIXELS = 50_000_000
PAGE_SECONDS = 60.0
"""A page takes a fraction of a second; one of a hostile document may take forever."""
POLL_SECONDS = 0.1
EXIT_SECONDS = 2.0
REPLY_BYTES = 1 << 16
CHILD = module_arguments(pdf_child.__name__)
"""Of the program that runs this."""
PROTECTED = "it is protected with a password"
WRONG_PASSWORD = "the password that was given does not open it"  # noqa: S105 - what is found
PRINT_ADVICE = "print it into a new PDF, or save the page as PNG"
Password = str | Callable[[str], str | None] | None
"""Of a protected PDF; a function is asked for it with the document's name, only where the document is protected."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What the child said: its line, and the bytes of a page; None for its end."""

    line: dict[str, Any] | None
    pixels: bytes = b""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the child is asked for."""

    choice: str | None
    dpi: float
    most_pixels: int = MOST_PAGE_PIXELS
    without: frozenset[int] = frozenset()
    """Chosen pages that are not drawn."""


@contextmanager
def opened_pdf(
    name: str, file: BinaryIO, asked: Asked, watch: Watch, password: Password
) -> Iterator[tuple[dict[str, Any], subprocess.Popen[bytes], queue.Queue[Reply]]]:
    """The child's first reply, and the child; one that meets a protected document is followed by one that can open it.

    Raises:
        ImageError: it is damaged, or protected with a password that was not given.
        UsageError: the password cannot be used.
    """
    with ExitStack() as stack:
        process, replies = stack.enter_context(_child(file, asked))
        try:
            first = next_reply(name, None, process, replies, watch)
        except ImageError as error:
            word = password(name) if error.found == PROTECTED and callable(password) else password
            if error.found != PROTECTED or not isinstance(word, str):
                raise
            if "\0" in word or word != word.encode(errors="ignore").decode():
                raise UsageError(f"{name}: the password holds what no text has; check it") from None
            stack.close()
            process, replies = stack.enter_context(_child(file, asked, word))
            try:
                first = next_reply(name, None, process, replies, watch)
            except ImageError as second:
                if second.found != PROTECTED:
                    raise
                raise ImageError(name, WRONG_PASSWORD, "check it") from None
        yield first, process, replies


@contextmanager
def _child(
    file: BinaryIO, asked: Asked, password: str | None = None
) -> Iterator[tuple[subprocess.Popen[bytes], queue.Queue[Reply]]]:
    """The process that draws, and what it says; it is gone when the block ends, whatever it does."""
    has_password = password is not None
    choice, without = json.dumps(asked.choice), json.dumps(pdf_child.page_ranges(asked.without))
    arguments = (choice, repr(float(asked.dpi)), str(asked.most_pixels), json.dumps(has_password), without)
    with ExitStack() as stack:
        process = subprocess.Popen(  # noqa: S603 - our own module, in our own Python
            [sys.executable, *CHILD, *arguments],
            stdin=subprocess.PIPE if has_password else stack.enter_context(_on_disk(file)),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        writer = None
        if password is not None:
            writer = threading.Thread(target=_write_locked, args=(process.stdin, password, file), daemon=True)
            writer.start()
        replies: queue.Queue[Reply] = queue.Queue(maxsize=1)
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
            if writer is not None:
                writer.join()
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


def _write_locked(stdin: IO[bytes], password: str, file: BinaryIO) -> None:
    """Give the child the password and the document behind it, on a thread, because the child may stop reading."""
    with suppress(OSError), stdin:  # a child that is gone is told by its replies
        stdin.write(json.dumps(password).encode() + b"\n")
        file.seek(0)
        shutil.copyfileobj(file, stdin)


def _read_replies(stdout: IO[bytes], replies: queue.Queue[Reply], is_over: threading.Event) -> None:
    """Read what the child says to its end; a child that a hostile file has taken over may say anything."""

    def put(reply: Reply) -> None:
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
        put(Reply(reply, pixels))
    put(Reply(None))


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
        good = good and isinstance(reply.get("is_placeholder"), bool)
        return reply if good and isinstance(reply.get("count"), int) else None
    sides = [reply.get("width"), reply.get("height")]
    if "page" not in reply or not all(isinstance(side, int) and side > 0 for side in sides):
        return None
    # Both sides were rounded up after their product was checked.
    return reply if reply["width"] * reply["height"] <= 2 * MOST_PAGE_PIXELS else None


def next_reply(
    name: str,
    page: int | None,
    process: subprocess.Popen[bytes],
    replies: queue.Queue[Reply],
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
        pdf_child.PASSWORD: (PROTECTED, "give it with --pdf-password-file, or save the document without one"),
        pdf_child.NOT_A_PDF: (f"it begins like a PDF document, but is damaged ({text})", "save it again"),
        pdf_child.SIZE: (
            f"it would have {line.get('width')}x{line.get('height')} pixels",
            f"use fewer dots per inch; a page may have {line.get('most')}",
        ),
    }.get(kind, (f"it is damaged ({text})", PRINT_ADVICE))
    return ImageError(where, found, advice)
