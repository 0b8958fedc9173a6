"""Office programs: a document on a sheet of white under menus, rows of icons and a ruler."""

from __future__ import annotations

import random
from dataclasses import replace

from dsvl2_demo.pages import grids, lexicon
from dsvl2_demo.pages.canvas import Canvas, blend
from dsvl2_demo.pages.letters import SENTENCE_ASKS, SENTENCES, pair, paragraph
from dsvl2_demo.pages.page import Page
from dsvl2_demo.pages.style import Style, StyleRange, draw_style
from dsvl2_demo.pages.toolbars import menu_line, ruler, status_line, toolbar
from dsvl2_demo.pages.windows import CAPTURES, window
from dsvl2_demo.pages.words import Split, ValueKind

FACES = (
    "Times New Roman",
    "Arial",
    "Liberation Serif",
    "Calibri",
    "Cambria",
    "Helvetica",
    "Georgia",
    "Verdana",
    "Sans",
)
STYLES = ("Normal", "Default", "Heading 1", "Body text", "Title", "Standard", "Quote", "Plain text")
MENUS = "File Edit View Insert Format Tools Table Styles Window Help Layout Review Documents"
FIELDS: tuple[ValueKind, ...] = ("code", "date", "code", "person", "city", "amount", "phone", "email", "number", "time")
WHITE = (255, 255, 255)


def office(split: Split, rng: random.Random) -> Page:
    """A document that is being written."""
    canvas = Canvas.start("office", rng.choice(CAPTURES[4:]), split, rng, (11, 15))
    canvas.page.read_in_order = False
    em, style = canvas.em, canvas.style
    left, top, right, bottom = 0.0, 0.0, float(canvas.width), float(canvas.height)
    if rng.random() < 0.55:
        title = f"{lexicon.file_name(split, rng)} - {rng.choice(('Writer', 'Word', 'Editor', 'Text', 'Office'))}"
        left, top, right, bottom = window(canvas, (0, 0, canvas.width - 1, canvas.height - 1), title)
    else:
        canvas.box((left, top, right, bottom), style.background)
    names = MENUS.split()
    top = menu_line(canvas, (left, top, right, bottom), " ".join(names[: rng.randint(5, len(names))]))
    chosen = [
        (rng.choice(STYLES), ("Which style is chosen?", "What is the paragraph style?")),
        (rng.choice(FACES), ("Which font is chosen?", "What is the font?", "Which typeface is set?")),
        (str(rng.choice((8, 9, 10, 11, 12, 14, 16, 18, 24))), ("What is the font size?", "Which font size is chosen?")),
    ]
    for row in range(rng.randint(1, 2)):
        top = toolbar(canvas, (left, top, right, bottom), chosen if row == 0 else ())
    if rng.random() < 0.7:
        top = ruler(canvas, (left, top, right, bottom))
    if rng.random() < 0.75:
        count = rng.randint(1, 20)
        states = [
            ("Page", f"{rng.randint(1, count)}{rng.choice((' of ', '/', ' / '))}{count}"),
            ("Words", str(rng.randint(3, 9999))), ("", rng.choice(("Insert", "INS", "Default", "en-US", "English"))),
            ("Zoom", f"{rng.choice((50, 75, 90, 100, 110, 125, 150, 200))}%"),
        ]  # fmt: skip
        bottom = status_line(canvas, (left, top, right, bottom), states)
    desk = blend(style.background, style.ink, rng.uniform(0.15, 0.4))
    canvas.box((left, top, right, bottom), desk)
    wide = min(right - left - em * 2, em * rng.uniform(34, 62))
    x = left + em if rng.random() < 0.3 else (left + right - wide) / 2
    y = top + em * rng.uniform(0.5, 1.5)
    canvas.box((x, y, x + wide, bottom), WHITE, style.line)
    canvas.style = on_paper(style, split, rng)
    canvas.em = max(11, round(em * rng.uniform(0.95, 1.35)))
    _document(canvas, x, y, wide, bottom)
    return canvas.page


def on_paper(style: Style, split: Split, rng: random.Random) -> Style:
    """Black on white, often in another face than the windows around it."""
    other = draw_style(StyleRange(plain=1.0), split, rng) if rng.random() < 0.7 else style
    grey = rng.choice((0, 0, 60, 90))
    return replace(
        style, background=WHITE, ink=(0, 0, 0), faint=(grey, grey, grey), panel=(240, 240, 240), line=(140, 140, 140),
        face=other.face, bold=other.bold,
    )  # fmt: skip


def _document(canvas: Canvas, x: float, y: float, wide: float, bottom: float) -> None:
    """A heading, fields, sentences and a table, as far as there is room; nothing is written below `bottom`."""
    rng, em = canvas.rng, canvas.em
    margin = em * rng.uniform(1.5, 4)
    x, wide, y, pitch = x + margin, wide - 2 * margin, y + margin * 0.8, em * rng.uniform(1.25, 1.7)
    end = bottom - pitch * 1.2
    if y + em * 3 < end:
        y = grids.heading(canvas, x, y, rng.uniform(1.2, 1.9))
    parts = [_fields, _sentence, _table, _sentence]
    rng.shuffle(parts)
    for part in parts:
        if y + em * 4 > end:
            return
        y = part(canvas, x, y, wide, end, pitch) + pitch * rng.choice((0.4, 0.8))


def _fields(canvas: Canvas, x: float, y: float, wide: float, end: float, pitch: float) -> float:
    rng, split = canvas.rng, canvas.split
    gap, colon = rng.choice((None, canvas.em * rng.uniform(6, 10))), rng.choice((":", ":", ""))
    for _ in range(rng.randint(1, 6)):
        found = lexicon.label(split, rng, (rng.choice(FIELDS),))
        text = lexicon.value(found.kind, split, rng)
        fits = canvas.fit(found.text + colon + text, canvas.font(), wide - (gap or 0) - canvas.em * 2)
        if y > end or not fits or not pair(canvas, x, y, found.text, text, gap, colon):
            continue
        y += pitch
    return y


def _sentence(canvas: Canvas, x: float, y: float, wide: float, end: float, pitch: float) -> float:
    rng, split = canvas.rng, canvas.split
    begin, kind, after = rng.choice(SENTENCES)
    if not canvas.free(begin):
        return y
    text = lexicon.value(kind, split, rng)  # type: ignore[arg-type]
    room = int((end - y) / pitch * wide / (canvas.em * 5.5))  # words, at ten letters each
    around = [lexicon.prose_word(split, rng) for _ in range(max(0, min(room - 8, rng.randint(0, 40))))]
    at = rng.randint(0, len(around))
    tokens = [*around[:at], *begin.split(), text, *after.split(), *around[at:]]
    return paragraph(canvas, x, y, wide, tokens, text, SENTENCE_ASKS[begin], pitch)


def _table(canvas: Canvas, x: float, y: float, wide: float, end: float, _pitch: float) -> float:
    rng, split = canvas.rng, canvas.split
    look = grids.grid_look(canvas)
    most = int((end - y) / look.pitch) - 1
    if most < 2 or canvas.page.tables:
        return y
    headers, kinds, key = grids.columns(split, rng, rng.choice((2, 3, 3, 4)))
    rows = grids.cells(split, rng, kinds, key, rng.randint(2, min(most, 8)))
    right = [kind in grids.CELL_ALIGN_RIGHT for kind in kinds]
    bottom = grids.draw_fitting(canvas, x, y, wide, headers, rows, right, look)
    return y if bottom is None else bottom + canvas.em * 0.5
