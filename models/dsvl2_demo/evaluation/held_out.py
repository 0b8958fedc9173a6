"""The held-out set: faces, words and names that training never draws, made from a seed when it is asked for."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from PIL import Image

from dsvl2_demo.pages.documents import PageRange, draw_page
from dsvl2_demo.pages.page import Box, Page
from dsvl2_demo.pages.style import StyleRange
from dsvl2_demo.questions.tasks import Task, Turn, ask
from dsvl2_runtime.inputs.prompt import ContentPart, locate
from dsvl2_runtime.inputs.tokenizer import REF, REF_END

EvaluatedTask = Literal["value", "transcribe", "locate", "compare"]
EVALUATED_TASKS: tuple[EvaluatedTask, ...] = ("value", "transcribe", "locate", "compare")

PAGES = PageRange(style=StyleRange(smallest_em=13, largest_em=22))
"""What the shipped model was made for; see the model card."""

_REFERENCE = re.compile(re.escape(REF) + "(.*)" + re.escape(REF_END), re.DOTALL)


@dataclass(frozen=True)
class Case:
    """One question with its pictures and the right answer; `box` is in pixels of the only picture."""

    task: EvaluatedTask | Task
    images: tuple[Image.Image, ...]
    question: tuple[ContentPart, ...]
    answer: str
    box: Box | None


def held_out_cases(limit: int, seed: int) -> Iterator[Case]:
    """`limit` cases, the tasks in turn; the same seed gives the same cases."""
    rng = random.Random(f"held out {seed}")  # noqa: S311 - drawing pages, not keys
    for index in range(limit):
        yield _case(EVALUATED_TASKS[index % len(EVALUATED_TASKS)], rng)


def _case(task: EvaluatedTask, rng: random.Random) -> Case:
    while True:
        pages = [draw_page(PAGES, "held_out", rng) for _ in range(2 if task == "compare" else 1)]
        turn = ask(task, pages, rng, "held_out")
        if turn is not None:
            return Case(task, _images(pages), question_parts(turn), turn.answer, turn.box)


def _images(pages: list[Page]) -> tuple[Image.Image, ...]:
    return tuple(page.image for page in pages)


def question_parts(turn: Turn) -> tuple[ContentPart, ...]:
    """A question as prompt parts: text, and the reference tokens where it asks for a place."""
    match = _REFERENCE.fullmatch(turn.question)
    return tuple(locate(match.group(1))) if match else (turn.question,)
