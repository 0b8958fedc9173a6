# ruff: noqa: SIM905 - long lists of words are read and edited as text
"""Receipts: a narrow strip with items, sums and what shops print around them."""

from __future__ import annotations

import random

from dsvl2_demo.pages import lexicon, words
from dsvl2_demo.pages.canvas import Canvas
from dsvl2_demo.pages.page import Page, TextRun, part_of
from dsvl2_demo.pages.words import Split, choose

PRICE_ASKS = ("How much is the {}?", "What does the {} cost?", "What is the price of {}?", "Price of the {}?")
SUM_ASKS = ("How much is the {}?", "What is the {} amount?", "What is the {} on the receipt?")
SUMS = (
    "Total|Subtotal|TOTAL|Grand total|Amount due|Summe|Zwischensumme|Gesamt|Total TTC|Sous-total|Totale|Importe"
    "|Razem|Totaal|To pay|SUM|Balance|Net|EUR total|Zu zahlen|Net total"
).split("|")
TAXES = "Tax|VAT|VAT 20%|MwSt. 19%|TVA|IVA|Sales tax|Service|Tip|Discount|Rounding|Tax 8%|GST|Moms".split("|")
PAID = "Cash|Change|Card|Visa|Rückgeld|Bar|Given|EC card|Espèces|Mastercard|Points".split("|")
THANKS = "Thank you|Vielen Dank|Merci|Gracias|Thank you for your visit|Have a nice day|Come again|Dziękujemy".split("|")


def receipt(split: Split, rng: random.Random) -> Page:
    """A receipt of 300 to 500 pixels across."""
    width = rng.randint(290, 520)
    canvas = Canvas.start("receipt", (width, 1400), split, rng, (12, 23))
    style, em = canvas.style, canvas.em
    margin = rng.randint(8, 40)
    pitch = em * rng.uniform(1.2, 1.95)
    font, y = canvas.font(), float(rng.randint(8, 40))
    y = _head(canvas, y, pitch)
    spelling = rng.randrange(6)
    if rng.random() < 0.8:
        canvas.rule(margin, y, width - margin, dashed=rng.random() < 0.5)
        y += em * 0.5
    counted = rng.random() < 0.3
    for _ in range(rng.randint(1, 12)):
        name, price = _item(split, rng), lexicon.price(rng, spelling)
        x = margin + (em * 2 if counted else 0)
        if not canvas.fit(name + "  " + price, font, width - margin - x) or not canvas.free(name):
            continue
        count = canvas.text(margin, y, str(rng.randint(1, 12)), font) if counted else None
        label, value = canvas.text(x, y, name, font), canvas.text(width - margin, y, price, font, None, "right")
        canvas.line(count, label, value)
        canvas.entry(name, label, value, PRICE_ASKS)
        if count is not None and label is not None:
            asks = (f"How many {name}?", f"What is the quantity of {name}?")
            canvas.fact("value", asks, count.text, count, None, label)
        y += pitch
    if rng.random() < 0.7:
        canvas.rule(margin, y, width - margin, dashed=rng.random() < 0.5)
        y += em * 0.5
    y = _sums(canvas, y, pitch, margin, spelling)
    if rng.random() < 0.5:
        canvas.rule(margin, y, width - margin)
        y += em * 0.6
    for _ in range(rng.randint(0, 2)):
        text = choose(THANKS, split, rng) if rng.random() < 0.6 else lexicon.phrase(split, rng, 2, 4)
        if run := canvas.text(width / 2, y, text, font, style.faint, "centre"):
            canvas.line(run)
            y += pitch
    if rng.random() < 0.25:
        _bars(canvas, margin, y)
        y += em * 3
    return canvas.crop(y + rng.randint(8, 40))


def _item(split: Split, rng: random.Random) -> str:
    draw = rng.random()
    if draw < 0.6:
        name = choose(lexicon.PRODUCTS, split, rng)
    else:
        name = words.word(split, rng) if draw < 0.85 else words.made_up_word(split, rng)
    return name.upper() if rng.random() < 0.1 else name


