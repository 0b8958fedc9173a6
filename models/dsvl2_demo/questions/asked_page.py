"""A real page of a kind together with a question that it can be asked."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from dsvl2_demo.pages.kinds import draw_sheet
from dsvl2_demo.pages.page import Page
from dsvl2_demo.pages.screens import draw_screen
from dsvl2_demo.pages.words import Split
from dsvl2_demo.questions.sheet_tasks import READ_TASKS, ask_sheet
from dsvl2_demo.questions.tasks import Task, Turn
from dsvl2_runtime.errors import UsageError

MOST_PAGES = 200
"""Pages that are drawn for one question; of a kind that offers it at all, every few pages do."""


def asked_page(
    kind: str,
    tasks: Sequence[Task],
    split: Split,
    rng: random.Random,
    is_wanted: Callable[[Turn], bool] = lambda turn: True,
    screen: tuple[int, int] | None = None,
) -> tuple[Page, Turn]:
    """A page and a question about it; pages that offer none are passed over.

    Args:
        kind: of page.
        tasks: of which one is chosen for each page.
        split: of the words.
        rng: draws page and question.
        is_wanted: whether a question is taken.
        screen: (width, height) in pixels of a whole screen that the page is a window of.

    Raises:
        UsageError: no page of the kind seems to offer such a question.
    """
    for _ in range(MOST_PAGES):
        page = draw_sheet(kind, split, rng) if screen is None else draw_screen(kind, split, rng, screen)
        turn = ask_sheet(rng.choice(tasks), page, rng, split)
        if turn is not None and is_wanted(turn):
            return page, turn
    raise UsageError(
        f"none of {MOST_PAGES} pages of the kind {kind} offers a question of the tasks {', '.join(tasks)}; "
        "leave out the kind or the tasks"
    )


def read_tasks(kind: str) -> tuple[Task, ...]:
    """What is read from a kind of page when it is scored."""
    return READ_TASKS.get(kind, ("value",))


def printed_em(page: Page, turn: Turn) -> float:
    """Em of the text that an answer reads, in pixels of the page; 0 where it is not written there."""
    return next((run.em for run in page.runs if turn.answer in run.text), 0.0)
