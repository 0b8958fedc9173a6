"""What programs have around their content: menus, rows of icons with lists to choose from, rulers, a line of states."""

from __future__ import annotations

from collections.abc import Sequence

from dsvl2_demo.pages.canvas import Canvas, blend
from dsvl2_demo.pages.page import Box, TextRun, text_width


def menu_line(canvas: Canvas, room: Box, names: str) -> float:
    """The menus of a program, from the left as many as there is room for; the height below them."""
    left, top, right, _ = room
    em, rng = canvas.em, canvas.rng
    high, gap = em * rng.uniform(1.6, 2.1), em * rng.uniform(0.9, 1.5)
    font, x, runs = canvas.font(), left + em * 0.6, []
    for name in names.split():
        if x + text_width(name, font) > right - 4:
            break
        runs.append(canvas.text(x, top + (high - em * 1.35) / 2, name, font))
        x += text_width(name, font) + gap
    canvas.line(*runs)
    if rng.random() < 0.5:
        canvas.rule(left, top + high, right)
    return top + high


def chooser(canvas: Canvas, x: float, y: float, wide: float, text: str) -> TextRun | None:
    """A list to choose from, closed, with what is chosen."""
    em, style = canvas.em, canvas.style
    high = em * 1.6
    canvas.box((x, y, x + wide, y + high), style.panel, style.line, canvas.rng.choice((0, 0, 3)))
    tip, middle = x + wide - em * 0.7, y + high * 0.45
    canvas.draw.polygon([(tip - 3, middle), (tip + 3, middle), (tip, middle + 4)], fill=style.ink)
    return canvas.text(x + em * 0.4, y + em * 0.12, text, canvas.font())


def toolbar(canvas: Canvas, room: Box, chosen: Sequence[tuple[str, tuple[str, ...]]] = ()) -> float:
    """A row of icons, with lists to choose from among them; the height below it.

    Args:
        canvas: the page.
        room: where; only left, top and right count.
        chosen: what is chosen in each list, and the questions that ask for it.
    """
    rng, em, (left, top, right, _) = canvas.rng, canvas.em, room
    high = em * rng.uniform(2.0, 2.6)
    if rng.random() < 0.5:
        canvas.box((left, top, right, top + high), canvas.style.panel)
    x, y, runs, size = left + em * 0.5, top + (high - em * 1.6) / 2, [], em * rng.uniform(0.9, 1.3)
    lists = list(chosen)
    first = rng.randint(0, 6)
    count = 0
    while x + size < right - em * 0.5:
        if lists and count >= first:
            text, asks = lists.pop(0)
            wide = text_width(text, canvas.font()) + em * rng.uniform(1.8, 4)
            if x + wide > right - em:
                break
            run = chooser(canvas, x, y, wide, text)
            runs.append(run)
            if run is not None:
                canvas.fact("value", asks, text, run)
            x += wide + em * 0.5
            continue
        count += 1
        if rng.random() < 0.15:
            canvas.draw.line((x, y, x, y + em * 1.4), fill=canvas.style.line)
            x += em * 0.5
        elif rng.random() < 0.9:
            canvas.icon(x, y + em * 0.3, size)
        x += size + em * 0.55
        if not lists and rng.random() < 0.04:
            break
    canvas.line(*runs)
    return top + high


def ruler(canvas: Canvas, room: Box) -> float:
    """A ruler with its numbers, which belong to nobody's questions; the height below it."""
    rng, em, style, (left, top, right, _) = canvas.rng, canvas.em, canvas.style, room
    high, step, font = em * 1.2, em * rng.uniform(2.2, 4.5), canvas.font(0.7)
    canvas.box((left, top, right, top + high), blend(style.background, style.ink, 0.04))
    x, number, runs = left + em, 0, []
    while x + em * 2 < right:
        for part in range(1, 4):
            at = x + step * part / 4
            canvas.draw.line((at, top + high * 0.4, at, top + high * 0.6), fill=style.faint)
        if number:
            runs.append(canvas.text(x, top + (high - font.size * 1.3) / 2, str(number), font, style.faint, "centre"))
        x, number = x + step, number + 1
    canvas.line(*runs)
    return top + high


def status_line(canvas: Canvas, room: Box, states: Sequence[tuple[str, str]]) -> float:
    """Names and values, or values alone, along the lower edge; the height above them."""
    rng, em, style, (left, _, right, bottom) = canvas.rng, canvas.em, canvas.style, room
    top = bottom - em * 1.7
    canvas.box((left, top, right, bottom), style.panel, style.line)
    x, font, runs = left + em * 0.6, canvas.font(rng.choice((0.85, 1.0))), []
    for name, value in states:
        if x + text_width(f"{name}: {value}", font) > right - 4:
            break
        label = canvas.text(x, top + em * 0.15, f"{name}:" if rng.random() < 0.6 else name, font) if name else None
        start = x if label is None else label.box[2] + em * 0.4
        run = canvas.text(start, top + em * 0.15, value, font)
        runs += [label, run]
        if label is not None and canvas.free(name):
            canvas.entry(name, label, run)
        x = (start if run is None else run.box[2]) + em * rng.uniform(1.2, 3)
    canvas.line(*runs)
    return top
