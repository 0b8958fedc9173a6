"""What of one file is asked with a prompt of its own: the picture, or each page, or each strip."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from dsvl2_runtime.cli.batch.content import Content
from dsvl2_runtime.cli.parts import Part, strips_of
from dsvl2_runtime.cli.pdf_password import pdf_password
from dsvl2_runtime.cli.run_options import RunOptions
from dsvl2_runtime.config import ModelConfig
from dsvl2_runtime.errors import Dsvl2Error, ImageError, UsageError
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


def pieces_of(content: Content, options: RunOptions, config: ModelConfig) -> Iterator[Piece]:
    """Pages and strips in their order; a page that cannot be drawn is one too."""
    for whole, place, is_last in _wholes(content, options):
        if isinstance(whole, Dsvl2Error):
            yield Piece(None, place, error=whole)
            continue
        for part in strips_of(whole, options, config):
            strip = part.strip
            if strip is None:
                yield Piece(part, place, is_last)
            else:
                numbers = {"strip": strip.number, "strips": strip.count}
                yield Piece(part, place | numbers, is_last and strip.number == strip.count)


def _wholes(content: Content, options: RunOptions) -> Iterator[tuple[Part | Dsvl2Error, dict[str, int], bool]]:
    source = content.source
    if not content.is_document:
        check_image(source, most_pixels=options.max_pixels)
        yield Part((source,)), {}, True
        return
    if options.pages is not None:
        for count, page in enumerate(_pages(content, options.pages, options), 1):
            notices = tuple(notice.of_image(1) for notice in page.notices)
            place = {"page": page.number, "pages": page.chosen}
            yield Part((page.image,), page=page.number, notices=notices), place, count == page.chosen
        return
    number, total = 1, None
    while total is None or number <= total:
        try:
            for page in _pages(content, f"{number}-", options):
                total = total or page.number - 1 + page.chosen
                notices = tuple(notice.of_image(1) for notice in page.notices)
                place = {"page": page.number, "pages": total}
                yield Part((page.image,), page=page.number, notices=notices), place, page.number == total
                number = page.number + 1
        except UsageError:  # there is no such page, after one that could not be drawn
            if number == 1:
                raise
            return
        except ImageError as error:
            if error.source != f"{source.name}, page {number}":
                raise
            yield error, {"page": number}, number == total
            number += 1


def _pages(content: Content, choice: str | None, options: RunOptions) -> Iterator[Page]:
    """Pages of a document; nobody is asked for a password in the middle of a batch."""
    password = pdf_password(options.pdf_password_file, may_ask=False)
    return pages(content.source, choice, options.dpi, password=password, most_pixels=options.max_pixels)
