"""Forms in two columns, terminal windows and plain pages of text."""

from __future__ import annotations

import random
from dataclasses import replace

from dsvl2_demo.pages import grids, lexicon, words
from dsvl2_demo.pages.canvas import Canvas
from dsvl2_demo.pages.fonts import Face, held_out_faces, is_complete, training_faces
from dsvl2_demo.pages.page import Page, part_of, text_width
from dsvl2_demo.pages.style import Style
from dsvl2_demo.pages.windows import window
from dsvl2_demo.pages.words import Split, choose

MONO = ("Mono", "Code", "Cousine", "PTM", "Hack")
"""Parts of the names of faces whose letters are all as wide."""


def form(split: Split, rng: random.Random) -> Page:
    """Fields in one to three columns, under headings; labels above, beside or inside boxes."""
    width = rng.randint(360, 1000)
    canvas = Canvas.start("form", (width, 1200), split, rng, (11, 19))
    canvas.page.read_in_order = False
    em, style = canvas.em, canvas.style
    margin = rng.uniform(0.03, 0.08) * width
    count = rng.choice((1, 2, 2, 2, 3)) if width > em * 34 else rng.choice((1, 2, 2)) if width > em * 24 else 1
    gap = em * rng.uniform(1.2, 3)
    wide = (width - 2 * margin - gap * (count - 1)) / count
    above, colon = rng.random() < 0.6, rng.choice(("", "", ":"))
    look = rng.choice(("box", "line", "bare", "bare"))
    pitch = em * (rng.uniform(2.9, 4.0) if above else rng.uniform(1.7, 2.8))
    column = wide * rng.uniform(0.35, 0.5)
    y = margin
    limit = rng.uniform(0.3, 1.0) * min(1150, width * 1.3)
    while y < limit:
        if rng.random() < 0.75:
            y = grids.heading(canvas, margin, y)
        for _ in range(rng.randint(1, 6)):
            for index in range(count):
                if rng.random() < 0.9:
                    x = margin + index * (wide + gap)
                    _field(canvas, x, y, wide, column, above=above, colon=colon, look=look)
            y += pitch
            if y > limit:
                break
        y += em
    if rng.random() < 0.3:
        run = canvas.text(margin, y, "Signature", canvas.font(0.9), style.faint)
        canvas.line(run)
        y += pitch
    return canvas.crop(y + margin * 0.5)


def _field(
    canvas: Canvas, x: float, y: float, wide: float, column: float, *, above: bool, colon: str, look: str
) -> None:  # fmt: skip
    rng, split, style, em = canvas.rng, canvas.split, canvas.style, canvas.em
    font, small = canvas.font(), canvas.font(rng.choice((0.8, 0.9, 1.0)) if above else 1.0)
    found = lexicon.label(split, rng)
    text = lexicon.value(found.kind, split, rng)
    name = found.text
    start = x if above else x + max(column, text_width(name + colon, small) + em * 0.6)
    inset = em * 0.4 if look == "box" else 0.0
    if start + inset + text_width(text, font) > x + wide or not canvas.fit(name + colon, small, wide):
        return
    if not canvas.free(name):
        return
    label = canvas.text(x, y, name + colon, small, style.faint)
    at = y + small.size * 1.4 if above else y
    if look == "box":
        canvas.box((start, at - em * 0.2, x + wide, at + em * 1.4), style.panel, style.line, rng.choice((0, 0, 4)))
    value = canvas.text(start + inset, at, text, font)
    if look == "line":
        canvas.draw.line((start, at + em * 1.4, x + wide, at + em * 1.4), fill=style.line)
    if above:
        canvas.line(label)
        canvas.line(value)
    else:
        canvas.line(label, value)
    canvas.entry(name, label, value)


def mono_face(split: Split, rng: random.Random) -> Face | None:
    """A face whose letters are all as wide; None where none is installed."""
    faces = held_out_faces() if split == "held_out" else training_faces()
    found = [face for face in faces if any(part in face.name for part in MONO) and is_complete(face)]
    return rng.choice(found) if found else None


def terminal(split: Split, rng: random.Random) -> Page:
    """A terminal window with commands and what they print."""
    size = (rng.randint(420, 1000), rng.randint(180, 640))
    canvas = Canvas.start("terminal", size, split, rng, (12, 19))
    if (face := mono_face(split, rng)) is not None and rng.random() < 0.9:
        canvas.style = _with_face(canvas, face)
    if rng.random() < 0.75:
        dark = rng.choice(((0, 0, 0), (30, 30, 30), (40, 42, 54), (0, 43, 54), (48, 10, 36), (13, 17, 23)))
        canvas.style = _dark(canvas, dark)
        canvas.box((0, 0, *size), dark)
    left, top, right, bottom = 0.0, 0.0, float(size[0]), float(size[1])
    user, name = choose(words.FIRST_NAMES, split, rng).lower(), lexicon.host(split, rng)
    if rng.random() < 0.6:
        left, top, right, bottom = window(canvas, (0, 0, size[0] - 1, size[1] - 1), f"{user}@{name}: ~")
    folder = rng.choice(("~", "~/src", "/var/log", "~/" + choose(lexicon.FOLDERS, split, rng)))
    prompt = rng.choice((f"{user}@{name}:{folder}$", "$", f"[{user}@{name} {folder}]$", "PS C:\\>", ">", f"{folder} %"))
    font, pitch = canvas.font(), canvas.em * rng.uniform(1.15, 1.5)
    x, y = left + rng.randint(4, 12), top + rng.randint(3, 10)
    typed: list[str] = []
    while y + pitch * 1.5 < bottom:
        command = choose(lexicon.COMMANDS, split, rng)
        text = f"{prompt} {command}"
        run = canvas.text(x, y, text, font, canvas.style.accent if rng.random() < 0.1 else None)
        if run is None or run.box[2] > right:
            break
        canvas.line(run)
        typed.append(command)
        if len(typed) == 1:
            shown = part_of(run, len(text) - len(command), len(text))
            asks = ("Which command was run?", "What command was typed first?", "Which command was entered?")
            canvas.fact("value", asks, command, shown)
            if prompt.startswith(user):
                canvas.fact("value", ("Who is logged in?", "What is the user name?"), user, part_of(run, 0, len(user)))
        y = _printed(canvas, x, y + pitch, pitch, right, bottom)
        if rng.random() < 0.4:
            break
    return canvas.page


