"""Whole screens with a page as one of their windows."""

from __future__ import annotations

import random

import numpy as np
import pytest

from dsvl2_demo.evaluation.cli import _screen_size, evaluation
from dsvl2_demo.evaluation.sheets import sheet_cases
from dsvl2_demo.pages.kinds import SHEETS, draw_sheet
from dsvl2_demo.pages.screens import BAR_PIXELS, draw_screen
from dsvl2_runtime.errors import UsageError

SCREEN = (1920, 1080)


@pytest.mark.parametrize("kind", ["dialog", "table", "invoice"])
def test_the_page_and_its_truth_lie_at_the_same_place(kind: str) -> None:
    """The page alone is drawn again from the same numbers; on the screen all of it is moved by as much."""
    drawn = draw_screen(kind, "held_out", random.Random(3), SCREEN)
    rng = random.Random(3)
    page = draw_sheet(kind, "held_out", rng)
    while page.image.width > SCREEN[0] or page.image.height > SCREEN[1] - BAR_PIXELS:
        page = draw_sheet(kind, "held_out", rng)
    assert drawn.image.size == SCREEN
    assert [run.text for run in drawn.runs] == [run.text for run in page.runs]
    left, top = (round(drawn.runs[0].box[at] - page.runs[0].box[at]) for at in (0, 1))
    window = drawn.image.crop((left, top, left + page.image.width, top + page.image.height))
    assert np.array_equal(np.asarray(window), np.asarray(page.image.convert("RGB")))
    assert top + page.image.height <= SCREEN[1] - BAR_PIXELS
    for moved, old in zip(drawn.runs, page.runs, strict=True):
        assert moved.box == pytest.approx((old.box[0] + left, old.box[1] + top, old.box[2] + left, old.box[3] + top))
        assert moved.em == old.em


def test_questions_about_screens_are_others_than_about_pages() -> None:
    """And the same for the same seed; the page's own size is not that of the picture."""
    screens = [list(sheet_cases(["error"], 2, 7, screen=SCREEN)) for _ in range(2)]
    assert [case.case.answer for case in screens[0]] == [case.case.answer for case in screens[1]]
    assert {case.size for case in screens[0]} == {SCREEN}
    assert {case.size for case in sheet_cases(["error"], 2, 7)} != {SCREEN}


def test_a_screen_that_is_too_small_for_a_kind_is_refused() -> None:
    with pytest.raises(UsageError, match=r"kind letter fits on a screen of 320x200 pixels; name a larger screen"):
        draw_screen("letter", "held_out", random.Random(1), (320, 200))


def test_every_kind_fits_on_a_usual_screen() -> None:
    assert {draw_screen(kind, "held_out", random.Random(2), SCREEN).image.size for kind in SHEETS} == {SCREEN}


@pytest.mark.parametrize("text", ["", "1920", "1920x", "x1080", "0x1080", "-1x5", "1920x1080x2", "99999999x9", "wide"])
def test_a_size_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="give width and height in pixels, such as 1920x1080"):
        _screen_size(text)


def test_screens_are_of_real_pages() -> None:
    """The pages of one tile are smaller than any screen."""
    with pytest.raises(UsageError, match="give --sheets"):
        evaluation(screen="1920x1080")


def test_a_size_is_read() -> None:
    assert _screen_size("1920x1080") == SCREEN
    assert _screen_size(None) is None
