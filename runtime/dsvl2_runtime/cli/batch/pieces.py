"""What of one file is asked with a prompt of its own: the picture, or each page, or each strip."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import count

from dsvl2_runtime.cli.batch.content import Content
from dsvl2_runtime.cli.parts import Part, strips_of
from dsvl2_runtime.cli.pdf_password import pdf_password
from dsvl2_runtime.cli.run_options import RunOptions
from dsvl2_runtime.config import ModelConfig
from dsvl2_runtime.errors import Dsvl2Error, ImageError
from dsvl2_runtime.inputs.documents import Page, pages
from dsvl2_runtime.inputs.images import check_image

PartKey = tuple[int | None, int | None]
"""Page and strip; of a whole picture neither."""


@dataclass(frozen=True, slots=True)
class Piece:
    """What is asked with one prompt, or why it cannot be."""

    part: Part | None
    place: dict[str, int]
    is_last: bool = False
    error: Dsvl2Error | None = None

    @property
    def key(self) -> PartKey:
        """By which it is recognised in the file of results."""
        return self.place.get("page"), self.place.get("strip")


def pieces_of(
    content: Content, options: RunOptions, config: ModelConfig, done: Collection[PartKey] = ()
) -> Iterator[Piece]:
    """Pages and strips in their order; a page that cannot be drawn is one too.

    Args:
        content: of the file.
        options: of the command line.
        config: of the model.
        done: what is answered already, and is left out; a page that is done as a whole is not even drawn.
    """
    whole_pages = {page for page, strip in done if isinstance(page, int) and strip is None}
    for whole, place, is_last in _wholes(content, options, whole_pages):
        if isinstance(whole, Dsvl2Error):
            yield Piece(None, place, error=whole)
            continue
        for part in strips_of(whole, options, config):
            strip = part.strip
            if strip is None:
                piece = Piece(part, place, is_last)
            else:
                numbers = {"strip": strip.number, "strips": strip.count}
                piece = Piece(part, place | numbers, is_last and strip.number == strip.count)
            if piece.key not in done:
                yield piece


def _wholes(
    content: Content, options: RunOptions, done: set[int]
) -> Iterator[tuple[Part | Dsvl2Error, dict[str, int], bool]]:
    source = content.source
    if not content.is_document:
        check_image(source, most_pixels=options.max_pixels)
        yield Part((source,)), {}, True
        return
    if options.pages is not None:
        for page in _pages(content, options.pages, options, done):
            yield _whole(page), {"page": page.number, "pages": page.chosen}, page.position == page.chosen
        return
    behind, total = set(done), None  # pages that are done, were given, or could not be drawn
    while True:
        number = _first_not_in(behind)
        try:
            for page in _pages(content, "1-", options, frozenset(behind)):
                total = page.chosen
                yield _whole(page), {"page": page.number, "pages": total}, page.number == total
                behind.add(page.number)
                number = _first_not_in(behind)
        except ImageError as error:
            if error.source != f"{source.name}, page {number}":
                raise
            yield error, {"page": number}, number == total
            behind.add(number)
        else:
            return


def _whole(page: Page) -> Part:
    return Part((page.image,), page=page.number, notices=tuple(notice.of_image(1) for notice in page.notices))


def _first_not_in(numbers: Collection[int]) -> int:
    return next(number for number in count(1) if number not in numbers)


def _pages(content: Content, choice: str, options: RunOptions, without: Collection[int]) -> Iterator[Page]:
    """Pages of a document; nobody is asked for a password in the middle of a batch."""
    password = pdf_password(options.pdf_password_file, may_ask=False)
    most_pixels = options.max_pixels
    return pages(content.source, choice, options.dpi, password=password, most_pixels=most_pixels, without=without)
