"""A whole screen with a page as one of its windows, as a person captures who does not mark a region."""

from __future__ import annotations

import random

from PIL import Image, ImageDraw

from dsvl2_demo.pages.kinds import draw_sheet
from dsvl2_demo.pages.moves import placed
from dsvl2_demo.pages.page import Page
from dsvl2_demo.pages.words import Split
from dsvl2_runtime.errors import UsageError

BAR_PIXELS = 40
"""Height of the bar at the bottom, where most systems have one."""
BEHIND = ("prose", "letter", "chart")
"""Kinds of the window behind the page. Its truth is not asked for."""
MOST_PAGES = 50
"""That are drawn for one screen; of every kind one of three fits on one of 1920x1080 pixels."""
BARS = ((32, 34, 38), (230, 230, 232))


def draw_screen(kind: str, split: Split, rng: random.Random, size: tuple[int, int]) -> Page:
    """A page of a kind anywhere on a screen of (width, height) pixels, before another window; with the page's truth.

    Pages that are larger than the screen are passed over.

    Raises:
        UsageError: pages of the kind seem to be larger than the screen.
    """
    width, height = size[0], size[1] - BAR_PIXELS
    pages = (draw_sheet(kind, split, rng) for _ in range(MOST_PAGES))
    page = next((each for each in pages if each.image.width <= width and each.image.height <= height), None)
    if page is None:
        raise UsageError(
            f"none of {MOST_PAGES} pages of the kind {kind} fits on a screen of {size[0]}x{size[1]} pixels; "
            "name a larger screen"
        )
    screen = Image.new("RGB", size, tuple(rng.randrange(256) for _ in range(3)))
    behind = draw_sheet(rng.choice(BEHIND), split, rng).image
    screen.paste(behind, _anywhere(width - behind.width, height - behind.height, rng))
    ImageDraw.Draw(screen).rectangle((0, height, width, size[1]), fill=rng.choice(BARS))
    left, top = _anywhere(width - page.image.width, height - page.image.height, rng)
    screen.paste(page.image, (left, top))
    return placed(page, screen, left, top)


def _anywhere(across: int, down: int, rng: random.Random) -> tuple[int, int]:
    return rng.randint(0, max(0, across)), rng.randint(0, max(0, down))
