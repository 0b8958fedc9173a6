"""Kinds of pages: forms, receipts, dialogs, cards, text.

Every page is drawn from a seed, with its exact ground truth.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from dsvl2_demo.pages import words
from dsvl2_demo.pages.degrade import worn
from dsvl2_demo.pages.flow import Arrangement, Flow
from dsvl2_demo.pages.page import Page, text_width
from dsvl2_demo.pages.style import StyleRange, draw_style
from dsvl2_demo.pages.words import Split

LABEL_TRIES = 6
"""Draws of a label and value before a line is given up as too wide."""


@dataclass(frozen=True, slots=True)
class PageRange:
    """Which pages may be drawn: kinds, canvas sizes in pixels, numbers of labelled lines, looks, made-up words."""

    kinds: tuple[str, ...] = ("form", "receipt", "dialog", "card")
    sizes: tuple[tuple[int, int], ...] = ((224, 224),)
    fewest_entries: int = 1
    most_entries: int = 6
    made_up: float = 0.15
    worn: float = 0.0
    """Share of pages with blur, grain or JPEG artefacts."""
    style: StyleRange = field(default_factory=StyleRange)


def draw_page(
    range_: PageRange, split: Split, rng: random.Random, kind: str | None = None, *, blank: bool = False
) -> Page:
    """One random page; the same generator state gives the same page, given the same fonts.

    With `blank` only the ground truth is made and the text stays undrawn, which is several times faster.
    """
    kind = kind or rng.choice(range_.kinds)
    style = draw_style(range_.style, split, rng)
    flow = Flow.start(kind, rng.choice(range_.sizes), style, rng)
    flow.page.blank = blank
    PAINTERS[kind](flow, range_, split, rng)
    if not blank and rng.random() < range_.worn:
        flow.page.image = worn(flow.page.image, rng)
    return flow.page


def _letter_case(rng: random.Random) -> Callable[[str], str]:
    draw = rng.random()
    if draw < 0.08:
        return str.upper
    return str.lower if draw < 0.13 else str


def _fill(flow: Flow, count: int, arrangement: Arrangement, range_: PageRange, split: Split, **options: bool) -> None:
    """Up to `count` labelled lines; labels do not repeat on a page."""
    rng, style = flow.rng, flow.style
    colon = rng.choice((":", ":", "", "", " :")) if arrangement != "inline" else rng.choice((":", ":", " =", " -"))
    letters = _letter_case(rng)
    flow.column = flow.width * rng.uniform(0.35, 0.55)
    ruled = rng.random() < 0.15
    taken: set[str] = {entry.label.lower() for entry in flow.page.entries}
    for _ in range(count):
        for _ in range(LABEL_TRIES):
            chosen = words.label(split, rng, made_up=range_.made_up)
            text = (
                words.made_up_word(split, rng)
                if rng.random() < range_.made_up
                else words.value(chosen.kind, split, rng)
            )
            name = letters(chosen.text)
            if name.lower() in taken or text_width(name + text, style.font()) > flow.width * 0.92:
                continue
            if not flow.entry(name, text, arrangement, colon, **options):
                return
            taken.add(name.lower())
            if ruled:
                flow.rule()
            break


def _count(range_: PageRange, rng: random.Random) -> int:
    return rng.randint(range_.fewest_entries, range_.most_entries)


def _form(flow: Flow, range_: PageRange, split: Split, rng: random.Random) -> None:
    if rng.random() < 0.4:
        (flow.banner if rng.random() < 0.5 else flow.heading)(words.title("form", split, rng))
    elif rng.random() < 0.5:
        flow.y += flow.bottom * rng.uniform(0.0, 0.5)
    arrangement: Arrangement = rng.choice(("columns", "columns", "right", "inline", "inline", "stacked"))
    field_frames = arrangement == "columns" and rng.random() < 0.3
    _fill(flow, _count(range_, rng), arrangement, range_, split, field=field_frames)


def _receipt(flow: Flow, range_: PageRange, split: Split, rng: random.Random) -> None:
    style = flow.style
    vendor = words.choose(words.VENDORS, split, rng)
    vendor = vendor.upper() if rng.random() < 0.3 else vendor
    flow.text(vendor, style.heading(1.1), rng.choice(("centre", "left")), style.ink)
    if rng.random() < 0.4:
        flow.text(words.title("receipt", split, rng), style.font(), "centre", style.faint)
    if rng.random() < 0.5:
        flow.rule()
    taken = set()
    colon = rng.choice((":", "", ""))
    for _ in range(_count(range_, rng) - 1):
        item = words.word(split, rng) if rng.random() < 0.8 else words.label(split, rng, made_up=range_.made_up).text
        if item.lower() not in taken:
            taken.add(item.lower())
            flow.entry(item, words.amount(rng), "right", colon)
    if rng.random() < 0.5:
        flow.rule()
    _fill_kind(flow, "amount", range_, split, bold=rng.random() < 0.6, colon=colon)


def _fill_kind(flow: Flow, kind: words.ValueKind, range_: PageRange, split: Split, *, bold: bool, colon: str) -> None:
    taken = {entry.label.lower() for entry in flow.page.entries}
    for _ in range(LABEL_TRIES):
        name = words.label(split, flow.rng, (kind,), range_.made_up).text
        if name.lower() not in taken and flow.entry(
            name, words.value(kind, split, flow.rng), "right", colon, bold=bold
        ):
            return


def _dialog(flow: Flow, range_: PageRange, split: Split, rng: random.Random) -> None:
    (flow.banner if rng.random() < 0.75 else flow.heading)(words.title("dialog", split, rng))
    names = rng.sample(words.BUTTONS, rng.randint(1, 3))
    highlighted = rng.randrange(len(names)) if rng.random() < 0.8 else None
    reserve = flow.style.em * 2.0
    flow.bottom -= reserve
    arrangement: Arrangement = rng.choice(("columns", "columns", "right", "inline"))
    _fill(flow, _count(range_, rng), arrangement, range_, split, field=arrangement == "columns" and rng.random() < 0.5)
    flow.bottom += reserve
    flow.button_row(names, highlighted)


def _card(flow: Flow, range_: PageRange, split: Split, rng: random.Random) -> None:
    style = flow.style
    flow.y = flow.y + flow.bottom * rng.uniform(0.0, 0.25)
    name = words.person(split, rng) if rng.random() < 0.5 else words.choose(words.VENDORS, split, rng)
    if flow.text(name, style.heading(1.25), rng.choice(("left", "centre")), style.ink) is not None:
        flow.page.title = name
    if rng.random() < 0.5:
        flow.text(words.word(split, rng), style.font(), "left", style.faint)
    _fill(flow, _count(range_, rng), rng.choice(("inline", "inline", "columns")), range_, split)


def _text(flow: Flow, range_: PageRange, split: Split, rng: random.Random) -> None:
    flow.style = replace(flow.style, pitch=rng.uniform(1.15, 1.6))
    font = flow.style.font(rng.uniform(0.9, 1.1))
    while True:
        line = ""
        while text_width(longer := f"{line} {_piece(range_, split, rng)}".lstrip(), font) <= flow.width:
            line = longer
        if not line or flow.text(line, font, "left", flow.style.ink) is None:
            return


def _piece(range_: PageRange, split: Split, rng: random.Random) -> str:
    draw = rng.random()
    if draw < range_.made_up:
        return words.made_up_word(split, rng)
    if draw < 0.7:
        return words.value(words.label(split, rng).kind, split, rng)
    word = words.choose(words.PROSE, split, rng)
    return word + rng.choice(",.;:!?") if rng.random() < 0.25 else word


Painter = Callable[[Flow, PageRange, Split, random.Random], None]

PAINTERS: dict[str, Painter] = {"form": _form, "receipt": _receipt, "dialog": _dialog, "card": _card, "text": _text}