def _head(canvas: Canvas, y: float, pitch: float) -> float:
    rng, split, style = canvas.rng, canvas.split, canvas.style
    centred = rng.random() < 0.7
    x, align = (canvas.width / 2, "centre") if centred else (rng.randint(8, 30), "left")
    if rng.random() < 0.2:
        size = canvas.em * rng.uniform(1.5, 3)
        canvas.icon(x - (size / 2 if centred else 0), y, size)
        y += size * 1.2
    vendor = lexicon.company(split, rng) if rng.random() < 0.5 else choose(words.VENDORS, split, rng)
    vendor = vendor.upper() if rng.random() < 0.3 else vendor
    scale = rng.uniform(1.0, 1.7)
    if run := canvas.text(x, y, vendor, canvas.font(scale, bold=True), style.ink, align):  # type: ignore[arg-type]
        canvas.line(run)
        canvas.page.title = vendor
        asks = ("What is the name of the shop?", "Which shop is this from?", "Who issued the receipt?")
        canvas.fact("title", asks, vendor, run)
        y += canvas.em * scale * 1.4
    if rng.random() < 0.7:
        for text in (lexicon.street(split, rng), lexicon.town(split, rng))[: rng.randint(1, 2)]:
            if run := canvas.text(x, y, text, canvas.font(), style.faint, align):  # type: ignore[arg-type]
                canvas.line(run)
                y += pitch
    for _ in range(rng.randint(0, 3)):
        found = lexicon.label(split, rng, ("date", "time", "code", "person", "number", "phone"))
        text, font = lexicon.value(found.kind, split, rng), canvas.font()
        joiner = rng.choice((" ", ": "))
        whole = f"{found.text}{joiner}{text}"
        if not canvas.fit(whole, font, canvas.width - 24) or not canvas.free(found.text):
            continue
        if (run := canvas.text(x, y, whole, font, style.faint, align)) is not None:  # type: ignore[arg-type]
            _inline(canvas, run, found.text, text)
            y += pitch
    return y + canvas.em * 0.3


def _inline(canvas: Canvas, run: TextRun, label: str, text: str) -> None:
    canvas.line(run)
    canvas.entry(label, part_of(run, 0, len(label)), part_of(run, len(run.text) - len(text), len(run.text)))


def _sums(canvas: Canvas, y: float, pitch: float, margin: int, spelling: int) -> float:
    rng, split = canvas.rng, canvas.split
    names = [choose(SUMS, split, rng)] if rng.random() < 0.5 else []
    names += [choose(TAXES, split, rng) for _ in range(rng.randint(0, 2))]
    names.append("Total" if rng.random() < 0.3 else choose(SUMS, split, rng))
    large = len(names) - 1 if rng.random() < 0.6 else -1
    names += [choose(PAID, split, rng) for _ in range(rng.randint(0, 2))]
    colon = rng.choice(("", "", ":"))
    for index, name in enumerate(names):
        font = canvas.font(rng.uniform(1.0, 1.5) if index == large else 1.0, bold=index == large)
        amount = lexicon.price(rng, spelling)
        if rng.random() < 0.15:
            amount = lexicon.amount(rng)
        if not canvas.fit(name + "   " + amount, font, canvas.width - 2 * margin) or not canvas.free(name):
            continue
        label = canvas.text(margin, y, name + colon, font)
        value = canvas.text(canvas.width - margin, y, amount, font, None, "right")
        canvas.line(label, value)
        canvas.entry(name, label, value, SUM_ASKS)
        y += max(pitch, font.size * 1.3)
    return y + canvas.em * 0.3


def _bars(canvas: Canvas, margin: int, y: float) -> None:
    x = float(margin)
    while x < canvas.width - margin:
        step = canvas.rng.choice((1, 2, 3))
        canvas.box((x, y, x + step, y + canvas.em * 2.2), canvas.style.ink)
        x += step + canvas.rng.choice((1, 2, 3))
