"""A page that is drawn at given places: text, frames, fields, buttons and marks, each with its ground truth."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from typing import Literal

from PIL import Image, ImageDraw, ImageFont

from dsvl2_demo.pages.fonts import is_complete
from dsvl2_demo.pages.page import Box, Button, Colour, Entry, Fact, Page, Table, TextRun, text_width
from dsvl2_demo.pages.style import Style, StyleRange, draw_style
from dsvl2_demo.pages.words import Split

Align = Literal["left", "centre", "right"]
FACE_TRIES = 30
"""Draws of a look until its faces have every letter; a machine may have no such face."""
SMALLEST_PRINT = 9
"""Pixels of the em."""
SMALL_PRINT = (10, 13)
"""Of the em, smallest and largest: read wrong most often. `MORE_SMALL_PRINT` of the pages to train with have it,
whatever is usual for their kind."""
MORE_SMALL_PRINT = 0.15


def blend(first: Colour, second: Colour, share: float) -> Colour:
    """A colour between two."""
    mixed = [round(a * (1 - share) + b * share) for a, b in zip(first, second, strict=True)]
    return mixed[0], mixed[1], mixed[2]


@dataclass(slots=True)
class Canvas:
    """A page being drawn; text that does not fit between the edges is refused with None."""

    page: Page
    style: Style
    split: Split
    rng: random.Random
    draw: ImageDraw.ImageDraw
    em: int
    taken: set[str] = field(default_factory=set)
    """Labels in use, in small letters: a question about a label must have one answer."""

    @classmethod
    def start(cls, kind: str, size: tuple[int, int], split: Split, rng: random.Random, ems: tuple[int, int]) -> Canvas:
        """An empty page of `size` (width, height) pixels with print of `ems` (smallest, largest) pixels."""
        style = draw_style(StyleRange(plain=0.3), split, rng)
        for _ in range(FACE_TRIES):
            if is_complete(style.face) and is_complete(style.bold):
                break
            style = draw_style(StyleRange(plain=0.3), split, rng)
        em = rng.randint(*ems)
        if split == "train" and rng.random() < MORE_SMALL_PRINT:
            em = rng.randint(*SMALL_PRINT)
        if rng.random() < 0.06:
            style = replace(style, ink=blend(style.ink, style.background, rng.uniform(0.2, 0.5)))
        image = Image.new("RGB", size, style.background)
        return cls(Page(kind, image), style, split, rng, ImageDraw.Draw(image), em)

    @property
    def width(self) -> int:
        """Of the page in pixels."""
        return self.page.image.width

    @property
    def height(self) -> int:
        """Of the page in pixels."""
        return self.page.image.height

    def font(self, scale: float = 1.0, *, bold: bool = False) -> ImageFont.FreeTypeFont:
        """The face of the page at `scale` times its em."""
        face = self.style.bold if bold else self.style.face
        return face.at(max(SMALLEST_PRINT, round(self.em * scale)))

    def fit(self, text: str, font: ImageFont.FreeTypeFont, width: float) -> bool:
        """Whether a text is no wider than so many pixels."""
        return text_width(text, font) <= width

    def text(
        self, x: float, y: float, text: str, font: ImageFont.FreeTypeFont, ink: Colour | None = None,
        align: Align = "left",
    ) -> TextRun | None:  # fmt: skip
        """Text with its left end, middle or right end at `x` and its ascender line at `y`; in no line yet."""
        width = text_width(text, font)
        x -= {"left": 0.0, "centre": width / 2, "right": width}[align]
        if not text or x < 1 or x + width > self.width - 1 or y < 0 or y + font.size * 1.3 > self.height:
            return None
        return self.page.write(self.draw, x, y, text, font, self.style.ink if ink is None else ink)

    def line(self, *runs: TextRun | None) -> None:
        """Runs that stand beside one another, as the next line to read."""
        drawn = [run for run in runs if run is not None]
        if drawn:
            self.page.lines.append(drawn)

    def free(self, label: str) -> bool:
        """Whether no value has this label yet; it has one from now on."""
        if label.lower() in self.taken:
            return False
        self.taken.add(label.lower())
        return True

    def entry(
        self, label: str, label_run: TextRun | None, value_run: TextRun | None, asks: tuple[str, ...] = ()
    ) -> None:
        """A labelled value, where both have been drawn."""
        if label_run is not None and value_run is not None:
            self.page.entries.append(Entry(label, value_run.text, value_run, label_run, asks))

    def fact(
        self, task: str, questions: tuple[str, ...], answer: str, run: TextRun | None = None,
        point: tuple[float, float] | None = None, about: TextRun | None = None,
    ) -> None:  # fmt: skip
        """Something else that can be asked for."""
        self.page.facts.append(Fact(task, questions, answer, run, point, about))

    def table(self, headers: list[TextRun], rows: list[list[TextRun]]) -> None:
        """A table that has been drawn."""
        self.page.tables.append(Table(tuple(headers), tuple(tuple(row) for row in rows)))

    def box(self, box: Box, fill: Colour | None, outline: Colour | None = None, radius: int = 0, line: int = 1) -> None:
        """A rectangle, rounded or not."""
        whole = tuple(round(part) for part in box)
        if radius:
            self.draw.rounded_rectangle(whole, radius, fill=fill, outline=outline, width=line)
        else:
            self.draw.rectangle(whole, fill=fill, outline=outline, width=line)

    def rule(self, x0: float, y: float, x1: float, *, dashed: bool = False) -> None:
        """A thin line, broken or whole."""
        if not dashed:
            self.draw.line((x0, y, x1, y), fill=self.style.line, width=self.rng.choice((1, 1, 2)))
            return
        x = x0
        while x < x1:
            self.draw.line((x, y, min(x1, x + 4), y), fill=self.style.ink, width=1)
            x += 7

    def icon(self, x: float, y: float, size: float) -> None:
        """A small coloured shape without meaning."""
        rng, box = self.rng, (x, y, x + size, y + size)
        colour = rng.choice((self.style.accent, self.style.accent, self.style.line, self.style.faint))
        match rng.randrange(4):
            case 0:
                self.draw.ellipse(box, fill=colour)
            case 1:
                self.draw.rounded_rectangle(box, max(1, int(size / 5)), fill=colour)
            case 2:
                self.draw.polygon([(x, y + size), (x + size / 2, y), (x + size, y + size)], fill=colour)
            case _:
                self.draw.rectangle(box, outline=colour, width=max(1, int(size / 8)))

    def button(self, box: Box, text: str, *, lit: bool, dim: bool = False) -> TextRun | None:
        """A button with its text in the middle; `lit` is the default one, `dim` one that cannot be pressed."""
        style = self.style
        fill, ink = (style.accent, style.accent_ink) if lit else (style.panel, style.ink)
        if dim:
            ink = blend(style.ink, style.panel, 0.55)
        font = self.font()
        self.box(box, fill, style.line, self.rng.choice((0, 3, 6)))
        ascent, descent = font.getmetrics()
        run = self.text((box[0] + box[2]) / 2, (box[1] + box[3] - ascent - descent) / 2, text, font, ink, "centre")
        if run is not None:
            self.key(box, text, lit=lit)
        return run

    def key(self, box: Box, text: str, *, lit: bool) -> None:
        """Records a button that has been drawn."""
        self.page.buttons.append(Button(text, box, lit))

    def crop(self, bottom: float, right: float | None = None) -> Page:
        """The finished page, cut below and at the right of what has been drawn."""
        width = self.width if right is None else min(self.width, round(right))
        self.page.image = self.page.image.crop((0, 0, width, max(32, min(self.height, round(bottom)))))
        return self.page
