"""Simple charts: bars and lines with their values written, or ending on a line of the grid."""

from __future__ import annotations

import random

from dsvl2_demo.pages import grids, words
from dsvl2_demo.pages.canvas import Canvas
from dsvl2_demo.pages.page import Page, text_width
from dsvl2_demo.pages.words import Split, choose

ASKS = ("What is the value for {}?", "How high is {}?", "Value of {}?", "What does the chart show for {}?")


def chart(split: Split, rng: random.Random) -> Page:
    """A bar chart, standing or lying, or a line chart."""
    size = (rng.randint(320, 900), rng.randint(240, 620))
    canvas = Canvas.start("chart", size, split, rng, (11, 20))
    canvas.page.read_in_order = False
    em = canvas.em
    x, y = em * rng.uniform(0.8, 2), em * rng.uniform(0.5, 1.2)
    if rng.random() < 0.85:
        y = grids.heading(canvas, x, y, rng.uniform(1.1, 1.5))
    names = _names(split, rng, rng.randint(3, 8))
    most = rng.choice((10, 50, 100, 100, 400, 1000))
    unit = rng.choice(("", "", "", "%", " k", " h"))
    if rng.random() < 0.4:
        _lying(canvas, x, y, names, most, unit)
    else:
        _standing(canvas, x, y, names, most, unit, line=rng.random() < 0.35)
    return canvas.page


def _names(split: Split, rng: random.Random, count: int) -> list[str]:
    kind = rng.randrange(4)
    if kind == 0:
        start = rng.randrange(12 - count + 1)
        return words.MONTHS[start : start + count]
    if kind == 1:
        year = rng.randint(2005, 2024)
        return [str(year + index) for index in range(count)]
    if kind == 2:
        return list(dict.fromkeys(choose(words.CITIES, split, rng) for _ in range(count)))
    return list(dict.fromkeys(words.word(split, rng).capitalize() for _ in range(count)))


def _colours(canvas: Canvas, count: int) -> list[tuple[int, int, int]]:
    rng = canvas.rng
    if rng.random() < 0.6:
        return [canvas.style.accent] * count
    return [(rng.randint(40, 220), rng.randint(40, 220), rng.randint(40, 220)) for _ in range(count)]


def _lying(canvas: Canvas, x: float, y: float, names: list[str], most: int, unit: str) -> None:
    rng, em, font = canvas.rng, canvas.em, canvas.font()
    start = x + max(text_width(name, font) for name in names) + em * 0.6
    room = canvas.width - start - em * 5.5
    pitch = min(em * 3, (canvas.height - y - em) / len(names))
    if room < em * 3 or pitch < em * 1.3:
        return
    for name, colour in zip(names, _colours(canvas, len(names)), strict=True):
        number = rng.randint(0, most)
        end = start + room * number / most
        canvas.box((start, y + pitch * 0.1, max(end, start + 1), y + pitch * 0.8), colour)
        label = canvas.text(start - em * 0.4, y + pitch * 0.45 - em * 0.65, name, font, None, "right")
        value = canvas.text(end + em * 0.3, y + pitch * 0.45 - em * 0.65, f"{number}{unit}", font)
        canvas.line(label, value)
        if canvas.free(name):
            canvas.entry(name, label, value, ASKS)
        y += pitch


def _standing(canvas: Canvas, x: float, y: float, names: list[str], most: int, unit: str, *, line: bool) -> None:
    rng, em, font, style = canvas.rng, canvas.em, canvas.font(), canvas.style
    ticks = 5 if most in (10, 50, 100, 1000) else 4
    axis = rng.random() < 0.6
    written = not axis or rng.random() < 0.75
    left = x + (text_width(f"{most}", font) + em * 0.6 if axis else 0)
    top, bottom = y + em * 1.8, canvas.height - em * 2.2
    step = (canvas.width - left - em) / len(names)
    if bottom - top < em * 4 or step < max(text_width(name, font) for name in names) + 3:
        return
    tick_runs = {}
    for tick in range(ticks + 1) if axis else ():
        level = bottom - (bottom - top) * tick / ticks
        number = most * tick // ticks
        canvas.draw.line((left, level, canvas.width - em, level), fill=style.line)
        run = canvas.text(left - em * 0.3, level - em * 0.7, str(number), font, style.faint, "right")
        if run is not None:
            canvas.line(run)
            tick_runs[number] = run
    canvas.draw.line((left, bottom, canvas.width - em, bottom), fill=style.ink)
    points, labels = [], []
    for index, (name, colour) in enumerate(zip(names, _colours(canvas, len(names)), strict=True)):
        number = rng.randint(0, most) if written else most * rng.randint(1, ticks) // ticks
        centre, level = left + step * (index + 0.5), bottom - (bottom - top) * number / most
        if line:
            canvas.draw.ellipse((centre - 3, level - 3, centre + 3, level + 3), fill=style.accent)
            points.append((centre, level))
        else:
            canvas.box((centre - step * 0.3, min(level, bottom - 1), centre + step * 0.3, bottom), colour)
        label = canvas.text(centre, bottom + em * 0.3, name, font, None, "centre")
        text = f"{number}{unit}" if canvas.fit(f"{number}{unit}", font, step) else str(number)
        value = canvas.text(centre, level - em * 1.5, text, font, None, "centre") if written else None
        labels.append((name, label, value, number))
    if line:
        canvas.draw.line(points, fill=style.accent, width=2)
    canvas.line(*(label for _, label, _, _ in labels))
    for name, label, value, number in labels:
        canvas.line(value)
        if label is None or not canvas.free(name):
            continue
        if value is not None:
            canvas.entry(name, label, value, ASKS)
        elif number in tick_runs:
            asks = tuple(ask.format(name) for ask in ASKS)
            canvas.fact("chart", asks, str(number), tick_runs[number], None, label)
