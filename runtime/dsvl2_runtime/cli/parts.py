"""What a run asks about, one prompt after the other: all pictures at once, or pages and strips each alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dsvl2_runtime.answers.boxes import LARGEST, Box
from dsvl2_runtime.cli.run_options import RunOptions, SplitChoice
from dsvl2_runtime.config import ModelConfig
from dsvl2_runtime.errors import UsageError
from dsvl2_runtime.inputs.images import ImageSource, check_image, decode_image, image_source
from dsvl2_runtime.notices import Notice
from dsvl2_runtime.progress import Watch

if TYPE_CHECKING:  # a question about a picture needs neither documents nor strips, and starts sooner without them
    from dsvl2_runtime.inputs.split import Strip


@dataclass(frozen=True, slots=True)
class Part:
    """The images of one prompt, and what they are of what the user gave."""

    images: tuple[ImageSource, ...]
    first_picture: int = 1
    """The number of its first image among the pictures of this run."""
    page: int | None = None
    strip: Strip | None = None
    whole_size: tuple[int, int] = (0, 0)
    """(width, height) in pixels of the picture that a strip is cut from."""
    scale: float = 1.0
    """Pixels of that picture to one of the strip; a very large one was halved."""
    is_alone: bool = True
    """There is no other part, so that its answer is the answer."""
    notices: tuple[Notice, ...] = ()

    @property
    def name(self) -> str:
        """For people: in which page or strip something was found."""
        where = f"picture {self.first_picture}" if self.page is None else f"page {self.page}"
        return where if self.strip is None else f"{where}, strip {self.strip.number}"

    @property
    def place(self) -> dict[str, int]:
        """The same for programs."""
        if self.is_alone and self.page is None and self.strip is None:
            return {}
        page = {} if self.page is None else {"page": self.page}
        strip = {} if self.strip is None else {"strip": self.strip.number}
        return {"picture": self.first_picture, **page, **strip}

    def box_in_whole(self, box: Box) -> Box:
        """A box of an image of this part, as a box of the picture that the user gave."""
        moved = replace(box, image=box.image + self.first_picture - 1)
        if self.strip is None:
            return moved
        left, top, right, bottom = (part * self.scale for part in box.px)
        x, y = self.strip.left * self.scale, self.strip.top * self.scale
        places = (left + x, top + y, right + x, bottom + y)
        sides = (*self.whole_size, *self.whole_size)
        px = tuple(min(round(place), side) for place, side in zip(places, sides, strict=True))
        norm = tuple(min(round(place / side * LARGEST), LARGEST) for place, side in zip(places, sides, strict=True))
        return replace(moved, px=(px[0], px[1], px[2], px[3]), norm999=(norm[0], norm[1], norm[2], norm[3]))


def parts_of(options: RunOptions, watch: Watch) -> Iterator[Part]:
    """The parts of a run: all pictures together, each picture where they may be split, or each page.

    Raises:
        UsageError: the options do not go together.
        ImageError: a picture or page cannot be read.
    """
    if options.pdf is None:
        if options.pages is not None:
            raise UsageError("--pages belongs to a document; give it with --pdf")
        images = _pictures(options)
        for image in images:
            check_image(image, most_pixels=options.max_pixels)
        if options.split is SplitChoice.OFF:
            yield Part(images)
        elif not images:
            raise UsageError("--split needs a picture; give it with --image, or a document with --pdf")
        for number, image in enumerate(images if options.split is not SplitChoice.OFF else (), 1):
            yield Part((image,), number, is_alone=len(images) == 1)
        return
    if options.image or options.clipboard:
        raise UsageError("pictures and --pdf do not go together; ask about one of them at a time")
    from dsvl2_runtime.cli.pdf_password import pdf_password
    from dsvl2_runtime.inputs.documents import pages

    drawn = pages(
        image_source(options.pdf),
        options.pages,
        options.dpi,
        watch,
        password=pdf_password(options.pdf_password_file),
        most_pixels=options.max_pixels,
    )
    for number, page in enumerate(drawn, 1):
        notices = tuple(notice.of_image(1) for notice in page.notices)
        yield Part((page.image,), number, page.number, is_alone=page.chosen == 1, notices=notices)


def _pictures(options: RunOptions) -> tuple[ImageSource, ...]:
    named = tuple(image_source(argument) for argument in options.image or ())
    if not options.clipboard:
        return named
    from dsvl2_runtime.inputs.clipboard import clipboard_images

    return (*named, *clipboard_images())


def strips_of(part: Part, options: RunOptions, config: ModelConfig) -> Iterator[Part]:
    """A part as it is, or cut into strips where that is wanted and shows more."""
    if options.split is SplitChoice.OFF:
        yield part
        return
    from dsvl2_runtime.inputs.split import split_image

    decoded = decode_image(part.images[0])
    strips = split_image(decoded.image, config.candidate_resolutions)
    if len(strips) == 1:
        yield part
        return
    for strip in strips:
        scale = decoded.size[0] / decoded.image.width
        notices = (*part.notices, *(notice.of_image(1) for notice in decoded.notices)) if strip.number == 1 else ()
        yield replace(
            part,
            images=(strip.image,),
            strip=strip,
            whole_size=decoded.size,
            scale=scale,
            is_alone=False,
            notices=notices,
        )
