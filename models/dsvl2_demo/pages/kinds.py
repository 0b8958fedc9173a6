"""All kinds of real pages by name, as they are captured: scaled, turned a little, worn."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import replace

from PIL import Image

from dsvl2_demo.pages import grids
from dsvl2_demo.pages.charts import chart
from dsvl2_demo.pages.degrade import worn
from dsvl2_demo.pages.letters import invoice, letter
from dsvl2_demo.pages.page import Button, Page, Table, TextRun
from dsvl2_demo.pages.receipts import receipt
from dsvl2_demo.pages.sheets import form, prose, terminal
from dsvl2_demo.pages.web import web
from dsvl2_demo.pages.windows import dialog, error, files, settings
from dsvl2_demo.pages.words import Split

SHEETS: dict[str, Callable[[Split, random.Random], Page]] = {
    "receipt": receipt, "invoice": invoice, "letter": letter, "dialog": dialog, "settings": settings, "error": error,
    "form": form, "table": grids.table, "files": files, "terminal": terminal, "chart": chart, "web": web,
    "prose": prose,
}  # fmt: skip
"""Each draws a page of any size it is found at."""

PAPER = ("receipt", "invoice", "letter", "form", "prose")
"""What is photographed or scanned, and so may lie at an angle."""

LARGEST_ANGLE = 0.9
"""Degrees; a line of 400 pixels then ends 6 pixels higher than it begins."""
FEWEST_RUNS = 2


def draw_sheet(kind: str, split: Split, rng: random.Random, wear: float = 0.35) -> Page:
    """One page of a kind with its ground truth; a share of `wear` are scaled, turned, grainy or packed."""
    while True:
        page = SHEETS[kind](split, rng)
        if len(page.runs) >= FEWEST_RUNS:
            break
    if rng.random() < wear:
        scale = rng.choice((1.0, 1.0, rng.uniform(0.8, 1.3), 1.25, 0.9, 1.1)) if page.image.width < 800 else 1.0
        angle = rng.uniform(-LARGEST_ANGLE, LARGEST_ANGLE) if kind in PAPER and rng.random() < 0.5 else 0.0
        page = captured(page, scale, angle)
        if rng.random() < 0.6:
            page.image = worn(page.image, rng)
    return page


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

    def box(old: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
        left, top, right, bottom = old
        points = [moved(x, y) for x in (left, right) for y in (top, bottom)]
        across_, down_ = zip(*points, strict=True)
        return min(across_), min(down_), max(across_), max(down_)

    made: dict[int, TextRun] = {}

    def run(old: TextRun) -> TextRun:
        if id(old) not in made:
            points = [moved(centre, old.middle) for centre in old.centres]
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
                point=moved(*each.point) if each.point else None,
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
