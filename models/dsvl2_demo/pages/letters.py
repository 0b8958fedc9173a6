# ruff: noqa: SIM905 - long lists of words are read and edited as text
"""Invoices and letters: pages of A4 at 75 to 110 dots per inch."""

from __future__ import annotations

import random

from dsvl2_demo.pages import grids, lexicon, words
from dsvl2_demo.pages.canvas import Canvas
from dsvl2_demo.pages.page import Page, part_of, text_width
from dsvl2_demo.pages.words import Split, ValueKind, choose

DOTS = (75, 110)
"""Per inch, smallest and largest."""

TITLES = "INVOICE|Invoice|Rechnung|RECHNUNG|Facture|Factura|Order confirmation|Quote|Delivery note|Credit note|Fattura"
RECIPIENT = "Bill to|Ship to|Customer|To|Kunde|Client|Rechnung an|Billed to|Deliver to".split("|")
META: tuple[ValueKind, ...] = ("date", "code", "code", "date", "person", "number", "email", "phone")
SENTENCES = (
    ("Please pay", "amount", "within 14 days."),
    ("The meeting takes place on", "date", "in the main office."),
    ("Your customer number is", "code", "as before."),
    ("We received your order", "code", "this week."),
    ("Doors open at", "time", "on the day."),
    ("The new price is", "amount", "per month."),
    ("Your contact is", "person", "from our team."),
    ("The parcel weighs", "measure", "in all."),
    ("Call us at", "phone", "with questions."),
    ("Write to", "email", "for details."),
    ("The rate rises to", "percent", "next year."),
)
SENTENCE_ASKS: dict[str, tuple[str, ...]] = {
    "Please pay": ("How much has to be paid?", "What amount is to be paid?"),
    "The meeting takes place on": ("When is the meeting?", "On which day is the meeting?"),
    "Your customer number is": ("What is the customer number?",),
    "We received your order": ("Which order was received?", "What is the order number?"),
    "Doors open at": ("When do the doors open?",),
    "The new price is": ("What is the new price?",),
    "Your contact is": ("Who is the contact?",),
    "The parcel weighs": ("How much does the parcel weigh?", "What is the weight of the parcel?"),
    "Call us at": ("Which number can be called?", "What is the phone number?"),
    "Write to": ("What is the address to write to?", "Which email address is given?"),
    "The rate rises to": ("What does the rate rise to?",),
}
TOTALS = "Subtotal|Net amount|VAT 19%|VAT|Tax|Shipping|Total|Amount due|Gesamtbetrag|Total TTC|Zwischensumme|Discount"
PAYMENT = "IBAN|BIC|Bank|Account|Swift|Tax ID|USt-IdNr.|Reg. no.|VAT ID".split("|")


def _sheet(kind: str, split: Split, rng: random.Random) -> Canvas:
    dots = rng.uniform(*DOTS)
    size = (round(8.27 * dots), round(11.69 * dots))
    points = rng.uniform(9.5, 12.5)
    em = max(10, round(points * dots / 72))
    return Canvas.start(kind, size, split, rng, (em, em))


def pair(
    canvas: Canvas, x: float, y: float, label: str, text: str, gap: float | None, colon: str = "", *,
    right: float = 0.0, bold: bool = False, asks: tuple[str, ...] = (),
) -> bool:  # fmt: skip
    """A label and its value at `gap` pixels from it, or ending at `right`."""
    font = canvas.font(1.0, bold=bold)
    wide = text_width(label + colon, font)
    start = x + (wide + canvas.em * 0.6 if gap is None else max(gap, wide + canvas.em * 0.5))
    end = start + text_width(text, font)
    if right:
        start = right - text_width(text, font)
        end = right
    if start < x + wide + 4 or end > canvas.width - 4 or not canvas.free(label):
        return False
    label_run = canvas.text(x, y, label + colon, font, canvas.style.faint)
    value_run = canvas.text(start, y, text, font)
    canvas.line(label_run, value_run)
    canvas.entry(label, label_run, value_run, asks)
    return True


def block(canvas: Canvas, x: float, y: float, lines: list[str], pitch: float) -> float:
    """Plain lines; the height below them."""
    for text in lines:
        if run := canvas.text(x, y, text, canvas.font()):
            canvas.line(run)
            y += pitch
    return y


