"""How one page looks: colours, faces, sizes and spacing, drawn at random from a range that a curriculum widens."""

from __future__ import annotations

import colorsys
import random
from dataclasses import dataclass

from PIL import ImageFont

from dsvl2_demo.pages.fonts import Face, held_out_faces, training_faces
from dsvl2_demo.pages.page import Colour
from dsvl2_demo.pages.words import Split


@dataclass(frozen=True, slots=True)
class StyleRange:
    """What styles may be drawn: how many training faces, which em sizes in pixels, and how bold the colours are."""

    faces: int | None = None
    smallest_em: int = 13
    largest_em: int = 20
    plain: float = 0.2
    """Share of pages in black on white."""

    def __post_init__(self) -> None:
        if not 6 <= self.smallest_em <= self.largest_em:
            raise ValueError(f"em sizes {self.smallest_em} to {self.largest_em} pixels cannot be read")


@dataclass(frozen=True, slots=True)
class Style:
    """One look."""

    background: Colour
    ink: Colour
    faint: Colour
    """Ink of labels; readable on the background."""
    panel: Colour
    """Fill of fields and shaded rows; ink is readable on it."""
    line: Colour
    accent: Colour
    accent_ink: Colour
    face: Face
    bold: Face
    em: int
    pitch: float
    """Distance of baselines in em."""
    margin: int

    def font(self, scale: float = 1.0) -> ImageFont.FreeTypeFont:
        """The face of the text at `scale` times the em, at least 11 pixels."""
        return self.face.at(max(11, round(self.em * scale)))

    def heading(self, scale: float = 1.15) -> ImageFont.FreeTypeFont:
        """The face of headings."""
        return self.bold.at(max(11, round(self.em * scale)))


def luminance(colour: Colour) -> float:
    """Brightness from 0 to 1, without gamma (ITU-R BT.601 weights)."""
    red, green, blue = colour
    return (0.299 * red + 0.587 * green + 0.114 * blue) / 255


def _tint(rng: random.Random, lightness: float, saturation: float, hue: float | None = None) -> Colour:
    hue = rng.random() if hue is None else hue
    red, green, blue = colorsys.hls_to_rgb(hue, lightness, saturation)
    return round(red * 255), round(green * 255), round(blue * 255)


def _blend(first: Colour, second: Colour, share: float) -> Colour:
    mixed = [round(a * (1 - share) + b * share) for a, b in zip(first, second, strict=True)]
    return mixed[0], mixed[1], mixed[2]


def draw_style(range_: StyleRange, split: Split, rng: random.Random) -> Style:
    """A random look within the range."""
    faces = held_out_faces() if split == "held_out" else training_faces(range_.faces)
    face = rng.choice(faces)
    bold = rng.choice(faces) if rng.random() < 0.3 else face
    hue = rng.random()
    accent = _tint(rng, rng.uniform(0.25, 0.6), rng.uniform(0.3, 0.9), hue)
    if rng.random() < range_.plain:
        background, ink = (255, 255, 255), (0, 0, 0)
    elif rng.random() < 0.65:
        background = _tint(rng, rng.uniform(0.88, 1.0), rng.uniform(0.0, 0.8), hue if rng.random() < 0.5 else None)
        ink = _tint(rng, rng.uniform(0.0, 0.25), rng.uniform(0.0, 0.8))
    else:
        background = _tint(rng, rng.uniform(0.03, 0.22), rng.uniform(0.0, 0.5), hue)
        ink = _tint(rng, rng.uniform(0.82, 1.0), rng.uniform(0.0, 0.6))
    return Style(
        background=background,
        ink=ink,
        faint=_blend(ink, background, rng.choice((0.0, 0.0, 0.2, 0.35))),
        panel=_blend(background, ink, rng.uniform(0.03, 0.12)) if rng.random() < 0.7 else background,
        line=_blend(background, ink, rng.uniform(0.15, 0.5)),
        accent=accent,
        accent_ink=(255, 255, 255) if luminance(accent) < 0.5 else (10, 10, 10),
        face=face,
        bold=bold,
        em=rng.randint(range_.smallest_em, range_.largest_em),
        pitch=rng.uniform(1.3, 2.0),
        margin=rng.randint(6, 18),
    )
