# ruff: noqa: SIM905 - long lists of words are read and edited as text
"""Pages as browsers show them: a menu, cards, articles, forms to log in."""

from __future__ import annotations

import random

from dsvl2_demo.pages import lexicon, words
from dsvl2_demo.pages.canvas import Canvas, blend
from dsvl2_demo.pages.page import Page, text_width
from dsvl2_demo.pages.receipts import PRICE_ASKS
from dsvl2_demo.pages.windows import CAPTURES, window, wrapped
from dsvl2_demo.pages.words import Split, choose

CALLS = "Buy|Add to cart|More|Details|Read more|Book now|Subscribe|Order|Learn more|Try it|Kaufen|Acheter".split("|")


def web(split: Split, rng: random.Random) -> Page:
    """A page with a menu above and cards or text below."""
    canvas = Canvas.start("web", rng.choice(CAPTURES[4:]), split, rng, (12, 20))
    canvas.page.read_in_order = False
    em, style = canvas.em, canvas.style
    left, top, right, bottom = 0.0, 0.0, float(canvas.width), float(canvas.height)
    if rng.random() < 0.35:
        address = rng.choice(("https://", "www.", "")) + lexicon.host(split, rng) + rng.choice((".com", ".org", ".net"))
        left, top, right, bottom = window(canvas, (0, 0, canvas.width - 1, canvas.height - 1), address)
    y = _menu(canvas, left, top, right)
    margin = em * rng.uniform(1, 3)
    y += em * rng.uniform(0.6, 2)
    heading = choose(lexicon.HEADINGS, split, rng) if rng.random() < 0.6 else lexicon.phrase(split, rng, 2, 5)
    font = canvas.font(rng.uniform(1.3, 2.0), bold=True)
    if (run := canvas.text(left + margin, y, heading, font)) is not None:
        canvas.line(run)
        canvas.page.title = heading
        y += font.size * 1.5
    if rng.random() < 0.5:
        canvas.line(canvas.text(left + margin, y, lexicon.phrase(split, rng, 4, 9), canvas.font(), style.faint))
        y += em * 2
    _cards(canvas, (left + margin, y, right - margin, bottom - em))
    return canvas.page


def _menu(canvas: Canvas, left: float, top: float, right: float) -> float:
    rng, style, em = canvas.rng, canvas.style, canvas.em
    high = em * rng.uniform(2.2, 3.6)
    bar = rng.choice((style.accent, style.panel, style.background, blend(style.ink, style.background, 0.1)))
    ink = style.ink
    if bar == style.accent:
        ink = style.accent_ink
    elif bar not in (style.panel, style.background):
        ink = style.background
    canvas.box((left, top, right, top + high), bar)
    y = top + (high - em * 1.35) / 2
    brand = choose(words.VENDORS, canvas.split, rng)
    logo = canvas.text(left + em, y, brand, canvas.font(1.1, bold=True), ink)
    canvas.line(logo)
    if logo is not None:
        canvas.fact("title", ("What is the name of the site?", "Which site is this?", "Whose page is it?"), brand, logo)
    x = left + em * 2.5 + text_width(brand, canvas.font(1.1, bold=True))
    names = list(dict.fromkeys(choose(lexicon.MENUS, canvas.split, rng) for _ in range(rng.randint(2, 7))))
    chosen = rng.randrange(len(names)) if rng.random() < 0.7 else None
    runs = []
    for index, name in enumerate(names):
        wide = text_width(name, canvas.font())
        if x + wide + em > right:
            break
        if index == chosen and rng.random() < 0.5:
            fill = blend(bar, ink, 0.25)
            canvas.box((x - em * 0.5, y - em * 0.3, x + wide + em * 0.5, y + em * 1.6), fill, None, 4)
        elif index == chosen:
            canvas.box((x, y + em * 1.5, x + wide, y + em * 1.5 + 3), ink)
        run = canvas.text(x, y, name, canvas.font(), ink)
        runs.append(run)
        if index == chosen and run is not None:
            asks = ("Which item of the menu is active?", "Which menu item is selected?", "Which page is open?")
            canvas.fact("state", asks, name, run)
        x += wide + em * rng.uniform(1.5, 2.2)
    canvas.line(*runs)
    return top + high


def _cards(canvas: Canvas, room: tuple[float, float, float, float]) -> None:
    rng, em = canvas.rng, canvas.em
    left, top, right, bottom = room
    across = max(1, min(rng.randint(1, 4), int((right - left) / (em * 11))))
    gap = em * rng.uniform(0.8, 1.6)
    wide = (right - left - gap * (across - 1)) / across
    picture = em * rng.uniform(3, 7) if rng.random() < 0.5 else 0.0
    called = rng.random() < 0.5
    high = picture + em * (5.6 if not called else 8.2) + em * rng.uniform(0.2, 1)
    spelling, radius = rng.randrange(6), rng.choice((0, 6, 10))
    framed = rng.random() < 0.75
    priced = rng.random() < 0.75
    y = top
    while y + high < bottom:
        for column in range(across):
            x = left + column * (wide + gap)
            box = (x, y, x + wide, y + high)
            _card(canvas, box, picture, spelling, radius, framed=framed, called=called, priced=priced)
        y += high + gap


def _card(
    canvas: Canvas, box: tuple[float, float, float, float], picture: float, spelling: int, radius: int, *,
    framed: bool, called: bool, priced: bool,
) -> None:  # fmt: skip
    rng, style, em, split = canvas.rng, canvas.style, canvas.em, canvas.split
    x, y, right, bottom = box
    if framed:
        canvas.box(box, style.panel, style.line, radius)
    if picture:
        colour = (rng.randint(40, 220), rng.randint(40, 220), rng.randint(40, 220))
        canvas.box((x + 1, y + 1, right - 1, y + picture), colour)
        canvas.icon(x + (right - x) / 2 - em, y + picture / 2 - em, em * 2)
        y += picture
    name = choose(lexicon.PRODUCTS, split, rng) if priced else words.person(split, rng)
    font = canvas.font(1.1, bold=True)
    at = x + em * 0.8
    if not canvas.fit(name, font, right - at - 4) or not canvas.free(name):
        return
    label = canvas.text(at, y + em * 0.5, name, font)
    canvas.line(label)
    price = lexicon.price(rng, spelling) if priced else words.value(rng.choice(("city", "word", "phone")), split, rng)
    price_font = canvas.font(1.0, bold=rng.random() < 0.3)
    value = canvas.text(at, y + em * 2.2, price, price_font, style.accent if rng.random() < 0.2 else None)
    canvas.line(value)
    if value is not None and value.box[2] < right:
        canvas.entry(name, label, value, PRICE_ASKS if priced else ("What stands below {}?",))
    for text in wrapped(canvas, lexicon.phrase(split, rng, 2, 6), right - at - 4)[:1]:
        canvas.line(canvas.text(at, y + em * 3.7, text, canvas.font(0.9), style.faint))
    if called:
        text = rng.choice(CALLS)
        wide = text_width(text, canvas.font()) + em * 1.4
        if at + wide < right:
            run = canvas.button((at, bottom - em * 2.5, at + wide, bottom - em * 0.6), text, lit=True)
            canvas.line(run)
            if canvas.page.buttons:
                canvas.page.buttons.pop()  # many of them are alike, so none is the highlighted one
