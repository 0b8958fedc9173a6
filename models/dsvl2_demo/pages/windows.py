"""Windows of programs: dialogs, settings, error messages, lists of files; with frames, tabs, sidebars and switches."""

from __future__ import annotations

import random

from dsvl2_demo.pages import grids, lexicon, words
from dsvl2_demo.pages.canvas import Canvas, blend
from dsvl2_demo.pages.page import Box, Page, TextRun, text_width
from dsvl2_demo.pages.words import Split, choose

BUTTONS = (*words.BUTTONS, "Abbrechen", "Speichern", "Annuler", "Aceptar", "Try again", "Ignore", "Details", "Done")
CAPTURES = ((480, 320), (520, 380), (560, 420), (640, 400), (640, 480), (720, 520), (800, 600), (900, 640), (960, 600),
            (1024, 768), (1280, 720), (1280, 800))  # fmt: skip
"""Sizes that windows and screens are captured at."""

ON_ASKS = ("Is {} on?", "Is {} enabled?", "Is {} switched on?", "Is {} checked?")


def window(canvas: Canvas, box: Box, title: str) -> Box:
    """A window's frame with its title bar; the room inside."""
    rng, style, em = canvas.rng, canvas.style, canvas.em
    left, top, right, bottom = box
    if left > 4 and rng.random() < 0.7:
        shade = blend(style.background, (0, 0, 0), 0.25)
        canvas.box((left + 4, top + 5, right + 4, bottom + 5), shade, None, 8)
    canvas.box(box, style.background, style.line, rng.choice((0, 6, 10)))
    high = round(em * rng.uniform(1.7, 2.4))
    bar = rng.choice((style.panel, style.panel, style.accent, style.background))
    ink = style.accent_ink if bar == style.accent else style.ink
    canvas.box((left + 1, top + 1, right - 1, top + high), bar)
    controls, r = rng.choice(("dots", "cross", "none", "cross")), em * 0.32
    if controls == "dots":
        for index, colour in enumerate(((255, 95, 87), (254, 188, 46), (40, 200, 64))):
            x = left + em * 0.8 + index * em * 1.1
            canvas.draw.ellipse((x, top + high / 2 - r, x + 2 * r, top + high / 2 + r), fill=colour)
    elif controls == "cross":
        x, y = right - em * 1.2, top + high / 2
        canvas.draw.line((x - r, y - r, x + r, y + r), fill=ink)
        canvas.draw.line((x - r, y + r, x + r, y - r), fill=ink)
        canvas.draw.rectangle((x - em * 1.6 - r, y - r, x - em * 1.6 + r, y + r), outline=ink)
    font = canvas.font(1.0, bold=rng.random() < 0.4)
    ascent, descent = font.getmetrics()
    at, align = (left + em * (4.5 if controls == "dots" else 1), "left")
    if rng.random() < 0.4:
        at, align = (left + right) / 2, "centre"
    if canvas.fit(title, font, right - left - em * 9):
        run = canvas.text(at, top + (high - ascent - descent) / 2, title, font, ink, align)  # type: ignore[arg-type]
        if run is not None:
            canvas.line(run)
            canvas.page.title = title
    return left + 1, top + high + 1, right - 1, bottom - 1