def invoice(split: Split, rng: random.Random) -> Page:
    """An invoice with its sender, recipient, table of items and sums."""
    canvas = _sheet("invoice", split, rng)
    canvas.page.read_in_order = False
    em, width, style = canvas.em, canvas.width, canvas.style
    margin, pitch = rng.uniform(0.05, 0.11) * width, em * rng.uniform(1.25, 1.7)
    y = margin * rng.uniform(0.5, 1.0)
    sender = lexicon.company(split, rng)
    mirrored = rng.random() < 0.3
    if rng.random() < 0.6:
        canvas.icon(margin, y, em * 2.5)
    logo = canvas.text(margin + em * 3.2, y, sender, canvas.font(rng.uniform(1.1, 1.6), bold=True), style.accent)
    canvas.line(logo)
    if logo is not None:
        asks = ("Who sent the invoice?", "Which company is it from?", "What is the name of the company?")
        canvas.fact("title", asks, sender, logo)
    y += em * rng.uniform(2.6, 4)
    title = rng.choice(TITLES.split("|"))
    scale = rng.uniform(1.3, 2.3)
    x_title, align = rng.choice(((margin, "left"), (width - margin, "right")))
    if run := canvas.text(x_title, y, title, canvas.font(scale, bold=True), style.ink, align):  # type: ignore[arg-type]
        canvas.line(run)
        canvas.page.title = title
        y += em * scale * 1.6
    top = y
    left, other = (margin, width * 0.55) if not mirrored else (width * 0.55, margin)
    name = words.person(split, rng) if rng.random() < 0.5 else lexicon.company(split, rng)
    head = choose(RECIPIENT, split, rng)
    if run := canvas.text(left, y, head, canvas.font(1.0, bold=True), style.faint):
        value = canvas.text(left, y + pitch, name, canvas.font())
        canvas.line(run)
        canvas.line(value)
        if canvas.free(head):
            canvas.entry(head, run, value)
        if value is not None:
            canvas.fact("value", ("Who is the invoice for?", "Who is the recipient?"), name, value)
    y = block(canvas, left, y + 2 * pitch, [lexicon.street(split, rng), lexicon.town(split, rng)], pitch)
    meta_y, gap = top, em * rng.uniform(6, 9)
    to_right = rng.random() < 0.3
    for kind in rng.sample(META, rng.randint(2, 5)):
        found = lexicon.label(split, rng, (kind,))
        fits = pair(
            canvas, other, meta_y, found.text, lexicon.value(kind, split, rng), gap, rng.choice(("", ":")),
            right=(width - margin if other > margin else width * 0.45) if to_right else 0.0,
        )  # fmt: skip
        meta_y += pitch if fits else 0
    y = max(y, meta_y) + em * rng.uniform(0.5, 2.5)
    y = _items(canvas, margin, y, width - 2 * margin)
    y = _totals(canvas, margin, y + em * rng.uniform(0.5, 1.5), pitch)
    if rng.random() < 0.5:
        run = canvas.text(margin, y + em, lexicon.phrase(split, rng, 4, 9) + ".", canvas.font())
        canvas.line(run)
    _footer(canvas, margin)
    return canvas.page


def _items(canvas: Canvas, x: float, y: float, width: float) -> float:
    rng, split = canvas.rng, canvas.split
    headers = [rng.choice(("Description", "Item", "Article", "Beschreibung", "Product"))]
    headers += [rng.choice(("Qty", "Quantity", "Menge", "Units")), rng.choice(("Price", "Unit price", "Preis", "Rate"))]
    headers.append(rng.choice(("Amount", "Total", "Sum", "Betrag", "Line total")))
    spelling = rng.randrange(4)
    rows, known = [], set()
    for _ in range(rng.randint(2, 11)):
        name = choose(lexicon.PRODUCTS, split, rng) if rng.random() < 0.75 else words.word(split, rng)
        if name.lower() not in known:
            known.add(name.lower())
            price = lexicon.price(rng, spelling)
            rows.append([name, str(rng.randint(1, 40)), price, lexicon.price(rng, spelling)])
    if rng.random() < 0.25:
        headers, rows = [rng.choice(("Pos.", "No.", "#")), *headers], [[str(i + 1), *r] for i, r in enumerate(rows)]
        right = [False, False, True, True, True]
        bottom = grids.draw_grid(canvas, x, y, width, headers, rows, right, grids.grid_look(canvas))
        if bottom is not None and canvas.page.tables:
            made = canvas.page.tables.pop()
            canvas.table(list(made.headers[1:]), [list(row[1:]) for row in made.rows])
        return y if bottom is None else bottom
    bottom = grids.draw_grid(canvas, x, y, width, headers, rows, [False, True, True, True], grids.grid_look(canvas))
    return y if bottom is None else bottom


def _totals(canvas: Canvas, margin: float, y: float, pitch: float) -> float:
    rng = canvas.rng
    spelling = rng.randrange(4)
    left = canvas.width * rng.uniform(0.5, 0.68)
    names = rng.sample(TOTALS.split("|"), rng.randint(1, 4))
    asks = ("How much is the {}?", "What is the {} of the invoice?")
    for name in names:
        amount = lexicon.price(rng, spelling) if rng.random() < 0.6 else lexicon.amount(rng)
        bold = name in ("Total", "Amount due", "Gesamtbetrag")
        if pair(canvas, left, y, name, amount, None, right=canvas.width - margin, bold=bold, asks=asks):
            y += pitch
    return y


