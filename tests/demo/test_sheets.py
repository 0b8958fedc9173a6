"""Real pages: every kind in both splits, with its truth and the questions about it."""

from __future__ import annotations

import hashlib
import json
import random
import re

import numpy as np
import pytest

from dsvl2_demo.evaluation.sheets import print_bin, sheet_cases
from dsvl2_demo.pages import lexicon, words
from dsvl2_demo.pages.kinds import SHEETS, draw_sheet
from dsvl2_demo.pages.moves import captured
from dsvl2_demo.pages.page import Page, Table, TextRun, part_of
from dsvl2_demo.pages.words import Split
from dsvl2_demo.questions import asked_page
from dsvl2_demo.questions.sheet_tasks import SHEET_TASKS, ask_sheet, parts
from dsvl2_demo.questions.tasks import Task, Turn
from dsvl2_demo.questions.traces import Trace, places_in, spelled
from dsvl2_demo.training.batches import news
from dsvl2_runtime.errors import UsageError
from dsvl2_runtime.inputs.tokenizer import DET, DET_END, REF, REF_END

KINDS = sorted(SHEETS)
PAGES = 4
READ: tuple[Task, ...] = ("value", "cell", "title", "continue", "row")


def pages(kind: str, split: Split = "train") -> list[Page]:
    rng = random.Random(f"{kind} {split}")
    return [draw_sheet(kind, split, rng) for _ in range(PAGES)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("split", ["train", "held_out"])
def test_every_kind_is_drawn_in_both_splits(kind: str, split: Split) -> None:
    """Lists too short to keep an entry back were drawn from forever in the held-out split."""
    for page in pages(kind, split):
        assert page.kind == kind
        assert page.runs
        assert page.image.mode == "RGB"


@pytest.mark.parametrize("split", ["train", "held_out"])
def test_every_list_has_something_for_both_splits(split: Split) -> None:
    rng = random.Random(3)
    for kind in lexicon.ABROAD:
        assert lexicon.label(split, rng, (kind,)).kind == kind
    for length in range(1, 9):
        assert words.choose([f"word{index}" for index in range(length)], split, rng)


@pytest.mark.parametrize("kind", KINDS)
def test_text_stands_where_the_truth_says(kind: str) -> None:
    """Inside the box of a run there is ink, worn and turned pages included."""
    empty = seen = 0
    for page in pages(kind):
        grey = np.asarray(page.image.convert("L"), np.float32)
        for run in page.runs:
            left, top, right, bottom = (int(part) for part in run.box)
            inside = grey[max(0, top) : bottom + 1, max(0, left) : right + 1]
            seen += 1
            empty += inside.size == 0 or inside.max() - inside.min() < 12
            assert len(run.centres) == len(run.text)
    assert seen
    assert empty / seen < 0.02


@pytest.mark.parametrize("kind", KINDS)
def test_answers_stand_on_the_page(kind: str) -> None:
    """What is read is written there, label and value on different places, and labels name one value each."""
    for page in pages(kind):
        labels = [entry.label.lower() for entry in page.entries]
        assert len(labels) == len(set(labels))
        texts = "\n".join(run.text for run in page.runs)
        for entry in page.entries:
            assert entry.value in texts
            assert entry.value_run.text == entry.value
        for fact in page.facts:
            assert fact.run is None or fact.run.text == fact.answer


@pytest.mark.parametrize("kind", KINDS)
def test_answers_that_are_read_are_traced(kind: str) -> None:
    """Every letter of them, so that attention can be told where to look."""
    rng = random.Random(5)
    asked = 0
    for page in pages(kind):
        for task in READ:
            turn = ask_sheet(task, page, rng, "train")
            if turn is not None:
                asked += 1
                assert all(place is not None for place in places_in(turn.answer, turn.read)), (task, turn)
    assert asked


def test_all_tasks_are_asked_somewhere() -> None:
    """And none of them breaks on a page that has nothing for it."""
    rng = random.Random(8)
    found = set()
    for kind in KINDS:
        for page in pages(kind):
            for task, _ in SHEET_TASKS:
                turn = ask_sheet(task, page, rng, "train")
                if turn is not None:
                    found.add(turn.task)
                    assert turn.question
                    assert turn.answer
    assert found >= {task for task, _ in SHEET_TASKS} - {"locate_several", "chart"}


def test_json_answers_are_json() -> None:
    """With the labels that were asked for as keys, and null for what is not shown."""
    rng = random.Random(2)
    seen = 0
    for page in pages("form") + pages("receipt"):
        for _ in range(5):
            turn = ask_sheet("json", page, rng, "train")
            if turn is None:
                continue
            seen += 1
            values = {entry.label.lower(): entry.value for entry in page.entries}
            for label, value in json.loads(turn.answer).items():
                assert values.get(label.lower()) == value
    assert seen > 5


def test_a_table_in_markdown_has_all_its_cells() -> None:
    rng = random.Random(11)
    turns: list[tuple[Table, Turn]] = []
    while len(turns) < 3:
        page = draw_sheet("table", "train", rng)
        turn = ask_sheet("markdown", page, rng, "train")
        if turn is not None:
            turns.append((page.tables[0], turn))
    for table, turn in turns:
        lines = turn.answer.split("\n")
        assert [cell.strip() for cell in lines[0].strip("|").split("|")] == [run.text for run in table.headers]
        assert len(lines) == len(table.rows) + 2
        assert re.fullmatch(r"\|( --- \|)+", lines[1])


def test_a_turned_page_keeps_its_truth() -> None:
    """A mark is found where the truth of the turned and scaled page puts it."""
    page = next(page for page in pages("receipt") if page.runs)
    page.image.paste((255, 255, 255), (0, 0, *page.image.size))
    run = page.runs[0]
    x, y = round(run.centres[0]), round(run.middle)
    page.image.paste((0, 0, 0), (x - 3, y - 3, x + 4, y + 4))
    turned = captured(page, 1.2, 0.9)
    grey = np.asarray(turned.image.convert("L"), np.float32)
    row, column = (int(values.mean()) for values in np.nonzero(grey < 100))
    moved = turned.runs[0]
    assert abs(moved.centres[0] - column) < 2
    assert abs(moved.middle - row) < 0.02 * turned.image.width  # one height stands for a run of any length
    assert moved.em == pytest.approx(run.em * 1.2, rel=0.02)


def test_a_part_of_a_run_lies_inside_it() -> None:
    run = pages("letter")[0].runs[0]
    part = part_of(run, 1, 3)
    assert part.text == run.text[1:3]
    assert run.box[0] <= part.box[0] < part.box[2] <= run.box[2]


def test_measured_cases_are_the_same_for_the_same_seed() -> None:
    first = [asked.case.answer for asked in sheet_cases(["error", "chart"], 3, 7)]
    assert first == [asked.case.answer for asked in sheet_cases(["error", "chart"], 3, 7)]
    assert first != [asked.case.answer for asked in sheet_cases(["error", "chart"], 3, 8)]
    (located,) = sheet_cases(["error"], 1, 7, "locate")
    assert located.case.box is not None
    assert DET in located.case.answer


def test_a_question_that_a_kind_of_page_never_offers_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error message holds no table: it was drawn for ever."""
    monkeypatch.setattr(asked_page, "MOST_PAGES", 3)
    with pytest.raises(UsageError, match="none of 3 pages of the kind error offers a question of the tasks markdown"):
        list(sheet_cases(["error"], 1, 7, "markdown"))


@pytest.mark.parametrize(
    ("em", "name"), [(9, "1 to 10 px"), (12, "11 to 12 px"), (16.5, "15 to 17 px"), (40, "over 21 px")]
)
def test_print_is_sorted_by_its_height(em: float, name: str) -> None:
    assert print_bin(em) == name


def test_training_asks_for_places_inside_a_line_and_evaluation_as_it_did() -> None:
    """A value behind its label, or a number in a list of files, is a part of the line that is drawn."""
    rng = random.Random(12)
    page = next(
        page for page in iter(lambda: draw_sheet("terminal", "train", rng, wear=0.0), None) if len(parts(page)) > 3
    )
    whole = {run.text for run in page.runs} | {entry.label for entry in page.entries}

    def asked(split: Split) -> set[str]:
        turns = [ask_sheet("locate", page, rng, split) for _ in range(200)]
        return {turn.question.removeprefix(REF).removesuffix(REF_END) for turn in turns if turn is not None}

    assert asked("held_out") <= whole
    inside = {text for text, _, _ in parts(page)}
    assert asked("train") - whole
    assert asked("train") <= whole | inside
    for text, box, run in parts(page):
        (line,) = (line[0] for line in page.lines if text in line[0].text)
        assert line.box[0] - 1 <= box[0] < box[2] <= line.box[2] + 1
        assert run.text == text


def test_of_boxes_in_one_row_only_one_is_asked_for() -> None:
    """The other would be copied from it; one edge is shared by all cells of a column and gives no box away."""

    def box(numbers: str, name: str) -> Turn:
        run = TextRun(name, (0.0, 0.0, 9.0, 9.0), (1.0,), 5.0, 12.0)
        places = [spelled(name, run).places[0]._replace(coordinate=int(part)) for part in numbers.split(", ")]
        traces = [Trace(part, (place,)) for part, place in zip(numbers.split(", "), places, strict=True)]
        answer = f"{REF}{name}{REF_END}{DET}[[{numbers}]]{DET_END}"
        return Turn("locate", f"{REF}{name}{REF_END}", answer, run.box, read=(spelled(name, run), *traces))

    first, below, beside = box("10, 300, 70, 320", "a"), box("10, 350, 66, 371", "b"), box("200, 300, 260, 320", "c")
    assert list(news([first, below, beside])) == [first, below]
    assert list(news([Turn("value", "Total?", "110,77"), first])) == [Turn("value", "Total?", "110,77"), first]
    assert list(news([first, first])) == [first]


HELD_OUT = {
    "chart": "0063d1ac06e4", "dialog": "4226bb2360b9", "error": "13c970661a42", "files": "02f2e24fc785",
    "form": "4964feeba5e5", "invoice": "7517a4067981", "letter": "f891f0fcc810", "prose": "1943b7036f8c",
    "receipt": "74849ab74be0", "settings": "2272d421db6a", "table": "41e2c14d3eb6", "terminal": "f6e672e7bc0d",
    "web": "e5524c01f146",
}  # fmt: skip
"""The beginning of the digest of what three held-out pages of each kind say."""


@pytest.mark.parametrize("kind", sorted(HELD_OUT))
def test_held_out_pages_are_those_that_scores_were_published_for(kind: str) -> None:
    """What is drawn for training changes; a change here makes every published figure incomparable with the next."""
    rng = random.Random(f"published {kind}")
    said = [draw_sheet(kind, "held_out", rng).transcript for _ in range(3)]
    assert hashlib.sha256("\f".join(said).encode()).hexdigest()[:12] == HELD_OUT[kind]
