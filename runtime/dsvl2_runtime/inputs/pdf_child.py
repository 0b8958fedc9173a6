"""Renders the pages of one PDF in a process of its own, which may crash, hang or be killed without harm.

PDFium is not thread-safe, and a PDF is a program for it that nobody vouches for. The document comes as the file behind
standard input; where a password belongs to it, standard input is a pipe with the password as a line of JSON and the
document behind it. Standard output gets the replies: each a line of JSON, after that of a page its RGB bytes.

    {"pages": [1, 3], "count": 12}
    {"page": 1, "width": 1240, "height": 1754}    followed by width * height * 3 bytes
    {"page": 3, "error": "size", "most": 100, "width": "9", "height": "12"}    which ends it, as every error does

This module imports neither Pillow nor NumPy, so that the process starts fast and fits below its memory limit.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, BinaryIO

from dsvl2_runtime.machine.child_limits import limit_this_process

MEMORY_BYTES = 1_500_000_000
"""Address space: a page of `most_pixels` takes 4 bytes for each while it is drawn, and 3 on its way out."""
CPU_SECONDS = 3600
"""For the whole document; the parent's clock for each page is far shorter, but the parent may have been killed."""
POINTS_PER_INCH = 72
PASSWORD_ERROR = 4
"""FPDF_ERR_PASSWORD of `fpdfview.h`."""
PASSWORD, NOT_A_PDF, RANGE, SIZE, DAMAGED, MEMORY = "password", "not a pdf", "range", "size", "damaged", "memory"
"""Kinds of errors in a reply."""
ARGUMENTS: tuple[Callable[[str], Any], ...] = (json.loads, float, int, json.loads, json.loads)
"""How each of the arguments is read."""


def chosen_pages(choice: str | None, count: int | None = None) -> list[int]:
    """Page numbers from 1 in the order of a choice such as `1-3,7,9-`; all pages without one.

    Args:
        choice: from a user.
        count: pages of the document; None to check the choice alone, for which an open end is a single page.

    Raises:
        ValueError: it is no choice, or a page is not in the document.
    """
    pages: list[int] = []
    for part in ("1-" if choice is None else choice).split(","):
        first, dash, last = part.strip().partition("-")
        numbers = [number.strip() for number in (first, last)]
        if not numbers[0].isascii() or not numbers[0].isdigit() or len(numbers[0]) > 6 or len(numbers[1]) > 6:
            raise ValueError(f"{part.strip()!r} is no page or range of pages; write them as 1-3,7")
        begin = int(numbers[0])
        if not dash:
            end = begin
        elif not numbers[1]:
            end = max(count or begin, begin)
        elif numbers[1].isascii() and numbers[1].isdigit():
            end = int(numbers[1])
        else:
            raise ValueError(f"{part.strip()!r} is no page or range of pages; write them as 1-3,7")
        if begin < 1 or end < begin:
            raise ValueError(f"{part.strip()!r} is no range of pages; they are counted from 1")
        if count is not None and end > count:
            raise ValueError(f"page {end} is asked for, but the document has {count}")
        pages += range(begin, end + 1)
    return pages


def page_ranges(numbers: Iterable[int]) -> list[tuple[int, int]]:
    """The first and last number of each run of pages: short, as the arguments of a process may not be long."""
    ranges: list[tuple[int, int]] = []
    for number in sorted(numbers):
        if ranges and number == ranges[-1][1] + 1:
            ranges[-1] = ranges[-1][0], number
        else:
            ranges.append((number, number))
    return ranges


class _FailedError(Exception):
    """What ends the rendering, as the last reply."""

    def __init__(self, kind: str, **values: object) -> None:
        super().__init__(kind)
        self.reply = {"error": kind, **values}


def _render(
    choice: str | None,
    dpi: float,
    most_pixels: int,
    has_password: bool,
    without: list[tuple[int, int]],
    out: BinaryIO,
) -> None:
    import pypdfium2 as pdfium

    def reply(**values: object) -> None:
        out.write(json.dumps(values).encode() + b"\n")
        out.flush()

    try:
        if has_password:
            password = json.loads(sys.stdin.buffer.readline())
            document = pdfium.PdfDocument(sys.stdin.buffer.read(), password)
        else:
            document = pdfium.PdfDocument(sys.stdin.buffer)
        count = len(document)
    except pdfium.PdfiumError as error:
        kind = PASSWORD if getattr(error, "err_code", None) == PASSWORD_ERROR else NOT_A_PDF
        raise _FailedError(kind, text=str(error)) from error
    try:
        pages = chosen_pages(choice, count)
    except ValueError as error:
        raise _FailedError(RANGE, text=str(error), count=count) from error
    reply(pages=pages, count=count, is_placeholder=document.get_formtype() == pdfium.raw.FORMTYPE_XFA_FULL)
    with suppress(pdfium.PdfiumError):  # without its form the page is shown with empty fields
        document.init_forms()
    for number in pages:
        if any(first <= number <= last for first, last in without):
            continue
        try:
            page = document[number - 1]
            width, height = (max(1.0, points * dpi / POINTS_PER_INCH) for points in page.get_size())
            if not width * height <= most_pixels:  # also if one is not a number
                sides = {"width": f"{width:.0f}", "height": f"{height:.0f}"}
                raise _FailedError(SIZE, page=number, most=most_pixels, **sides)
            bitmap = page.render(scale=dpi / POINTS_PER_INCH, rev_byteorder=True, prefer_bgrx=False)
            rows, stride, used = memoryview(bitmap.buffer).cast("B"), bitmap.stride, bitmap.width * 3
            if bitmap.n_channels != 3:
                raise _FailedError(DAMAGED, page=number, text=f"{bitmap.n_channels} channels")
            reply(page=number, width=bitmap.width, height=bitmap.height)
            for row in range(bitmap.height):
                out.write(rows[row * stride : row * stride + used])
            out.flush()
            page.close()
        except MemoryError:
            raise _FailedError(MEMORY, page=number) from None
        except (pdfium.PdfiumError, ValueError, OverflowError) as error:
            raise _FailedError(DAMAGED, page=number, text=str(error)) from error


def main() -> None:
    """Entry point.

    The arguments are the choice of pages as JSON, dots per inch, the most pixels of a page, whether a password
    comes from standard input, as JSON, and the ranges of pages that are not drawn, as JSON.
    """
    asked = (read(text) for read, text in zip(ARGUMENTS, sys.argv[1:], strict=True))
    choice, dpi, most_pixels, has_password, without = asked
    limit_this_process(memory_bytes=MEMORY_BYTES, cpu_seconds=CPU_SECONDS)
    try:
        _render(choice, dpi, most_pixels, has_password, without, sys.stdout.buffer)
    except _FailedError as failed:
        sys.stdout.buffer.write(json.dumps(failed.reply).encode() + b"\n")
    except MemoryError:
        sys.stdout.buffer.write(json.dumps({"error": MEMORY}).encode() + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
