"""How answers are judged: exact match, character error rate, overlap of boxes."""

from __future__ import annotations

import re
from collections.abc import Sequence

from dsvl2_demo.pages.page import Box
from dsvl2_demo.questions.tasks import COORDINATES

_BOX = re.compile(r"\[\[?\s*(\d{1,4})\s*,\s*(\d{1,4})\s*,\s*(\d{1,4})\s*,\s*(\d{1,4})\s*\]")


def exact(found: str, expected: str) -> bool:
    """Whether the answer is right to the letter, white space at its ends aside."""
    return found.strip() == expected.strip()


def edit_distance(found: Sequence[object], expected: Sequence[object]) -> int:
    """Fewest insertions, deletions and replacements (Levenshtein 1966)."""
    above = list(range(len(expected) + 1))
    for row, left in enumerate(found, 1):
        current = [row]
        for column, right in enumerate(expected, 1):
            change = above[column - 1] + (left != right)
            current.append(min(change, above[column] + 1, current[-1] + 1))
        above = current
    return above[-1]


def character_error_rate(pairs: Sequence[tuple[str, str]]) -> float:
    """Edits over expected characters, of all (found, expected) pairs together; may exceed 1."""
    edits = sum(edit_distance(found.strip(), expected.strip()) for found, expected in pairs)
    return edits / max(1, sum(len(expected.strip()) for _, expected in pairs))


def read_box(answer: str, size: tuple[int, int]) -> Box | None:
    """The first box of an answer in pixels, or None if there is none.

    Args:
        answer: with `[[x1, y1, x2, y2]]` in 0 to 999.
        size: (width, height) of the picture in pixels.
    """
    match = _BOX.search(answer)
    if match is None:
        return None
    left, top, right, bottom = (int(number) / COORDINATES for number in match.groups())
    width, height = size
    return left * width, top * height, right * width, bottom * height


def intersection_over_union(first: Box, second: Box) -> float:
    """Shared area over joint area; 0 for boxes without area."""
    width = min(first[2], second[2]) - max(first[0], second[0])
    height = min(first[3], second[3]) - max(first[1], second[1])
    shared = max(0.0, width) * max(0.0, height)
    areas = sum(max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1]) for box in (first, second))
    return shared / (areas - shared) if areas > shared else 0.0
