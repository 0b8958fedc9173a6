"""All kinds of real pages by name, as they are captured: scaled, turned a little, worn."""

from __future__ import annotations

import random
from collections.abc import Callable

from dsvl2_demo.pages import grids
from dsvl2_demo.pages.browsers import browser
from dsvl2_demo.pages.calculators import calculator
from dsvl2_demo.pages.charts import chart
from dsvl2_demo.pages.degrade import worn
from dsvl2_demo.pages.letters import invoice, letter
from dsvl2_demo.pages.moves import captured
from dsvl2_demo.pages.offices import office
from dsvl2_demo.pages.page import Page
from dsvl2_demo.pages.receipts import receipt
from dsvl2_demo.pages.sheets import form, prose, terminal
from dsvl2_demo.pages.shells import shell
from dsvl2_demo.pages.web import web
from dsvl2_demo.pages.windows import dialog, error, files, settings
from dsvl2_demo.pages.words import Split

SHEETS: dict[str, Callable[[Split, random.Random], Page]] = {
    "receipt": receipt, "invoice": invoice, "letter": letter, "dialog": dialog, "settings": settings, "error": error,
    "form": form, "table": grids.table, "files": files, "terminal": terminal, "chart": chart, "web": web,
    "prose": prose,
}  # fmt: skip
"""Each draws a page of any size it is found at. Scores over kinds together are scores over these."""

PROGRAMS: dict[str, Callable[[Split, random.Random], Page]] = {
    "shell": shell, "calculator": calculator, "browser": browser, "office": office,
}  # fmt: skip
"""Windows of programs of other makers, which came later; they are scored each by itself."""

PAPER = ("receipt", "invoice", "letter", "form", "prose")
"""What is photographed or scanned, and so may lie at an angle."""

LARGEST_ANGLE = 0.9
"""Degrees; a line of 400 pixels then ends 6 pixels higher than it begins."""
FEWEST_RUNS = 2


def draw_sheet(kind: str, split: Split, rng: random.Random, wear: float = 0.35) -> Page:
    """One page of a kind with its ground truth; a share of `wear` are scaled, turned, grainy or packed."""
    while True:
        page = (SHEETS.get(kind) or PROGRAMS[kind])(split, rng)
        if len(page.runs) >= FEWEST_RUNS:
            break
    if rng.random() < wear:
        scale = rng.choice((1.0, 1.0, rng.uniform(0.8, 1.3), 1.25, 0.9, 1.1)) if page.image.width < 800 else 1.0
        angle = rng.uniform(-LARGEST_ANGLE, LARGEST_ANGLE) if kind in PAPER and rng.random() < 0.5 else 0.0
        page = captured(page, scale, angle)
        if rng.random() < 0.6:
            page.image = worn(page.image, rng)
    return page
