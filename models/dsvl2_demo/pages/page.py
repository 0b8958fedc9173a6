"""A page being drawn, and what stands on it: every run of text with its box and the centre of each character."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field

from PIL import Image, ImageDraw, ImageFont

Colour = tuple[int, int, int]
Box = tuple[float, float, float, float]
"""(left, top, right, bottom) in pixels of the picture."""


@dataclass(frozen=True, slots=True, eq=False)
class TextRun:
    """Text on one baseline, in one face.

    `centres` are the horizontal centres of its characters (spaces included) and `middle` the height of the middle of
    its small letters, all in pixels; `em` is the size of the face. A run is equal to itself alone, so that it can
    be the key of what was made of it (`traces.spelled`) at no cost.
    """

    text: str
    box: Box
    centres: tuple[float, ...]
    middle: float
    em: float


@dataclass(frozen=True, slots=True)
class Entry:
    """A labelled value, what questions about values are made from."""

    label: str
    value: str
    value_run: TextRun
    label_run: TextRun
    asks: tuple[str, ...] = ()
    """Further ways to ask for it, with a place for the label."""


@dataclass(frozen=True, slots=True)
class Button:
    """A button with its frame; `highlighted` if it is drawn as the default one."""

    text: str
    box: Box
    highlighted: bool


@dataclass(frozen=True, slots=True)
class Fact:
    """What a page shows beside labelled values: what is selected, highlighted, switched on.

    `run` is the text that the answer reads, None where the answer is not written on the page; `point` is where it is
    seen then. `about` is the text that the question names, with its run.
    """

    task: str
    questions: tuple[str, ...]
    answer: str
    run: TextRun | None = None
    point: tuple[float, float] | None = None
    about: TextRun | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """Named columns and rows of cells, all of them runs; a row is known by its first cell."""

    headers: tuple[TextRun, ...]
    rows: tuple[tuple[TextRun, ...], ...]


@dataclass(slots=True)
class Page:
    """A picture and its ground truth; the drawing methods change it in place."""

    kind: str
    image: Image.Image
    lines: list[list[TextRun]] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    buttons: list[Button] = field(default_factory=list)
    title: str | None = None
    facts: list[Fact] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    read_in_order: bool = True
    """Whether there is one order to read the lines in, so that a transcription can be asked for."""
    blank: bool = False
    """Leave the text undrawn: for training on the ground truth alone, which needs no pixels."""

    @property
    def runs(self) -> list[TextRun]:
        """All text in reading order."""
        return [run for line in self.lines for run in line]

    @property
    def transcript(self) -> str:
        """The text of the page, one line of it per line of text."""
        return "\n".join(" ".join(run.text for run in line) for line in self.lines)

    def write(
        self, draw: ImageDraw.ImageDraw, x: float, y: float, text: str, font: ImageFont.FreeTypeFont, fill: Colour
    ) -> TextRun:
        """Draw text with its left end at `x` and its ascender line at `y`; returns the run without recording it."""
        left, top, right, bottom = font.getbbox(text)
        x, y = round(x), round(y)
        if not self.blank:
            draw.text((x, y), text, font=font, fill=fill)
        return TextRun(
            text,
            (x + left, y + top, x + right, y + bottom),
            tuple(x + centre for centre in character_centres(text, font)),
            y + middle_of_small_letters(font),
            font.size,
        )


def part_of(run: TextRun, start: int, end: int) -> TextRun:
    """Some characters of a run as a run of their own."""
    left, top, right, bottom = run.box
    centres = run.centres[start:end]
    reach = run.em * 0.3
    box = (max(left, centres[0] - reach), top, min(right, centres[-1] + reach), bottom)
    return TextRun(run.text[start:end], box, centres, run.middle, run.em)


@functools.lru_cache(maxsize=1 << 16)
def _advance(character: str, font: ImageFont.FreeTypeFont) -> float:
    return font.getlength(character)


@functools.lru_cache(maxsize=4096)
def middle_of_small_letters(font: ImageFont.FreeTypeFont) -> float:
    """Distance of the middle of an x from the ascender line, in pixels."""
    _, top, _, bottom = font.getbbox("x")
    return (top + bottom) / 2


def text_width(text: str, font: ImageFont.FreeTypeFont) -> float:
    """Advance of the text in pixels, from cached advances (kerning left out)."""
    return sum(_advance(character, font) for character in text)


def character_centres(text: str, font: ImageFont.FreeTypeFont) -> list[float]:
    """Centre of each character from the left end, in pixels; kerning is spread evenly over the run."""
    advances = [_advance(character, font) for character in text]
    total = sum(advances)
    scale = font.getlength(text) / total if total else 1.0
    centres, position = [], 0.0
    for advance in advances:
        centres.append((position + advance / 2) * scale)
        position += advance
    return centres
