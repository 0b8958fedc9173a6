# ruff: noqa: SIM905 - long lists of words are read and edited as text
"""Browsers: tabs and an address above a page with headings, tables, lists and addresses."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

from dsvl2_demo.pages import grids, lexicon, words
from dsvl2_demo.pages.canvas import Canvas, blend
from dsvl2_demo.pages.letters import pair
from dsvl2_demo.pages.offices import on_paper
from dsvl2_demo.pages.page import Page, text_width
from dsvl2_demo.pages.windows import CAPTURES, wrapped
from dsvl2_demo.pages.words import Split, ValueKind, choose

ENDS = ".com .org .net .de .fr .eu .info .io .co.uk".split()
ADDRESS_ASKS = ("What is the address of the page?", "Which address is open?", "What is the URL?", "Read the address.")
TAB_ASKS = ("Which tab is selected?", "Which tab is open?", "What is the title of the tab?", "Which tab is active?")
CONTACTS: tuple[ValueKind, ...] = ("phone", "email", "time", "city", "date", "person", "code", "amount", "percent")
TICKETS = (
    "Adult|Senior|Student|Family|Group|Single|Return|Day pass|Season pass|Early bird|Evening"
    "|Guided tour|Audio guide|Parking|Bicycle|Locker|Boat|Kayak|Tent|Caravan|Cabin|Bed|Double room|Breakfast"
).split("|")
COLUMNS = (
    "Summer|Winter|Online|At the door|Morning|Afternoon|Full|Reduced|Monday|Friday|Saturday|Sunday"
    "|1 hour|2 hours|Day|Week|Month|Members|Guests|From|Until|Opens|Closes|Low season|High season"
).split("|")
LINK = (0, 0, 238)


def browser(split: Split, rng: random.Random) -> Page:
    """A browser's window with a page of information."""
    size = rng.choice(CAPTURES[4:]) if rng.random() < 0.6 else (rng.randint(520, 1180), rng.randint(320, 780))
    canvas = Canvas.start("browser", size, split, rng, (11, 15))
    canvas.page.read_in_order = False
    if rng.random() < 0.75:
        shade = rng.choice((255, 246, 238, 222, 60, 43, 28))
        ink = (20, 20, 20) if shade > 128 else (235, 235, 235)
        grey = (shade, shade, shade)
        canvas.style = replace(
            canvas.style, background=grey, ink=ink, faint=blend(ink, grey, 0.25), panel=blend(grey, ink, 0.08),
            line=blend(grey, ink, 0.25),
        )  # fmt: skip
    em = canvas.em
    left, right, bottom = 0.0, float(size[0]), float(size[1])
    top = _tabs(canvas, right) if rng.random() < 0.8 else 0.0
    if rng.random() < 0.9:
        top = _address(canvas, top, right)
    colour = (255, 255, 255)
    style = on_paper(canvas.style, split, rng)
    if rng.random() < 0.25:
        colour = blend((255, 255, 255), canvas.style.accent, rng.uniform(0.03, 0.12))
        style = replace(style, background=colour, panel=blend(colour, (0, 0, 0), 0.05))
    canvas.box((left, top, right, bottom), colour)
    canvas.style = style
    canvas.em = max(11, round(em * rng.uniform(1.0, 1.4)))
    wide = min(right - canvas.em * 2, canvas.em * rng.uniform(30, 70))
    x = canvas.em if rng.random() < 0.5 else max(canvas.em, (right - wide) / 2)
    _content(canvas, x, top + canvas.em * rng.uniform(0.5, 1.5), wide, bottom)
    return canvas.page


