"""A page whose picture was changed, with its truth moved along: scaled, turned, cut to a region, or placed."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import replace

from PIL import Image

from dsvl2_demo.pages.page import Box, Button, Fact, Page, Table, TextRun

Move = Callable[[float, float], tuple[float, float]]
"""From a point of the old picture to where it is in the new one."""

FEWEST_PIXELS = 60
"""Of a region's width and height."""
FLATTEST = 9.0
"""Width of a region by its height; wider ones are seen smaller than they are."""
FEWEST_RUNS = 3
"""Of a region."""
AROUND_TEXT = 2
"""Pixels that a cut keeps away from text and buttons."""


def captured(page: Page, scale: float, angle: float) -> Page:
    """The page scaled, and turned by some degrees about its middle; its truth goes along."""
    if scale == 1.0 and not angle:
        return page
    width, height = page.image.size
    size = (max(32, round(width * scale)), max(32, round(height * scale)))
    image = page.image if size == page.image.size else page.image.resize(size, Image.Resampling.BICUBIC)
    if angle:
        corner = page.image.getpixel((0, 0))
        image = image.rotate(angle, Image.Resampling.BICUBIC, fillcolor=corner)
    across, down = size[0] / width, size[1] / height
    cosine, sine = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    middle_x, middle_y = size[0] / 2, size[1] / 2

    def moved(x: float, y: float) -> tuple[float, float]:
        x, y = x * across - middle_x, y * down - middle_y
        return x * cosine + y * sine + middle_x, y * cosine - x * sine + middle_y

    return _moved(page, image, moved, down)


def region(page: Page, rng: random.Random) -> Page:
    """A part of the page, as people mark one on a screen: cut above, below or beside some of its text, never through.

    What does not lie in it whole is not asked for; a table that loses its head or its first column is none any more.
    The page itself where nothing can be cut.
    """
    width, height = page.image.size
    boxes = [run.box for run in page.runs] + [button.box for button in page.buttons]
    for _ in range(4):
        top, bottom = _span([(box[1], box[3]) for box in boxes], height, rng)
        beside = [(box[0], box[2]) for box in boxes if top <= box[1] and box[3] <= bottom]
        left, right = _span(beside, width, rng) if rng.random() < 0.4 else (0, width)
        inside = sum(left <= start and end <= right for start, end in beside)
        wide, high = right - left, bottom - top
        if min(wide, high) >= FEWEST_PIXELS and wide <= FLATTEST * high and inside >= FEWEST_RUNS:
            return cut(page, (left, top, right, bottom))
    return page


def _span(spans: Sequence[tuple[float, float]], length: int, rng: random.Random) -> tuple[int, int]:
    """Two places to cut at, the ends among them, between which something stands."""
    places, reached = [0], float(AROUND_TEXT)
    for start, end in sorted(spans):
        if start - AROUND_TEXT > reached:
            places.append(round(rng.uniform(reached, start - AROUND_TEXT)))
        reached = max(reached, end + AROUND_TEXT)
    places.append(round(rng.uniform(reached, length)) if reached < length else length)
    first, last = sorted(rng.sample(range(len(places)), 2)) if len(places) > 2 else (0, len(places) - 1)
    return places[first], places[last]


def cut(page: Page, box: tuple[int, int, int, int]) -> Page:
    """The part of a page that lies in a box of whole pixels, with the truth of what lies in it whole."""
    left, top, right, bottom = box

    def holds(inner: Box) -> bool:
        return left <= inner[0] and top <= inner[1] and inner[2] <= right and inner[3] <= bottom

    def shows(fact: Fact) -> bool:
        seen = [run.box for run in (fact.run, fact.about) if run is not None]
        seen += [(*fact.point, *fact.point)] if fact.point is not None else []
        return bool(seen) and all(holds(each) for each in seen)

    lines = [whole for line in page.lines if (whole := [run for run in line if holds(run.box)])]
    tables = [part for table in page.tables if (part := _table_within(table, holds)) is not None]
    shown = {run.text for line in lines for run in line}
    kept = replace(
        page,
        lines=lines,
        entries=[each for each in page.entries if holds(each.value_run.box) and holds(each.label_run.box)],
        buttons=[button for button in page.buttons if holds(button.box)],
        title=page.title if page.title in shown else None,
        facts=[fact for fact in page.facts if shows(fact)],
        tables=tables,
    )
    return _moved(kept, page.image.crop(box), lambda x, y: (x - left, y - top), 1.0)


def placed(page: Page, image: Image.Image, left: int, top: int) -> Page:
    """The page as a part of a larger picture, in which its corner lies at a place; its truth goes along."""
    return _moved(page, image, lambda x, y: (x + left, y + top), 1.0)


def _table_within(table: Table, holds: Callable[[Box], bool]) -> Table | None:
    columns = [index for index, header in enumerate(table.headers) if holds(header.box)]
    if len(columns) < 2 or columns[0] != 0:
        return None
    rows = [tuple(row[index] for index in columns) for row in table.rows]
    rows = [row for row in rows if all(holds(run.box) for run in row)]
    return Table(tuple(table.headers[index] for index in columns), tuple(rows)) if rows else None


def _moved(page: Page, image: Image.Image, move: Move, down: float) -> Page:
    """The page with another picture and each place of its truth moved; print grows by the factor `down`."""

    def box(old: Box) -> Box:
        left, top, right, bottom = old
        points = [move(x, y) for x in (left, right) for y in (top, bottom)]
        across_, down_ = zip(*points, strict=True)
        return min(across_), min(down_), max(across_), max(down_)

    made: dict[int, TextRun] = {}

    def run(old: TextRun) -> TextRun:
        if id(old) not in made:
            points = [move(centre, old.middle) for centre in old.centres]
            middle = sum(y for _, y in points) / len(points)
            made[id(old)] = TextRun(old.text, box(old.box), tuple(x for x, _ in points), middle, old.em * down)
        return made[id(old)]

    def maybe(old: TextRun | None) -> TextRun | None:
        return None if old is None else run(old)

    return replace(
        page,
        image=image,
        lines=[[run(each) for each in line] for line in page.lines],
        entries=[replace(each, value_run=run(each.value_run), label_run=run(each.label_run)) for each in page.entries],
        buttons=[Button(each.text, box(each.box), each.highlighted) for each in page.buttons],
        facts=[
            replace(
                each,
                run=maybe(each.run),
                point=move(*each.point) if each.point else None,
                about=maybe(each.about),
            )
            for each in page.facts
        ],
        tables=[
            Table(
                tuple(run(each) for each in table.headers),
                tuple(tuple(run(each) for each in row) for row in table.rows),
            )
            for table in page.tables
        ],
    )
