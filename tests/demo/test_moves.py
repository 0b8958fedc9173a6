"""Pages cut to a region: what is left of the truth is whole and lies where the picture shows it."""

from __future__ import annotations

import random

import numpy as np
import pytest

from drawn_pages import named_runs
from dsvl2_demo.pages.kinds import SHEETS, draw_sheet
from dsvl2_demo.pages.moves import FLATTEST, cut, region
from dsvl2_demo.questions.sheet_tasks import SHEET_TASKS, ask_sheet

KINDS = sorted(SHEETS)


@pytest.mark.parametrize("kind", KINDS)
def test_a_region_holds_all_that_its_truth_speaks_of(kind: str) -> None:
    rng = random.Random(f"region {kind}")
    smaller = 0
    for _ in range(5):
        page = draw_sheet(kind, "train", rng, wear=0.0)
        part = region(page, rng)
        width, height = part.image.size
        smaller += part.image.size != page.image.size
        grey = np.asarray(part.image.convert("L"), np.float32)
        assert len(part.runs) >= 2
        for run in named_runs(part):
            left, top, right, bottom = (int(edge) for edge in run.box)
            assert 0 <= left <= right <= width
            assert 0 <= top <= bottom <= height
            assert np.ptp(grey[top : bottom + 1, left : right + 1]) > 12, run
        for button in part.buttons:
            assert button.box[0] >= 0
            assert button.box[3] <= height
        if part is not page:
            assert width <= FLATTEST * height
        for task, _ in SHEET_TASKS:
            ask_sheet(task, part, rng, "train")
    assert smaller


def test_a_cut_leaves_the_picture_as_it_was() -> None:
    page = draw_sheet("form", "train", random.Random(4), wear=0.0)
    part = cut(page, (10, 20, page.image.width - 5, page.image.height - 7))
    inside = np.asarray(page.image)[20:-7, 10:-5]
    assert np.array_equal(np.asarray(part.image), inside)
    first = next(run for run in page.runs if run.text == part.runs[0].text)
    assert part.runs[0].centres == tuple(centre - 10 for centre in first.centres)
    assert part.runs[0].middle == first.middle - 20


def test_a_table_keeps_what_can_be_asked_by_row_and_column() -> None:
    """Rows and columns that are cut off are gone; without its head or its first column it is no table."""
    rng = random.Random(9)
    page = next(
        page for page in iter(lambda: draw_sheet("table", "train", rng, wear=0.0), None)
        if len(page.tables[0].rows) > 4 and len(page.tables[0].headers) > 3
    )  # fmt: skip
    (table,) = page.tables
    width, height = page.image.size
    third, second = table.rows[2][0], table.headers[2]
    above = cut(page, (0, 0, width, int(third.box[1]) - 1))
    assert [row[0].text for row in above.tables[0].rows] == [row[0].text for row in table.rows[:2]]
    beside = cut(page, (0, 0, min(int(row[2].box[0]) for row in (table.headers, *table.rows)) - 1, height))
    assert [run.text for run in beside.tables[0].headers] == [run.text for run in table.headers[:2]]
    assert not cut(page, (0, int(table.rows[0][0].box[1]) - 1, width, height)).tables
    assert not cut(page, (int(table.headers[0].box[2]) + 1, 0, width, height)).tables
    assert second.text not in beside.transcript
