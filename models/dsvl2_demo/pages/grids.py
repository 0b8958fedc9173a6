# ruff: noqa: SIM905 - long lists of words are read and edited as text
"""Tables: columns of one kind of value each, with headers, stripes, rules, a chosen row; also lists of files."""

from __future__ import annotations

import random
from dataclasses import dataclass

from dsvl2_demo.pages import lexicon, words
from dsvl2_demo.pages.canvas import Canvas, blend
from dsvl2_demo.pages.page import Colour, Page, TextRun, text_width
from dsvl2_demo.pages.words import Split, choose

HEADERS: dict[str, tuple[str, ...]] = {
    "amount": tuple("Price|Amount|Total|Cost|Sales|Revenue|Fee|Salary|Budget|Unit price|Preis|Betrag|Prix".split("|")),
    "number": tuple("Qty|Quantity|Count|Points|Age|Units|Seats|Stock|Rank|Score|Pages|Menge|No.|Year|Votes".split("|")),
    "percent": tuple("Share|Growth|Rate|Discount|VAT|Progress|Change|Anteil|Load".split("|")),
    "date": tuple("Date|Start|End|Due|Modified|Created|Born|Datum|Delivered".split("|")),
    "time": tuple("Time|Opens|Closes|Departs|Arrives|Duration|Uhrzeit".split("|")),
    "code": tuple("Code|ID|SKU|Order|Ref.|Article|Serial|Flight|Nr.".split("|")),
    "city": tuple("City|From|To|Location|Branch|Ort|Ville".split("|")),
    "word": tuple("Status|Color|Size|Type|Material|Mode|Category|Unit|Level".split("|")),
    "person": tuple("Owner|Manager|Contact|Author|Agent|Teacher|Name".split("|")),
    "measure": tuple("Weight|Length|Speed|Power|Volume|Width".split("|")),
}
KEY_HEADERS = "Item|Name|Product|Customer|Region|Month|Employee|Description|Article|Course|Team|Station".split("|")
CELL_ALIGN_RIGHT = ("amount", "number", "percent")


@dataclass(frozen=True, slots=True)
class GridLook:
    """How a table is set."""

    pitch: float
    padding: float
    header_fill: bool
    stripes: bool
    rules: str
    """"all", "rows" or "none"."""


def grid_look(canvas: Canvas) -> GridLook:
    """A random one."""
    rng = canvas.rng
    return GridLook(
        canvas.em * rng.uniform(1.35, 2.2), canvas.em * rng.uniform(0.5, 1.6), rng.random() < 0.5, rng.random() < 0.4,
        rng.choice(("all", "rows", "rows", "none")),
    )  # fmt: skip


def cell_value(kind: str, split: Split, rng: random.Random, spelling: int) -> str:
    """What a cell of a column holds."""
    if kind == "amount":
        return lexicon.amount(rng, spelling) if spelling >= 6 else lexicon.price(rng, spelling)
    if kind == "code":
        return words.code(rng)
    return lexicon.value(kind, split, rng)  # type: ignore[arg-type]


def row_key(split: Split, rng: random.Random, kind: int) -> str:
    """What a row is known by."""
    if kind == 0:
        return choose(lexicon.PRODUCTS, split, rng)
    if kind == 1:
        return words.person(split, rng)
    if kind == 2:
        return choose(words.CITIES, split, rng)
    return words.word(split, rng).capitalize()


def _row_colours(canvas: Canvas, look: GridLook, index: int, chosen: int | None) -> tuple[Colour | None, Colour]:
    """Fill and ink of a row, the header being the first."""
    style = canvas.style
    if index == 0 and look.header_fill:
        return (style.accent, style.accent_ink) if canvas.rng.random() < 0.6 else (style.panel, style.ink)
    if chosen is not None and index == chosen + 1:
        return style.accent, style.accent_ink
    if look.stripes and index % 2 == 0:
        return blend(style.background, style.ink, 0.06), style.ink
    return None, style.ink


def _rules(canvas: Canvas, look: GridLook, starts: list[float], top: float, bottom: float) -> None:
    if look.rules == "all":
        for start in starts:
            canvas.draw.line((start, top, start, bottom), fill=canvas.style.line)