def _printed(canvas: Canvas, x: float, y: float, pitch: float, right: float, bottom: float) -> float:
    rng, split, font = canvas.rng, canvas.split, canvas.font()
    style = rng.randrange(4)
    wide = rng.randint(8, 14)
    joiner = rng.choice((": ", " = ", ": ", "  "))
    for _ in range(rng.randint(1, 9)):
        if y + pitch > bottom:
            break
        if style == 0:
            label = choose(lexicon.FLOW_KEYS, split, rng)
            label = label.lower() if rng.random() < 0.3 else label
            value = lexicon.technical(split, rng) if rng.random() < 0.6 else str(rng.randint(0, 99999))
            text = f"{label}{joiner}{value}" if rng.random() < 0.4 else f"{label:<{wide}}{joiner}{value}"
            if not canvas.fit(text, font, right - x - 6) or not canvas.free(label):
                continue
            run = canvas.text(x, y, text, font)
            canvas.line(run)
            if run is not None:
                canvas.entry(label, part_of(run, 0, len(label)), part_of(run, len(text) - len(value), len(text)))
        elif style == 1:
            name = lexicon.file_name(split, rng)
            size, date = str(rng.randint(10, 99999)), words.date(rng)
            rights = "".join(rng.choice((letter, "-")) for letter in "rwxrwxrwx")
            text = f"-{rights} {choose(words.FIRST_NAMES, split, rng).lower():<6} {size:>6} {date} {name}"
            if not canvas.fit(text, font, right - x - 6) or not canvas.free(name):
                continue
            run = canvas.text(x, y, text, font)
            canvas.line(run)
            if run is not None:
                at = text.index(f" {size} ") + 1
                named = part_of(run, len(text) - len(name), len(text))
                asks = (f"What is the size of {name}?", f"How large is {name}?", f"{name} size?")
                canvas.fact("value", asks, size, part_of(run, at, at + len(size)), None, named)
        else:
            text = lexicon.phrase(split, rng, 3, 9) if style == 2 else _message(split, rng)
            if not canvas.fit(text, font, right - x - 6):
                continue
            run = canvas.text(x, y, text, font)
            canvas.line(run)
        y += pitch
    return y


def _message(split: Split, rng: random.Random) -> str:
    kind = rng.choice(("error:", "warning:", "[INFO]", "[ERROR]", "ok", "PASS", "FAIL", "+", "-", "#"))
    return f"{kind} {lexicon.technical(split, rng)} {lexicon.prose_word(split, rng)}"


def _with_face(canvas: Canvas, face: Face) -> Style:
    return replace(canvas.style, face=face, bold=face)


def _dark(canvas: Canvas, dark: tuple[int, int, int]) -> Style:
    ink = canvas.rng.choice(((230, 230, 230), (200, 255, 200), (255, 255, 255), (248, 248, 242), (131, 148, 150)))
    return replace(canvas.style, background=dark, ink=ink, faint=ink, panel=(70, 70, 74), line=(90, 90, 96))


def prose(split: Split, rng: random.Random) -> Page:
    """A column of running text with a heading."""
    width = rng.randint(300, 900)
    canvas = Canvas.start("prose", (width, 900), split, rng, (11, 24))
    margin, pitch = rng.uniform(0.03, 0.1) * width, canvas.em * rng.uniform(1.15, 1.7)
    y = margin
    if rng.random() < 0.6:
        y = grids.heading(canvas, margin, y)
    limit = rng.uniform(0.3, 1.0) * 880
    while y < limit:
        line, font = "", canvas.font()
        while canvas.fit(longer := f"{line} {_piece(split, rng)}".strip(), font, width - 2 * margin):
            line = longer
        run = canvas.text(margin, y, line, font) if line else None
        if run is None:
            break
        canvas.line(run)
        y += pitch * (1.6 if rng.random() < 0.08 else 1)
    return canvas.crop(y + margin * 0.5)


def _piece(split: Split, rng: random.Random) -> str:
    draw = rng.random()
    if draw < 0.12:
        return lexicon.value(lexicon.label(split, rng).kind, split, rng)
    if draw < 0.2:
        return lexicon.technical(split, rng)
    word = lexicon.prose_word(split, rng)
    return word + rng.choice(",.;:!?") if rng.random() < 0.12 else word