def _tabs(canvas: Canvas, right: float) -> float:
    rng, split, em, style = canvas.rng, canvas.split, canvas.em, canvas.style
    high, count = em * rng.uniform(2.0, 2.5), rng.choice((1, 1, 2, 3, 4))
    strip = blend(style.background, style.ink, rng.uniform(0.08, 0.2))
    canvas.box((0, 0, right, high), strip)
    wide = min(em * 16, (right - em * 4) / count)
    chosen, runs, font = rng.randrange(count), [], canvas.font()
    for index in range(count):
        x = em * 0.5 + index * wide
        lit = index == chosen
        if lit:
            canvas.box((x, em * 0.3, x + wide - 4, high), style.background, None, rng.choice((0, 6, 8)))
        if rng.random() < 0.6:
            canvas.icon(x + em * 0.6, em * 0.7, em * 0.9)
        title = lexicon.phrase(split, rng, 1, 3) if rng.random() < 0.6 else choose(words.VENDORS, split, rng)
        if not canvas.fit(title, font, wide - em * 4):
            continue
        run = canvas.text(x + em * 1.9, (high - em * 1.2) / 2, title, font)
        runs.append(run)
        if lit and run is not None:
            canvas.fact("state", TAB_ASKS, title, run)
        across, middle, r = x + wide - em * 1.2, high / 2, em * 0.22
        canvas.draw.line((across - r, middle - r, across + r, middle + r), fill=style.ink)
        canvas.draw.line((across - r, middle + r, across + r, middle - r), fill=style.ink)
    canvas.line(*runs)
    return high


def _address(canvas: Canvas, top: float, right: float) -> float:
    rng, split, em, style = canvas.rng, canvas.split, canvas.em, canvas.style
    high = em * rng.uniform(2.2, 2.8)
    canvas.box((0, top, right, top + high), style.background)
    x, y = em * 0.7, top + high / 2
    for turn in (-1, 1)[: rng.randint(1, 2)]:
        tip = x + em * 0.5 + turn * em * 0.3
        canvas.draw.line((tip - turn * em * 0.4, y - em * 0.4, tip, y), fill=style.ink, width=2)
        canvas.draw.line((tip, y, tip - turn * em * 0.4, y + em * 0.4), fill=style.ink, width=2)
        x += em * 2
    canvas.draw.arc((x, y - em * 0.4, x + em * 0.8, y + em * 0.4), 30, 320, fill=style.ink, width=2)
    x += em * 1.8
    end = right - em * rng.uniform(1, 5)
    canvas.box(
        (x, top + em * 0.3, end, top + high - em * 0.3), style.panel, None, rng.choice((0, 4, round(high * 0.35)))
    )
    start = rng.choice(("https://", "", "www.", "file:///srv/", "http://"))
    address = start + lexicon.host(split, rng) + rng.choice(ENDS)
    if rng.random() < 0.6:
        address += "/" + choose(lexicon.FOLDERS, split, rng).lower() + rng.choice(("", ".html", "/", "/index.php"))
    if canvas.fit(address, canvas.font(), end - x - em * 2):
        run = canvas.text(x + em, y - em * 0.65, address, canvas.font())
        canvas.line(run)
        if run is not None:
            canvas.fact("value", ADDRESS_ASKS, address, run)
    return top + high


def _content(canvas: Canvas, x: float, y: float, wide: float, bottom: float) -> None:
    rng, split, em = canvas.rng, canvas.split, canvas.em
    pitch, end = em * rng.uniform(1.25, 1.6), bottom - em * 1.7
    if rng.random() < 0.3:
        names = list(dict.fromkeys(choose(lexicon.MENUS, split, rng) for _ in range(rng.randint(2, 6))))
        at, runs = x, []
        for name in names:
            if at + text_width(name, canvas.font()) < x + wide:
                runs.append(canvas.text(at, y, name, canvas.font(), LINK if rng.random() < 0.5 else None))
            at += text_width(name, canvas.font()) + em * 1.4
        canvas.line(*runs)
        y += pitch * 1.4
    name = choose(words.VENDORS, split, rng) if rng.random() < 0.5 else lexicon.phrase(split, rng, 2, 4)
    font = canvas.font(rng.uniform(1.5, 2.2), bold=True)
    if canvas.fit(name, font, wide) and y + em * 4 < end and (run := canvas.text(x, y, name, font)) is not None:
        canvas.line(run)
        canvas.page.title = name
        y += font.size * 1.5
    parts: list[Callable[[Canvas, float, float, float, float, float], float]] = [_text, _prices, _contacts, _list]
    rng.shuffle(parts)
    for part in parts:
        if y + em * 4 > end:
            return
        if rng.random() < 0.5 and part is not _text:
            run = canvas.text(x, y, choose(lexicon.HEADINGS, split, rng), canvas.font(1.25, bold=True))
            canvas.line(run)
            y += pitch * 1.5 if run is not None else 0
        y = part(canvas, x, y, wide, end, pitch) + pitch * rng.uniform(0.4, 0.9)


