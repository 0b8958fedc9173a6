"""A look at parts: an image that fills all the tiles it can have is seen larger only in parts.

A screen of 1920x1080 pixels is seen as one of 1365x768, so that print of 14 pixels becomes print of 10. Each half of it
is seen at its own size, and each quarter larger than that.

A part in which the model does not find what it is asked for has an answer as well: that it is not shown there, or that
something is not so. Only an answer that can have been read at one place is taken from a part. A part shows less of what
a cell or a field belongs to, so parts are asked about only where the first answer is more likely wrong than right.
"""

from __future__ import annotations

from collections.abc import Sequence

from dsvl2_runtime.answers.tasks import says_not_shown
from dsvl2_runtime.config import ModelConfig
from dsvl2_runtime.geometry import ENLARGEMENT
from dsvl2_runtime.inputs.tiling import choose_tiling
from dsvl2_runtime.notices import Notice

OVERLAP = 0.25
"""Of two neighbouring parts, as a share of their length; what stands across the middle is whole in one of them."""
LONGEST_LINE = 120
"""Characters; a part of a longer text is no answer about all of it, and yet a surer one."""
SURELY_ABSENT = 0.99
"""Confidence of the answer that something is not shown in a half, whose quarters are not asked about then."""
Place = tuple[int, int, int, int]
"""(left, top, right, bottom) in pixels."""
SIDES = ("left", "top", "right", "bottom")
_OF_ALL = frozenset({"yes", "no", "true", "false"})
"""Answers about a whole image, in small letters."""


def part_rounds(size: tuple[int, int], config: ModelConfig) -> tuple[tuple[Place, ...], ...]:
    """Two halves, and then four quarters, of an image of (width, height) pixels that is alone in its conversation.

    Nothing where the image has few pixels, which are seen enlarged already, and where it would be cut into other tiles
    if it were larger: then it can be enlarged as a whole.
    """
    tiling = choose_tiling(size, 1, config)
    if tiling != choose_tiling(size, 1, config, ENLARGEMENT):
        return ()
    seen_width, seen_height = tiling.seen_size(*size, config.vision_config.image_size)
    if seen_width >= ENLARGEMENT * size[0] or seen_height >= ENLARGEMENT * size[1]:
        return ()
    is_wide = size[0] > size[1]
    return _cut(size, 2 if is_wide else 1, 1 if is_wide else 2), _cut(size, 2, 2)


def _cut(size: tuple[int, int], across: int, down: int) -> tuple[Place, ...]:
    columns, rows = _spans(size[0], across), _spans(size[1], down)
    return tuple((left, top, right, bottom) for top, bottom in rows for left, right in columns)


def _spans(length: int, count: int) -> list[tuple[int, int]]:
    if count == 1:
        return [(0, length)]
    part = min(length, round(length / (count - (count - 1) * OVERLAP)))
    starts = [round(at * (length - part) / (count - 1)) for at in range(count)]
    return [(start, start + part) for start in starts]


def lies_in(place: Place, whole: Place) -> bool:
    """Whether all of a part belongs to another one."""
    return whole[0] <= place[0] and whole[1] <= place[1] and place[2] <= whole[2] and place[3] <= whole[3]


def is_read_at_one_place(answer: str) -> bool:
    """Whether an answer can have been read at one place of an image: it is one short line, and says something there."""
    line = answer.strip()
    return (
        0 < len(line) <= LONGEST_LINE
        and len(line.splitlines()) == 1
        and not says_not_shown(line)
        and line.rstrip(".!").casefold() not in _OF_ALL
    )


def may_be_read_in_a_part(answer: str) -> bool:
    """Whether a question can be asked about parts, by its answer about the whole image."""
    return says_not_shown(answer) or is_read_at_one_place(answer)


def notices_beside(read_in: Place | None, notices: Sequence[Notice]) -> tuple[Notice, ...]:
    """What is told beside an answer: where it was read, instead of that the image is seen smaller than it is.

    Args:
        read_in: in which the answer was read; None where it was read in the whole image.
        notices: about the whole image.
    """
    if read_in is None:
        return tuple(notices)
    values = dict(zip(SIDES, read_in, strict=True))
    kept = (notice for notice in notices if notice.code != "image.scaled_down")
    return (*kept, Notice("image.read_in_part", values).of_image(1))  # only what is alone is looked at in parts


def read_in_of(notices: Sequence[Notice]) -> Place | None:
    """The part in which an answer was read, by what is told beside it."""
    for notice in notices:
        if notice.code == "image.read_in_part":
            left, top, right, bottom = (int(notice.values[side]) for side in SIDES)
            return left, top, right, bottom
    return None


def sizes_of(places: Sequence[Place]) -> list[tuple[int, int]]:
    """(width, height) of each part."""
    return [(right - left, bottom - top) for left, top, right, bottom in places]
