"""Windows of other programs: terminals as they start, calculators, browsers, office programs, with their truth."""

from __future__ import annotations

import random
import re
from collections.abc import Callable

import numpy as np
import pytest

from drawn_pages import named_runs
from dsvl2_demo.evaluation.sheets import ALL_KINDS, SheetResult, scores_by_what, sheet_cases
from dsvl2_demo.pages.calculators import SHOWN_ASKS, calculator
from dsvl2_demo.pages.kinds import PROGRAMS, draw_sheet
from dsvl2_demo.pages.page import Fact, Page
from dsvl2_demo.pages.shells import shell
from dsvl2_demo.pages.words import Split
from dsvl2_demo.questions.asked_page import asked_page, read_tasks
from dsvl2_demo.questions.sheet_tasks import SHEET_TASKS, ask_sheet
from dsvl2_demo.questions.traces import places_in

KINDS = sorted(PROGRAMS)
FEWEST_GREYS = 40
"""Between text and what is behind it, of 255, so that it can be read."""


def pages(kind: str, split: Split, count: int = 6) -> list[Page]:
    rng = random.Random(f"programs {kind} {split}")
    return [draw_sheet(kind, split, rng, wear=0.0) for _ in range(count)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("split", ["train", "held_out"])
def test_all_that_the_truth_speaks_of_can_be_read_where_it_says(kind: str, split: Split) -> None:
    """Inside the page, as ink that stands out, text of its own in no other run's place."""
    for page in pages(kind, split):
        assert page.kind == kind
        width, height = page.image.size
        grey = np.asarray(page.image.convert("L"), np.float32)
        for run in named_runs(page):
            left, top, right, bottom = run.box
            assert 0 <= left < right <= width, run
            assert 0 <= top < bottom <= height, run
            assert run.em >= 9
            inside = grey[int(top) : int(bottom) + 1, int(left) : int(right) + 1]
            assert np.ptp(inside) > FEWEST_GREYS, run
            assert len(run.centres) == len(run.text)
            assert all(left - run.em < centre < right + run.em for centre in run.centres)
        for button in page.buttons:
            assert button.box[0] >= 0
            assert button.box[2] <= width
            assert button.box[3] <= height


@pytest.mark.parametrize("kind", KINDS)
def test_no_text_is_written_over_another(kind: str) -> None:
    for page in pages(kind, "train", 8):
        runs = page.runs
        for index, first in enumerate(runs):
            for second in runs[index + 1 :]:
                across = min(first.box[2], second.box[2]) - max(first.box[0], second.box[0])
                down = min(first.box[3], second.box[3]) - max(first.box[1], second.box[1])
                assert across < 2 or down < 0.35 * min(first.em, second.em), (first.text, second.text)


@pytest.mark.parametrize("kind", KINDS)
def test_answers_are_on_the_page_and_every_letter_is_traced(kind: str) -> None:
    rng = random.Random(2)
    asked = 0
    for page in pages(kind, "train"):
        labels = [entry.label.lower() for entry in page.entries]
        assert len(labels) == len(set(labels))
        for fact in page.facts:
            assert fact.run is not None
            assert fact.run.text == fact.answer
            assert any(fact.answer in run.text for run in page.runs)
        for task, _ in SHEET_TASKS:
            turn = ask_sheet(task, page, rng, "train")
            if turn is not None and task in ("value", "cell", "row", "title", "continue"):
                asked += 1
                assert all(place is not None for place in places_in(turn.answer, turn.read)), (task, turn)
    assert asked > 6


@pytest.mark.parametrize("kind", KINDS)
def test_one_question_has_one_answer(kind: str) -> None:
    for page in pages(kind, "train", 8):
        said: dict[str, str] = {}
        for fact in page.facts:
            for question in fact.questions:
                assert said.setdefault(question.lower(), fact.answer) == fact.answer, question


def _facts(draw: Callable[[Split, random.Random], Page], wanted: Callable[[Fact], bool]) -> list[tuple[Page, Fact]]:
    rng = random.Random(7)
    found: list[tuple[Page, Fact]] = []
    while len(found) < 6:
        page = draw("train", rng)
        found += [(page, fact) for fact in page.facts if wanted(fact)]
    return found


def test_sizes_and_days_of_a_list_belong_to_their_file() -> None:
    """They stand in the line that ends with its name, the day behind the size."""
    for page, fact in _facts(shell, lambda fact: fact.questions[0].startswith("What is the size of")):
        assert fact.about is not None
        name = fact.about.text
        (line,) = [
            run.text for run in page.runs if re.match(r"[d-][rwx-]{9} ", run.text) and run.text.endswith(f" {name}")
        ]
        (day,) = [each.answer for each in page.facts if each.questions[0] == f"What is the date of {name}?"]
        (clock,) = [each.answer for each in page.facts if each.questions[0] == f"What is the time of {name}?"]
        assert line.endswith(f"{fact.answer} {day} {clock} {name}")


def test_what_a_command_prints_stands_below_it() -> None:
    for _, fact in _facts(shell, lambda fact: " print?" in fact.questions[0]):
        assert fact.about is not None
        assert fact.run is not None
        assert fact.about.text in fact.questions[0]
        assert 0 < fact.run.middle - fact.about.middle < 2 * fact.about.em


def test_the_display_of_a_calculator_ends_at_the_right_above_its_keys() -> None:
    for page, fact in _facts(calculator, lambda fact: fact.questions == SHOWN_ASKS):
        assert fact.run is not None
        assert fact.run.box[2] > 0.8 * page.image.width
        assert all(fact.run.box[3] <= button.box[1] for button in page.buttons)
        assert re.search(r"\d", fact.answer)


def test_lists_of_disks_are_tables() -> None:
    rng = random.Random(4)
    page = next(page for page in iter(lambda: shell("train", rng), None) if page.tables)
    (table, *_) = page.tables
    assert [run.text for run in table.headers] == ["Filesystem", "Size", "Used", "Avail", "Use%", "Mounted on"]
    for row in table.rows:
        assert len({run.middle for run in row}) == 1
        assert [run.box[0] for run in row] == sorted(run.box[0] for run in row)
        assert row[4].text.endswith("%")


def test_scores_over_all_kinds_are_over_those_that_were_always_scored() -> None:
    """The kinds that came later have rows of their own, and move no other figure."""
    assert set(ALL_KINDS) > set(PROGRAMS)
    results = [SheetResult(case, case.case.answer) for case in sheet_cases(["error", "calculator"], 2, 3)]
    scores = scores_by_what(results)
    assert scores["kind"] == {"error": {"exact": 1.0, "n": 2}, "calculator": {"exact": 1.0, "n": 2}}
    for what in ("tiles", "text height"):
        assert sum(row["n"] for row in scores[what].values()) == 2


@pytest.mark.parametrize("kind", KINDS)
def test_held_out_pages_of_programs_are_read(kind: str) -> None:
    page, turn = asked_page(kind, read_tasks(kind), "held_out", random.Random(1))
    assert turn.task in read_tasks(kind)
    assert page.kind == kind
