"""Calculators: a display whose number ends at the right, and a grid of keys."""

from __future__ import annotations

import random
from dataclasses import replace

from dsvl2_demo.pages import lexicon
from dsvl2_demo.pages.canvas import Canvas, blend
from dsvl2_demo.pages.page import Box, Page, text_width
from dsvl2_demo.pages.toolbars import menu_line
from dsvl2_demo.pages.windows import window
from dsvl2_demo.pages.words import Split

SHOWN_ASKS = (
    "What does the display show?", "What is the result?", "Which number is shown?", "What number is on the display?",
    "Read the display.", "What is displayed?", "What is the value on the display?",
)  # fmt: skip
TYPED_ASKS = ("Which calculation is shown?", "What was calculated?", "Read the calculation.")
MODES = ("Standard", "Scientific", "Programmer", "Basic", "Advanced", "Financial", "Rechner", "Calculator")
LAYOUTS: tuple[tuple[str, ...], ...] = (
    ("7 8 9 /", "4 5 6 *", "1 2 3 -", "0 . = +"),
    ("C ( ) /", "7 8 9 ×", "4 5 6 –", "1 2 3 +", "0 . ± ="),
    ("AC +/- % ÷", "7 8 9 ×", "4 5 6 -", "1 2 3 +", "0 00 , ="),
    ("MC MR MS M+", "% CE C Del", "1/x x² sqrt ÷", "7 8 9 ×", "4 5 6 –", "1 2 3 +", "+/- 0 . ="),
    ("7 8 9 / C", "4 5 6 × CE", "1 2 3 - M+", "0 , +/- + ="),
    ("sin cos tan ( )", "ln log exp n! %", "7 8 9 DEL AC", "4 5 6 × ÷", "1 2 3 + –", "0 . EXP Ans ="),
    ("( ) mod pi Clr", "7 8 9 ÷ Undo", "4 5 6 × sqrt", "1 2 3 – x²", "0 . % + ="),
    ("A B HEX DEC OCT", "C D 7 8 9", "E F 4 5 6", "AND OR 1 2 3", "NOT XOR +/- 0 ="),
)
"""Keys row by row, as several makers arrange them."""


def number(rng: random.Random) -> str:
    """What a display shows."""
    whole = rng.choice((rng.randint(0, 9), rng.randint(10, 999), rng.randint(1000, 99999), rng.randint(10**5, 10**9)))
    part = "".join(rng.choice("0123456789") for _ in range(rng.choice((0, 0, 1, 2, 2, 3, 4, 6, 8))))
    mark, grouped = rng.choice(((".", ""), (".", ""), (".", ","), (",", ""), (",", "."), (".", " ")))
    text = f"{whole:,}".replace(",", grouped) + (mark + part if part else "")
    draw = rng.random()
    if draw < 0.12:
        return "-" + text
    return (
        f"{rng.randint(1, 9)}{mark}{rng.randint(0, 99999)}e{rng.choice('+-')}{rng.randint(2, 30)}"
        if draw < 0.17
        else text
    )


def calculator(split: Split, rng: random.Random) -> Page:
    """A calculator of 180 to 620 pixels."""
    size = (rng.randint(180, 440), rng.randint(240, 560))
    if rng.random() < 0.2:
        size = (rng.randint(440, 620), rng.randint(300, 480))
    canvas = Canvas.start("calculator", size, split, rng, (11, 18))
    canvas.page.read_in_order = False
    em, style = canvas.em, canvas.style
    if rng.random() < 0.4:  # the greys that most of them have
        shade = rng.choice((246, 240, 232, 32, 43))
        ink = (20, 20, 20) if shade > 128 else (240, 240, 240)
        canvas.style = style = replace(
            style, background=(shade, shade, shade), ink=ink, faint=ink, line=blend((shade, shade, shade), ink, 0.2),
            panel=blend((shade, shade, shade), ink, 0.06),
        )  # fmt: skip
        canvas.box((0, 0, *size), style.background)
    left, top, right, bottom = 0.0, 0.0, float(size[0]), float(size[1])
    if rng.random() < 0.45:
        left, top, right, bottom = window(canvas, (0, 0, size[0] - 1, size[1] - 1), rng.choice(MODES))
    if rng.random() < 0.5:
        top = menu_line(canvas, (left, top, right, bottom), "File Edit View Mode Tools Constants Options Help")
    y = _display(canvas, (left + em * 0.4, top + em * 0.4, right - em * 0.4, bottom), split)
    _keys(canvas, (left + em * 0.4, y + em * 0.5, right - em * 0.4, bottom - em * 0.4))
    return canvas.page