def _placed(canvas: Canvas) -> Box:
    """Where the window is: over all of the picture, or on a desktop."""
    rng, (width, height) = canvas.rng, canvas.page.image.size
    if rng.random() < 0.55:
        return 0, 0, width - 1, height - 1
    back = rng.choice((canvas.style.line, canvas.style.accent, (40, 70, 110), (90, 90, 96), (200, 205, 212)))
    canvas.box((0, 0, width, height), back)
    x, y = rng.randint(6, max(7, width // 8)), rng.randint(6, max(7, height // 8))
    return x, y, width - rng.randint(6, max(7, width // 8)), height - rng.randint(6, max(7, height // 8))


def _tabs(canvas: Canvas, room: Box) -> Box:
    rng, style, em = canvas.rng, canvas.style, canvas.em
    left, top, right, bottom = room
    font, high = canvas.font(), em * rng.uniform(1.8, 2.3)
    names = list(dict.fromkeys(choose(lexicon.TABS, canvas.split, rng) for _ in range(rng.randint(2, 6))))
    chosen = rng.randrange(len(names))
    x, runs = left + em * 0.4, []
    for index, name in enumerate(names):
        wide = text_width(name, font) + em * 1.2
        if x + wide > right - em:
            break
        lit = index == chosen
        if lit and rng.random() < 0.5:
            fill = style.background if rng.random() < 0.5 else style.panel
            canvas.box((x, top + 2, x + wide, top + high), fill, style.line)
        elif lit:
            canvas.box((x, top + high - 3, x + wide, top + high), style.accent)
        run = canvas.text(x + em * 0.6, top + high * 0.18, name, font, style.ink if lit else style.faint)
        runs.append(run)
        if lit and run is not None:
            canvas.fact("state", ("Which tab is selected?", "Which tab is open?", "Which tab is active?"), name, run)
        x += wide
    canvas.line(*runs)
    canvas.rule(left, top + high, right)
    return left, top + high + em * 0.3, right, bottom


def _sidebar(canvas: Canvas, room: Box) -> Box:
    rng, style, em = canvas.rng, canvas.style, canvas.em
    left, top, right, bottom = room
    font, pitch = canvas.font(), em * rng.uniform(1.7, 2.6)
    names = list(dict.fromkeys(choose(lexicon.TABS, canvas.split, rng) for _ in range(rng.randint(3, 10))))
    wide = max(text_width(name, font) for name in names) + em * 3.2
    if wide > (right - left) * 0.4:
        return room
    canvas.box((left, top, left + wide, bottom), style.panel)
    icons = rng.random() < 0.5
    chosen, y = rng.randrange(len(names)), top + em * 0.6
    for index, name in enumerate(names):
        if y + pitch > bottom:
            break
        ink = style.ink
        if index == chosen:
            fill = blend(style.panel, style.ink, 0.15)
            if rng.random() < 0.6:
                fill, ink = style.accent, style.accent_ink
            canvas.box((left + 4, y, left + wide - 4, y + pitch - 2), fill, None, rng.choice((0, 5)))
        if icons:
            canvas.icon(left + em * 0.7, y + pitch * 0.2, em * 0.9)
        run = canvas.text(left + em * (2.2 if icons else 0.9), y + (pitch - em * 1.35) / 2, name, font, ink)
        canvas.line(run)
        if index == chosen and run is not None:
            asks = (
                "Which section is selected?",
                "Which item of the menu is selected?",
                "What is selected on the left?",
                "Which page is open?",
            )
            canvas.fact("state", asks, name, run)
        y += pitch
    return left + wide + em * 0.4, top, right, bottom


def _field(canvas: Canvas, x: float, y: float, wide: float, text: str) -> TextRun | None:
    """A text field or a list to choose from."""
    rng, style, em = canvas.rng, canvas.style, canvas.em
    high = em * 1.7
    look = rng.randrange(4)
    if look < 3:
        canvas.box((x, y - em * 0.2, x + wide, y - em * 0.2 + high), style.panel, style.line, rng.choice((0, 3, 6)))
    if look == 1 and wide > em * 4:
        tip = x + wide - em * 0.9
        high_end = y + em * 0.4
        canvas.draw.polygon([(tip - 4, high_end), (tip + 4, high_end), (tip, high_end + 5)], fill=style.ink)
    return canvas.text(x + em * 0.5, y + (high - em * 1.55) / 2 - em * 0.1, text, canvas.font())


def _switch(canvas: Canvas, x: float, y: float, *, on: bool, switch: bool) -> None:
    style, em = canvas.style, canvas.em
    if switch:
        canvas.draw.rounded_rectangle(
            (x, y, x + em * 2, y + em), round(em / 2), fill=style.accent if on else style.line
        )
        at = x + em if on else x
        canvas.draw.ellipse((at + 2, y + 2, at + em - 2, y + em - 2), fill=style.background)
        return
    canvas.box((x, y, x + em, y + em), style.accent if on else style.panel, style.line, 2)
    if on:
        points = [(x + em * 0.2, y + em * 0.5), (x + em * 0.42, y + em * 0.75), (x + em * 0.8, y + em * 0.25)]
        canvas.draw.line(points, fill=style.accent_ink, width=2)


def _setting(canvas: Canvas, sides: tuple[float, float], y: float, *, far: bool, switch: bool) -> bool:
    """A switch or a box to tick with its name; whether it fitted."""
    rng, em, (left, right) = canvas.rng, canvas.em, sides
    name, font = choose(lexicon.SETTINGS, canvas.split, rng), canvas.font()
    if not canvas.fit(name, font, right - left - em * 5) or not canvas.free(name):
        return False
    on = rng.random() < 0.5
    at = right - em * 3 if far else left + em * 0.8
    _switch(canvas, at, y, on=on, switch=switch)
    run = canvas.text(left + em * (0.8 if far else 3.2), y - em * 0.1, name, font)
    canvas.line(run)
    if run is not None:
        asks = tuple(ask.format(name) for ask in ON_ASKS)
        canvas.fact("state", asks, "yes" if on else "no", None, (at + em / 2, y + em / 2), run)
    return True


def _named_field(canvas: Canvas) -> tuple[str, str]:
    """The label of a field and what is entered."""
    if canvas.rng.random() < 0.65:
        return choose(lexicon.NETWORK, canvas.split, canvas.rng), lexicon.technical(canvas.split, canvas.rng)
    found = lexicon.label(canvas.split, canvas.rng)
    return found.text, lexicon.value(found.kind, canvas.split, canvas.rng)


def rows(canvas: Canvas, room: Box, most: int) -> float:
    """Labelled fields and switches below one another; the height that they end at."""
    rng, style, split, em = canvas.rng, canvas.style, canvas.split, canvas.em
    left, top, right, bottom = room
    font, pitch = canvas.font(), em * rng.uniform(2.0, 3.1)
    above = rng.random() < 0.2
    column = (right - left) * rng.uniform(0.3, 0.5)
    far = rng.random() < 0.3
    colon = rng.choice(("", "", ":"))
    switches = rng.random() < 0.5
    y = top + em * rng.uniform(0.4, 1.2)
    for _ in range(most):
        if y + pitch > bottom:
            break
        if rng.random() < 0.3:
            y += pitch * 0.8 if _setting(canvas, (left, right), y, far=far, switch=switches) else 0
            continue
        name, text = _named_field(canvas)
        start = left + em * 0.8 if above else left + max(column, text_width(name + colon, font) + em * 1.6)
        wide = max(text_width(text, font) + em * 1.4, min(right - start - em, em * rng.uniform(8, 18)))
        if start + wide > right - 2 or (above and y + pitch * 1.6 > bottom) or not canvas.free(name):
            continue
        label = canvas.text(left + em * 0.8, y, name + colon, font, style.faint)
        y += em * 1.6 if above else 0
        if far and not above:
            value = canvas.text(right - em, y, text, font, None, "right")
        else:
            value = _field(canvas, start, y, wide, text)
        if above:
            canvas.line(label)
            canvas.line(value)
        else:
            canvas.line(label, value)
        canvas.entry(name, label, value)
        if rng.random() < 0.12 and y + pitch * 1.5 < bottom and not above:
            text = lexicon.phrase(split, rng, 3, 6)
            canvas.line(canvas.text(left + em * 0.8, y + em * 1.5, text, canvas.font(0.85), style.faint))
            y += em * 0.9
        y += pitch
    return y


def buttons(canvas: Canvas, room: Box) -> None:
    """A row of buttons at the bottom."""
    rng, em = canvas.rng, canvas.em
    left, _, right, bottom = room
    names = rng.sample(BUTTONS, rng.randint(1, 3))
    lit = rng.randrange(len(names)) if rng.random() < 0.8 else None
    dim = rng.randrange(len(names)) if rng.random() < 0.2 else None
    font, high = canvas.font(), em * rng.uniform(1.8, 2.3)
    widths = [text_width(name, font) + em * rng.uniform(1.4, 2.6) for name in names]
    total = sum(widths) + em * 0.7 * (len(names) - 1)
    if total > right - left - em:
        return
    x = right - total - em * 0.7 if rng.random() < 0.7 else left + em * 0.8
    y = bottom - high - em * rng.uniform(0.4, 0.9)
    runs = []
    for index, (name, wide) in enumerate(zip(names, widths, strict=True)):
        run = canvas.button((x, y, x + wide, y + high), name, lit=index == lit, dim=index == dim and index != lit)
        runs.append(run)
        if index == dim and index != lit and run is not None:
            canvas.fact("state", ("Which button is disabled?", "Which button is greyed out?"), name, run)
        x += wide + em * 0.7
    canvas.line(*runs)


def dialog(split: Split, rng: random.Random) -> Page:
    """A dialog window of 320 to 900 pixels."""
    size = (rng.randint(320, 720), rng.randint(220, 560)) if rng.random() < 0.6 else rng.choice(CAPTURES[:8])
    canvas = Canvas.start("dialog", size, split, rng, (11, 20))
    canvas.page.read_in_order = False
    title = words.title("dialog", split, rng) if rng.random() < 0.5 else choose(lexicon.TABS, split, rng)
    room = window(canvas, _placed(canvas), title)
    if rng.random() < 0.35:
        room = _tabs(canvas, room)
    left, top, right, bottom = room
    rows(canvas, (left, top, right, bottom - canvas.em * 2.8), rng.randint(1, 9))
    buttons(canvas, room)
    return canvas.page


def settings(split: Split, rng: random.Random) -> Page:
    """A page of settings, often a whole screen."""
    canvas = Canvas.start("settings", rng.choice(CAPTURES[2:]), split, rng, (12, 20))
    canvas.page.read_in_order = False
    title = rng.choice(("Settings", "Preferences", "Options", "System", "Einstellungen", "Control panel"))
    room = window(canvas, _placed(canvas), title)
    if rng.random() < 0.7:
        room = _sidebar(canvas, room)
    elif rng.random() < 0.5:
        room = _tabs(canvas, room)
    left, top, right, bottom = room
    top += canvas.em * 0.5
    with_buttons = rng.random() < 0.5
    bottom -= canvas.em * (3 if with_buttons else 0.5)
    while top < bottom - canvas.em * 4:
        if rng.random() < 0.7:
            top = grids.heading(canvas, left + canvas.em * 0.8, top, rng.uniform(1.1, 1.4))
        top = rows(canvas, (left, top, right, bottom), rng.randint(2, 7)) + canvas.em * 0.6
        if rng.random() < 0.3:
            break
    if with_buttons:
        buttons(canvas, room)
    return canvas.page


def error(split: Split, rng: random.Random) -> Page:
    """A message with its code."""
    size = (rng.randint(300, 620), rng.randint(140, 330))
    canvas = Canvas.start("error", size, split, rng, (12, 22))
    em = canvas.em
    title = rng.choice(("Error", "Warning", "Problem", "Fehler", "Erreur", "Setup", "Update", "Message", "Attention"))
    left, top, right, bottom = window(canvas, _placed(canvas), title)
    y, x = top + em * rng.uniform(0.6, 1.4), left + em
    if rng.random() < 0.6:
        colour = rng.choice(((210, 40, 40), (230, 160, 20), (40, 110, 210)))
        canvas.draw.ellipse((x, y, x + em * 2, y + em * 2), fill=colour)
        canvas.draw.line((x + em, y + em * 0.4, x + em, y + em * 1.2), fill=(255, 255, 255), width=3)
        x += em * 3
    message = choose(lexicon.MESSAGES, split, rng) if rng.random() < 0.75 else lexicon.phrase(split, rng, 4, 9) + "."
    asks = ("What is the error?", "What went wrong?", "What does the message say?", "Read the message.")
    lines = wrapped(canvas, message, right - x - em)
    for index, text in enumerate(lines):
        run = canvas.text(x, y, text, canvas.font(1.0, bold=index == 0 and rng.random() < 0.3))
        canvas.line(run)
        if run is not None and len(lines) == 1:
            canvas.fact("value", asks, text, run)
        y += em * 1.5
    code = lexicon.error_code(rng)
    label = rng.choice(("Error code", "Code", "Error", "Exit code", "Fehlercode", "Reason"))
    joiner = rng.choice((": ", " "))
    if canvas.fit(label + joiner + code, canvas.font(), right - x - em) and canvas.free(label):
        first = canvas.text(x, y, label + joiner.strip(), canvas.font(), canvas.style.faint)
        second = None if first is None else canvas.text(first.box[2] + em * 0.4, y, code, canvas.font())
        canvas.line(first, second)
        canvas.entry(label, first, second, ("What is the error code?", "Which error code is shown?"))
        y += em * 1.5
    if rng.random() < 0.5:
        for text in wrapped(canvas, choose(lexicon.ADVICE, split, rng), right - x - em):
            canvas.line(canvas.text(x, y, text, canvas.font(), canvas.style.faint) if y + em * 4.2 < bottom else None)
            y += em * 1.5
    if y + em * 2.8 < bottom:
        buttons(canvas, (left, top, right, bottom))
    return canvas.page


def wrapped(canvas: Canvas, text: str, width: float) -> list[str]:
    """A text in lines of at most `width` pixels."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if canvas.fit(longer, canvas.font(1.0, bold=True), width):
            lines[-1] = longer
        else:
            lines.append(word)
    return [line for line in lines if line]


def files(split: Split, rng: random.Random) -> Page:
    """A folder's window."""
    canvas = Canvas.start("files", rng.choice(CAPTURES[1:]), split, rng, (11, 18))
    canvas.page.read_in_order = False
    room = window(canvas, _placed(canvas), choose(lexicon.FOLDERS, split, rng))
    left, top, right, bottom = _sidebar(canvas, room) if rng.random() < 0.5 else room
    headers, listed = grids.file_rows(split, rng, rng.randint(4, 22))
    chosen = rng.randrange(min(6, len(listed))) if rng.random() < 0.6 else None
    x, em = left + canvas.em * 0.6, canvas.em
    right_aligned = [False, rng.random() < 0.6, False, False][: len(headers)]
    end = None
    while end is None and headers:
        fitting = max(3, int((bottom - top - em * 2) / (em * 2.3)))
        look = grids.grid_look(canvas)
        shown = listed[: fitting - 1]
        end = grids.draw_grid(
            canvas, x, top + em * 0.4, right - x - em, headers, shown, right_aligned, look, chosen
        )  # fmt: skip
        headers, right_aligned, listed = headers[:-1], right_aligned[:-1], [row[:-1] for row in listed]
    if chosen is not None and canvas.page.facts and end is not None:
        old = canvas.page.facts[-1]
        if old.task == "state" and old.run is not None and old.questions[0].startswith("Which row"):
            canvas.fact("state", ("Which file is selected?", "Which file is highlighted?"), old.answer, old.run)
    return canvas.page
