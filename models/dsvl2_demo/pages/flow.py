"""Filling a page from top to bottom: headings, labelled lines, plain lines, rules and rows of buttons."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Literal

from PIL import Image, ImageDraw, ImageFont

from dsvl2_demo.pages.page import Button, Colour, Entry, Page, TextRun, text_width
from dsvl2_demo.pages.style import Style

Arrangement = Literal["columns", "right", "inline", "stacked"]
Align = Literal["left", "centre", "right"]


@dataclass(slots=True)
class Flow:
    """A page and the height reached on it; every method draws below that height, moves it and says whether it fitted.

    `left` and `right` bound the text, `bottom` the last usable row, all in pixels.
    """

    page: Page
    style: Style
    rng: random.Random
    draw: ImageDraw.ImageDraw
    left: float
    right: float
    bottom: float
    y: float
    column: float = 0.0

    @classmethod
    def start(cls, kind: str, size: tuple[int, int], style: Style, rng: random.Random) -> Flow:
        """An empty page of `size` (width, height) pixels."""
        image = Image.new("RGB", size, style.background)
        width, height = size
        margin = style.margin
        return cls(
            Page(kind, image), style, rng, ImageDraw.Draw(image), margin, width - margin, height - margin * 0.5, margin
        )

    @property
    def width(self) -> float:
        """Room between the margins in pixels."""
        return self.right - self.left

    def room(self, height: float) -> bool:
        """Whether so many pixels are left below."""
        return self.y + height <= self.bottom

    def _pitch(self, font: ImageFont.FreeTypeFont) -> float:
        return font.size * self.style.pitch

    def text(self, text: str, font: ImageFont.FreeTypeFont, align: Align, ink: Colour) -> TextRun | None:
        """One line of text."""
        width = text_width(text, font)
        pitch = self._pitch(font)
        if width > self.width or not self.room(pitch):
            return None
        slack = self.width - width
        x = self.left + {"left": 0.0, "centre": slack / 2, "right": slack}[align]
        run = self.page.write(self.draw, x, self.y, text, font, ink)
        self.page.lines.append([run])
        self.y += pitch
        return run

    def banner(self, text: str) -> bool:
        """A heading on a coloured bar over the whole width, at the very top."""
        font = self.style.heading()
        height = round(font.size * self.rng.uniform(1.4, 1.8))
        if text_width(text, font) > self.width or not self.room(height):
            return False
        self.draw.rectangle((0, 0, self.page.image.width, height), fill=self.style.accent)
        ascent, descent = font.getmetrics()
        slack = self.width - text_width(text, font)
        x = self.left + (slack / 2 if self.rng.random() < 0.4 else 0)
        run = self.page.write(self.draw, x, (height - ascent - descent) / 2, text, font, self.style.accent_ink)
        self.page.lines.append([run])
        self.page.title = text
        self.y = height + font.size * self.rng.uniform(0.3, 0.7)
        return True

    def heading(self, text: str) -> bool:
        """A heading in the bold face."""
        align: Align = "centre" if self.rng.random() < 1 / 3 else "left"
        if self.text(text, self.style.heading(self.rng.uniform(1.0, 1.35)), align, self.style.ink) is None:
            return False
        self.page.title = text
        return True

    def rule(self) -> None:
        """A thin line across."""
        self.y += 2
        self.draw.line((self.left, self.y, self.right, self.y), fill=self.style.line, width=self.rng.choice((1, 1, 2)))
        self.y += self.style.em * 0.35

    def entry(
        self, label: str, value: str, arrangement: Arrangement, colon: str, *, field: bool = False, bold: bool = False
    ) -> bool:
        """A label and its value on one line, or one above the other when stacked."""
        font = self.style.heading(1.0) if bold else self.style.font()
        shown = label + colon
        label_width, value_width = text_width(shown, font), text_width(value, font)
        gap = font.size * (0.3 if arrangement == "inline" else 0.6)
        pitch = self._pitch(font)
        if arrangement == "stacked":
            return self._stacked(label, shown, value, font)
        if label_width + gap + value_width > self.width or not self.room(pitch):
            return False
        if arrangement == "columns":
            x = max(self.left + self.column, self.left + label_width + gap)
            if x + value_width > self.right:
                x = self.left + label_width + gap
        elif arrangement == "right":
            x = self.right - value_width
        else:
            x = self.left + label_width + gap
        label_run = self.page.write(self.draw, self.left, self.y, shown, font, self.style.faint)
        if field:
            self._frame(x, value_width, font)
        value_run = self.page.write(self.draw, x, self.y, value, font, self.style.ink)
        self.page.lines.append([label_run, value_run])
        self.page.entries.append(Entry(label, value, value_run, label_run))
        self.y += pitch
        return True

    def _frame(self, x: float, width: float, font: ImageFont.FreeTypeFont) -> None:
        ascent, descent = font.getmetrics()
        box = (
            x - 4,
            self.y - 1,
            max(x + width + 4, self.right if self.rng.random() < 0.5 else 0),
            self.y + ascent + descent,
        )
        self.draw.rectangle(box, fill=self.style.panel, outline=self.style.line)

    def _stacked(self, label: str, shown: str, value: str, font: ImageFont.FreeTypeFont) -> bool:
        small = self.style.font(0.85)
        height = small.size * 1.3 + self._pitch(font)
        if max(text_width(shown, small), text_width(value, font)) > self.width or not self.room(height):
            return False
        label_run = self.page.write(self.draw, self.left, self.y, shown, small, self.style.faint)
        self.y += small.size * 1.3
        value_run = self.page.write(self.draw, self.left, self.y, value, font, self.style.ink)
        self.page.lines += [[label_run], [value_run]]
        self.page.entries.append(Entry(label, value, value_run, label_run))
        self.y += self._pitch(font)
        return True

    def button_row(self, names: list[str], highlighted: int | None) -> bool:
        """Buttons side by side, at the right or from the left; one of them may be the default button."""
        font = self.style.font(0.95)
        ascent, descent = font.getmetrics()
        padding, gap = font.size * self.rng.uniform(0.4, 0.8), font.size * self.rng.uniform(0.4, 0.8)
        widths = [text_width(name, font) + 2 * padding for name in names]
        height = ascent + descent + font.size * 0.4
        total = sum(widths) + gap * (len(names) - 1)
        if total > self.width or not self.room(height):
            return False
        x = self.right - total if self.rng.random() < 0.6 else self.left
        top = self.bottom - height if self.rng.random() < 0.5 else self.y + font.size * 0.2
        top = min(top, self.bottom - height)
        radius = self.rng.choice((0, 3, 5))
        line = []
        for index, (name, width) in enumerate(zip(names, widths, strict=True)):
            lit = index == highlighted
            fill, ink = (self.style.accent, self.style.accent_ink) if lit else (self.style.panel, self.style.ink)
            box = (round(x), round(top), round(x + width), round(top + height))
            self.draw.rounded_rectangle(box, radius, fill=fill, outline=self.style.line)
            line.append(self.page.write(self.draw, x + padding, top + font.size * 0.2, name, font, ink))
            self.page.buttons.append(Button(name, box, lit))
            x += width + gap
        self.page.lines.append(line)
        self.y = self.bottom
        return True