def _display(canvas: Canvas, room: Box, split: Split) -> float:
    rng, em, style = canvas.rng, canvas.em, canvas.style
    left, top, right, _ = room
    shown = number(rng)
    typed = f"{number(rng)} {rng.choice('+-*/×÷')} {number(rng)}" + rng.choice((" =", ""))
    font = canvas.font(rng.uniform(1.2, 3.2), bold=rng.random() < 0.4)
    while not canvas.fit(shown, font, right - left - em) and font.size > em:
        font = canvas.font((font.size - 1) / em)
    small = canvas.font(rng.uniform(0.9, 1.1))
    above = rng.random() < 0.45 and canvas.fit(typed, small, right - left - em)
    high = font.size * rng.uniform(1.4, 2.1) + (small.size * 1.5 if above else 0)
    if rng.random() < 0.75:
        fill = rng.choice((style.panel, style.background, blend(style.background, (255, 255, 255), 0.6)))
        canvas.box((left, top, right, top + high), fill, style.line, rng.choice((0, 0, 4)))
    end = right - em * 0.5
    if above and (run := canvas.text(end, top + em * 0.2, typed, small, style.faint, "right")):
        canvas.line(run)
        canvas.fact("value", TYPED_ASKS, typed, run)
    y = top + high - font.size * 1.35
    if not above and text_width(shown, font) < (right - left) * 0.5 and rng.random() < 0.3:
        memory = canvas.text(
            left + em * 0.4, top + em * 0.2, f"M {rng.randint(1, 9999)}", canvas.font(0.85), style.faint
        )
        canvas.line(memory)
    run = canvas.text(end, y, shown, font, None, "right")
    canvas.line(run)
    if run is not None:
        canvas.fact("value", SHOWN_ASKS, shown, run)
        canvas.fact("value", SHOWN_ASKS, shown, run)  # asked for as often as all else together
    if rng.random() < 0.2:
        text = rng.choice(("DEG", "RAD", "Dec", "Hex", lexicon.phrase(split, rng, 1, 2)))
        canvas.line(canvas.text(left + em * 0.5, top + high + em * 0.1, text, canvas.font(0.85), style.faint))
        high += em * 1.3
    return top + high


def _keys(canvas: Canvas, room: Box) -> None:
    rng, em, style = canvas.rng, canvas.em, canvas.style
    left, top, right, bottom = room
    rows = [row.split() for row in rng.choice(LAYOUTS)]
    gap = rng.choice((1, 2, 3, em * 0.35, em * 0.5))
    high, across = (bottom - top + gap) / len(rows), len(rows[0])
    wide = (right - left + gap) / across
    if high < em * 1.5 or wide < em * 2.2:
        return
    signs = blend(style.panel, style.ink, rng.choice((0.0, 0.0, 0.1, 0.2)))
    flat, round_, lit = rng.random() < 0.25, rng.choice((0, 3, 4, 6, round(min(high, wide) / 2))), rng.random() < 0.4
    font = canvas.font(rng.choice((1.0, 1.0, 1.15, 1.3)))
    ascent, descent = font.getmetrics()
    for row, names in enumerate(rows):
        runs = []
        for column, name in enumerate(names):
            box = (
                left + column * wide,
                top + row * high,
                left + (column + 1) * wide - gap,
                top + (row + 1) * high - gap,
            )
            accented = lit and name == "="
            if not flat or accented:
                fill = style.accent if accented else style.panel if name.isdigit() else signs
                canvas.box(box, fill, style.line, round_)
            ink = style.accent_ink if accented else style.ink
            y = (box[1] + box[3] - ascent - descent) / 2
            run = canvas.text((box[0] + box[2]) / 2, y, name, font, ink, "centre")
            runs.append(run)
            if run is not None:
                canvas.key(box, name, lit=accented)
        canvas.line(*runs)