def _footer(canvas: Canvas, margin: float) -> None:
    rng = canvas.rng
    y = canvas.height - canvas.em * rng.uniform(2.5, 4)
    if rng.random() < 0.4:
        canvas.rule(margin, y - canvas.em * 0.5, canvas.width - margin)
    x = margin
    for name in rng.sample(PAYMENT, rng.randint(0, 3)):
        text = words.code(rng) if rng.random() < 0.6 else f"DE{words.digits(10, rng)}"
        if not canvas.fit(name + ": " + text, canvas.font(0.85), canvas.width - margin - x):
            break
        run = canvas.text(x, y, f"{name}: {text}", canvas.font(0.85), canvas.style.faint)
        if run is None or not canvas.free(name):
            break
        canvas.line(run)
        canvas.entry(name, part_of(run, 0, len(name)), part_of(run, len(run.text) - len(text), len(run.text)))
        x = run.box[2] + canvas.em * 1.5


def letter(split: Split, rng: random.Random) -> Page:
    """A letter whose sentences hold values."""
    canvas = _sheet("letter", split, rng)
    em, width = canvas.em, canvas.width
    margin, pitch = rng.uniform(0.07, 0.13) * width, em * rng.uniform(1.25, 1.7)
    y = margin
    sender = lexicon.company(split, rng)
    if run := canvas.text(margin, y, sender, canvas.font(1.2, bold=True), canvas.style.accent):
        canvas.line(run)
        canvas.fact("title", ("Who sent the letter?", "Who is the sender?", "Which company wrote it?"), sender, run)
        y += pitch * 1.4
    y = block(canvas, margin, y, [lexicon.street(split, rng), lexicon.town(split, rng)][: rng.randint(0, 2)], pitch)
    y += pitch
    name = words.person(split, rng)
    if run := canvas.text(margin, y, name, canvas.font()):
        canvas.line(run)
        canvas.fact("value", ("Who is the letter to?", "Who is the recipient?", "Who receives the letter?"), name, run)
    y = block(canvas, margin, y + pitch, [lexicon.street(split, rng), lexicon.town(split, rng)], pitch)
    if run := canvas.text(width - margin, y, lexicon.date(rng), canvas.font(), None, "right"):
        canvas.line(run)
        canvas.fact("value", ("What is the date of the letter?", "When was it written?"), run.text, run)
    y += pitch * 2
    for _ in range(rng.randint(0, 2)):
        found = lexicon.label(split, rng, ("code", "date", "number"))
        if pair(canvas, margin, y, found.text, lexicon.value(found.kind, split, rng), None, ":"):
            y += pitch
    subject = lexicon.phrase(split, rng, 2, 5)
    if run := canvas.text(margin, y, subject, canvas.font(1.0, bold=True)):
        canvas.line(run)
        canvas.page.title = subject
        canvas.fact("title", ("What is the subject?", "What is the letter about?"), subject, run)
        y += pitch * 1.6
    greeting = rng.choice(("Dear {},", "Hello {},", "Sehr geehrte/r {},", "Bonjour {},")).format(name)
    y = block(canvas, margin, y, [greeting], pitch) + pitch * 0.6
    templates = rng.sample(SENTENCES, rng.randint(1, 4))
    for begin, kind, end in templates:
        text = lexicon.value(kind, split, rng)  # type: ignore[arg-type]
        before = " ".join(lexicon.prose_word(split, rng) for _ in range(rng.randint(0, 14)))
        after = " ".join(lexicon.prose_word(split, rng) for _ in range(rng.randint(0, 14)))
        tokens = [*before.split(), *begin.split(), text, *end.split(), *after.split()]
        y = paragraph(canvas, margin, y, width - 2 * margin, tokens, text, SENTENCE_ASKS[begin], pitch)
        y += pitch * rng.choice((0.0, 0.6))
    farewell = rng.choice(("Kind regards", "Yours sincerely", "Mit freundlichen Grüßen"))
    y = block(canvas, margin, y + pitch, [farewell], pitch)
    signed = words.person(split, rng)
    if run := canvas.text(margin, y + pitch, signed, canvas.font()):
        canvas.line(run)
        canvas.fact("value", ("Who signed the letter?", "Who wrote the letter?"), signed, run)
    return canvas.page


def paragraph(
    canvas: Canvas, x: float, y: float, width: float, tokens: list[str], value: str, asks: tuple[str, ...], pitch: float
) -> float:
    """Running text of which one token is a value; the height below it."""
    font = canvas.font()
    lines: list[list[str]] = [[]]
    for token in tokens:
        if not canvas.fit(" ".join([*lines[-1], token]), font, width):
            lines.append([])
        lines[-1].append(token)
    for line in lines:
        text = " ".join(line)
        run = canvas.text(x, y, text, font) if text else None
        if run is None:
            continue
        canvas.line(run)
        if value in line:
            start = text.index(value)
            canvas.fact("value", asks, value, part_of(run, start, start + len(value)))
        y += pitch
    return y
