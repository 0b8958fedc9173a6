"""Questions about pages and their answers."""

from __future__ import annotations

import random
from collections import Counter
from typing import get_args

import pytest

from dsvl2_demo.pages.documents import PAINTERS, PageRange, draw_page
from dsvl2_demo.pages.page import Page
from dsvl2_demo.pages.words import Split
from dsvl2_demo.questions.tasks import NOT_SHOWN, ORDINALS, Task, Turn, ask, box_text
from dsvl2_runtime.inputs.tokenizer import DET, DET_END, REF, REF_END

KINDS = sorted(PAINTERS)
# Narrow pages, so that names and headings often do not fit.
PAGES = PageRange(sizes=((112, 112), (160, 96), (224, 224)), made_up=0.3)
SEEDS = range(150)

ASKED = {
    "form": {"value", "transcribe", "locate", "absent", "title", "label", "line"},
    "receipt": {"value", "transcribe", "locate", "absent", "label", "line"},
    "dialog": {"value", "transcribe", "locate", "absent", "title", "label", "line", "button"},
    "card": {"value", "transcribe", "locate", "absent", "title", "label", "line"},
    "text": {"transcribe", "locate", "absent", "line"},
}
"""The tasks that each kind of page offers, for one page."""


def shown(page: Page) -> set[str]:
    """Texts on a page: its runs, its lines, and labels without the colon that is drawn with them."""
    lines = {" ".join(run.text for run in line) for line in page.lines}
    labels = {run.text.rstrip(" :=-") for run in page.runs}
    return lines | labels | {run.text for run in page.runs}


def boxes_of(page: Page, text: str) -> set[str]:
    """Boxes of the runs and buttons with this text, as an answer writes them."""
    boxes = [run.box for run in page.runs if text in {run.text, run.text.rstrip(" :=-")}]
    boxes += [button.box for button in page.buttons if button.text == text]
    return {box_text(box, page.image.size) for box in boxes}


def is_on(page: Page, turn: Turn) -> bool:
    """Whether the answer of a turn about one page can be read off that page."""
    if turn.task == "transcribe":
        return turn.answer == "\n".join(" ".join(run.text for run in line) for line in page.lines)
    if turn.task == "locate":
        text = turn.answer.removeprefix(REF).partition(REF_END)[0]
        box = turn.answer.partition(DET)[2].removesuffix(DET_END)
        return text in shown(page) and box in boxes_of(page, text)
    if turn.task == "absent":
        asked = turn.question.removeprefix(REF).removesuffix(REF_END)
        return turn.answer == NOT_SHOWN and asked not in shown(page)
    if turn.task == "button":
        lit = [button.text for button in page.buttons if button.highlighted]
        return [turn.answer] == (lit or ["none"]) and all(text in shown(page) for text in lit)
    return turn.answer in shown(page)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("split", ["train", "held_out"])
def test_what_a_turn_answers_is_on_its_page(kind: str, split: Split) -> None:
    """Every task, on pages where much does not fit; a heading that was left out is asked for by nobody."""
    tasks: Counter[Task] = Counter()
    for seed in SEEDS:
        rng = random.Random(seed)
        page = draw_page(PAGES, split, rng, kind, blank=True)
        assert page.title is None or page.title in shown(page), seed
        for task in get_args(Task):
            turn = ask(task, [page], rng, split)
            if turn is not None:
                tasks[task] += 1
                assert turn.task == task
                assert is_on(page, turn), (seed, turn)
    assert set(tasks) == ASKED[kind]


@pytest.mark.parametrize("split", ["train", "held_out"])
def test_of_two_pages_only_the_answered_one_shows_it(split: Split) -> None:
    """What is compared is a kind of page, or text that one page has and the other has not."""
    kinds: Counter[str] = Counter()
    for seed in range(300):
        rng = random.Random(seed)
        pages = [draw_page(PAGES, split, rng, blank=True) for _ in range(2)]
        compared, placed = ask("compare", pages, rng, split), ask("value", pages, rng, split)
        if compared is not None:
            index = ORDINALS.index(compared.answer.removeprefix("the "))
            subject, (page, other) = compared.asked[0].text, (pages[index], pages[1 - index])
            assert subject in compared.question
            by_kind = subject == page.kind != other.kind
            assert by_kind or (subject in shown(page) and subject.lower() not in other.transcript.lower()), seed
            kinds["kind" if by_kind else "title" if subject == page.title else "entry"] += 1
        if placed is not None:
            index = next(i for i, ordinal in enumerate(ORDINALS) if f"the {ordinal} picture" in placed.question)
            assert placed.answer in shown(pages[index])
            kinds["placed"] += 1
    assert set(kinds) == {"kind", "title", "entry", "placed"}