def draw_grid(
    canvas: Canvas, x: float, y: float, width: float, headers: list[str], rows: list[list[str]],
    right: list[bool], look: GridLook, chosen: int | None = None,
) -> float | None:  # fmt: skip
    """A table at a place, over at most `width` pixels; the height it ends at, or None if it is too wide."""
    font, head = canvas.font(), canvas.font(1.0, bold=True)
    style, padding = canvas.style, look.padding
    wide = [
        max([text_width(header, head), *(text_width(row[column], font) for row in rows)])
        for column, header in enumerate(headers)
    ]
    while padding > canvas.em * 0.35 and sum(wide) + padding * len(wide) > width:
        padding *= 0.8
    if sum(wide) + padding * len(wide) > width:
        return None
    spread = (width - sum(wide) - padding * len(wide)) / len(wide) * canvas.rng.choice((0.0, 0.5, 1.0))
    starts, left = [], x
    for each in wide:
        starts.append(left)
        left += each + padding + spread
    end = left
    ascent, descent = font.getmetrics()
    lift = (look.pitch - ascent - descent) / 2
    drawn: list[list[TextRun]] = []
    for index, row in enumerate([headers, *rows]):
        top = y + index * look.pitch
        if top + look.pitch > canvas.height - 2:
            break
        fill, ink = _row_colours(canvas, look, index, chosen)
        if fill is not None:
            canvas.box((x, top, end, top + look.pitch - 1), fill)
        runs = []
        for column, text in enumerate(row):
            pad = padding * 0.5
            at = starts[column] + (wide[column] + spread + pad if right[column] else pad)
            run = canvas.text(
                at, top + lift, text, head if index == 0 else font, ink, "right" if right[column] else "left"
            )
            if run is not None:
                runs.append(run)
        if len(runs) < len(row):
            break
        canvas.line(*runs)
        drawn.append(runs)
        if look.rules != "none":
            canvas.draw.line((x, top + look.pitch - 1, end, top + look.pitch - 1), fill=style.line)
    if len(drawn) < 2:
        return None
    bottom = y + len(drawn) * look.pitch
    _rules(canvas, look, [*starts, end], y, bottom)
    canvas.table(drawn[0], drawn[1:])
    if chosen is not None and chosen + 1 < len(drawn):
        run = drawn[chosen + 1][0]
        asks = ("Which row is selected?", "Which row is highlighted?", "What is selected?", "Which entry is selected?")
        canvas.fact("state", asks, run.text, run)
    return bottom


def columns(split: Split, rng: random.Random, count: int) -> tuple[list[str], list[str], int]:
    """Headers and kinds of a key and `count - 1` value columns, and the kind of key."""
    kinds = rng.sample(list(HEADERS), count - 1) if count - 1 <= len(HEADERS) else list(HEADERS)
    headers = [choose(KEY_HEADERS, split, rng)]
    for kind in kinds:
        while (header := choose(HEADERS[kind], split, rng)).lower() in {known.lower() for known in headers}:
            pass
        headers.append(header)
    return headers, ["key", *kinds], rng.randrange(4)


def cells(split: Split, rng: random.Random, kinds: list[str], key: int, count: int) -> list[list[str]]:
    """Rows with different keys."""
    spelling = rng.randrange(14)
    rows: list[list[str]] = []
    keys: set[str] = set()
    for _ in range(count):
        name = row_key(split, rng, key)
        if name.lower() in keys or not name:
            continue
        keys.add(name.lower())
        rows.append([name, *(cell_value(kind, split, rng, spelling) for kind in kinds[1:])])
    return rows


def draw_fitting(
    canvas: Canvas, x: float, y: float, width: float, headers: list[str], rows: list[list[str]],
    right: list[bool], look: GridLook, chosen: int | None = None,
) -> float | None:  # fmt: skip
    """`draw_grid` with as many of the columns as there is room for; None where not even one fits."""
    bottom = None
    while headers and (bottom := draw_grid(canvas, x, y, width, headers, rows, right, look, chosen)) is None:
        headers, right, rows = headers[:-1], right[:-1], [row[:-1] for row in rows]
    return bottom


def table(split: Split, rng: random.Random) -> Page:
    """A table of 3 to 8 columns and 3 to 20 rows, alone or under a heading."""
    count = rng.choice((2, 3, 3, 4, 4, 5, 5, 6, 7, 8))
    canvas = Canvas.start("table", (rng.randint(280, 420) + 130 * count, 1000), split, rng, (11, 20))
    y, x = float(rng.randint(4, 40)), float(rng.randint(4, 40))
    if rng.random() < 0.6:
        y = heading(canvas, x, y)
    headers, kinds, key = columns(split, rng, count)
    rows = cells(split, rng, kinds, key, rng.randint(3, 20))
    right = [kind in CELL_ALIGN_RIGHT for kind in kinds]
    chosen = rng.randrange(len(rows)) if rng.random() < 0.25 else None
    look = grid_look(canvas)
    bottom = draw_fitting(canvas, x, y, canvas.width - 2 * x, headers, rows, right, look, chosen)
    return canvas.crop(y if bottom is None else bottom + rng.randint(4, 40))


def heading(canvas: Canvas, x: float, y: float, scale: float | None = None) -> float:
    """A title; the height below it."""
    scale = canvas.rng.uniform(1.1, 1.6) if scale is None else scale
    text = choose(lexicon.HEADINGS, canvas.split, canvas.rng)
    font = canvas.font(scale, bold=True)
    run = canvas.text(x, y, text, font)
    if run is None:
        return y
    canvas.line(run)
    canvas.page.title = text
    return y + font.size * canvas.rng.uniform(1.4, 2.0)


def file_rows(split: Split, rng: random.Random, count: int) -> tuple[list[str], list[list[str]]]:
    """A folder's list."""
    headers = ["Name", "Size", rng.choice(("Modified", "Date modified", "Changed"))]
    headers += rng.choice(([], ["Type"], ["Owner"]))
    rows, names = [], set()
    for _ in range(count):
        name = lexicon.file_name(split, rng) if rng.random() < 0.8 else choose(lexicon.FOLDERS, split, rng)
        if name.lower() in names:
            continue
        names.add(name.lower())
        row = [name, lexicon.size(rng), lexicon.date(rng) if rng.random() < 0.5 else words.date(rng)]
        if headers[-1] == "Type":
            row.append(name.rsplit(".", 1)[-1].upper() + " file" if "." in name else "Folder")
        elif headers[-1] == "Owner":
            row.append(choose(words.FIRST_NAMES, split, rng).lower())
        rows.append(row)
    return headers, rows