def _text(canvas: Canvas, x: float, y: float, wide: float, end: float, pitch: float) -> float:
    for text in wrapped(canvas, lexicon.phrase(canvas.split, canvas.rng, 6, 40) + ".", wide):
        if y > end:
            break
        canvas.line(canvas.text(x, y, text, canvas.font()))
        y += pitch
    return y


def _list(canvas: Canvas, x: float, y: float, wide: float, end: float, pitch: float) -> float:
    rng, em = canvas.rng, canvas.em
    linked = rng.random() < 0.5
    for _ in range(rng.randint(2, 5)):
        text = lexicon.phrase(canvas.split, rng, 1, 6)
        if y > end or not canvas.fit(text, canvas.font(), wide - em * 2.5):
            break
        canvas.draw.ellipse((x + em * 0.9, y + em * 0.5, x + em * 1.25, y + em * 0.85), fill=canvas.style.ink)
        run = canvas.text(x + em * 2, y, text, canvas.font(), LINK if linked else None)
        canvas.line(run)
        if linked and run is not None:
            low = y + em * 1.15
            canvas.draw.line((run.box[0], low, run.box[2], low), fill=LINK)
        y += pitch
    return y


def _contacts(canvas: Canvas, x: float, y: float, wide: float, end: float, pitch: float) -> float:
    rng, split = canvas.rng, canvas.split
    for _ in range(rng.randint(1, 5)):
        found = lexicon.label(split, rng, (rng.choice(CONTACTS),))
        text = lexicon.value(found.kind, split, rng)
        if y <= end and canvas.fit(f"{found.text}: {text}", canvas.font(), wide - canvas.em):
            y += pitch if pair(canvas, x, y, found.text, text, None, ":") else 0
    return y


def _prices(canvas: Canvas, x: float, y: float, wide: float, end: float, _pitch: float) -> float:
    """A table of prices or times by who and when, or one of any kind."""
    rng, split = canvas.rng, canvas.split
    look = grids.grid_look(canvas)
    most = int((end - y) / look.pitch) - 1
    if most < 2 or canvas.page.tables:
        return y
    count = rng.randint(2, 4)
    if rng.random() < 0.5:
        heads = list(dict.fromkeys(choose(COLUMNS, split, rng) for _ in range(count)))
        kind, spelling = rng.choice(("amount", "amount", "time", "number")), rng.randrange(6)
        headers, right = [rng.choice(("Ticket", "Price", "Hours", "Tariff")), *heads], [False] * (1 + len(heads))
        keys = list(dict.fromkeys(choose(TICKETS, split, rng) for _ in range(rng.randint(2, min(most, 9)))))
        rows = [[name, *(grids.cell_value(kind, split, rng, spelling) for _ in heads)] for name in keys]
    else:
        headers, kinds, key = grids.columns(split, rng, count)
        rows = grids.cells(split, rng, kinds, key, rng.randint(2, min(most, 9)))
        right = [kind in grids.CELL_ALIGN_RIGHT for kind in kinds]
    bottom = grids.draw_fitting(canvas, x, y, wide, headers, rows, right, look) if rows else None
    return y if bottom is None else bottom
