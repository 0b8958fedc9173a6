"""Where the text of a question or of an answer stands on the page: what a reader looks at while it reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from dsvl2_demo.pages.page import TextRun

Point = tuple[float, float]
"""(x, y) in pixels of a picture."""


class Place(NamedTuple):
    """A point of one of the pictures of a conversation. A tuple, as each conversation takes hundreds of them."""

    picture: int
    point: Point
    coordinate: int = -1
    """Of a box, 0 to 999, where it is one that is told; -1 where it is text."""


@dataclass(frozen=True, slots=True)
class Trace:
    """A piece of text and where each of its characters is seen, or one place for all of them."""

    text: str
    places: tuple[Place, ...]

    def place(self, index: int) -> Place:
        """Of one character."""
        return self.places[min(index, len(self.places) - 1)]


@lru_cache(maxsize=1 << 12)
def spelled(text: str, run: TextRun, picture: int = 0) -> Trace:
    """The first characters of a run; a space is looked for where the character behind it is."""
    shown = run.text[: len(text)]
    at = [index + 1 if character == " " and index + 1 < len(shown) else index for index, character in enumerate(shown)]
    centres, middle = run.centres, run.middle
    return Trace(text, tuple([Place(picture, (centres[index], middle)) for index in at]))


def run_of(text: str, runs: Sequence[TextRun]) -> TextRun | None:
    """The first run with exactly this text."""
    return next((run for run in runs if run.text == text), None)


def joined(separator: str, trace: Trace) -> Trace:
    """The trace with what stands before it in a transcript; the eye is already at what comes next."""
    return Trace(separator + trace.text, (trace.places[0],) * len(separator) + trace.places)


def places_in(text: str, traces: Sequence[Trace]) -> list[Place | None]:
    """The place of each character of a text that holds the traces in their order, letter case aside."""
    places: list[Place | None] = [None] * len(text)
    lowered, cursor = text.lower(), 0
    for trace in traces:
        start = lowered.find(trace.text.lower(), cursor)
        if start < 0:
            continue
        cursor = start + len(trace.text)
        for index in range(len(trace.text)):
            places[start + index] = trace.place(index)
    return places
