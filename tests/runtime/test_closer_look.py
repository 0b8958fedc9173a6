"""A closer look at places: the windows, what becomes of their boxes, and what is left as it is."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from dsvl2_demo.evaluation.scores import intersection_over_union, read_box
from dsvl2_demo.evaluation.sheets import GOOD_OVERLAP, sheet_cases
from dsvl2_runtime import load_model
from dsvl2_runtime.answers.boxes import LARGEST, parse_boxes, with_places
from dsvl2_runtime.answers.closer_look import MOST_PLACES, window_around, with_closer_places
from dsvl2_runtime.inputs.images import DecodedImage
from runtime.test_run_verb import FORM, call, report

SIZE = (900, 600)
RED, BLUE = (255, 0, 0), (0, 0, 255)


def page(*marks: tuple[tuple[int, int, int, int], tuple[int, int, int]], size: tuple[int, int] = SIZE) -> DecodedImage:
    """A white page with rectangles, whose right and lower edges are outside."""
    image = Image.new("RGB", size, "white")
    for (left, top, right, bottom), colour in marks:
        ImageDraw.Draw(image).rectangle((left, top, right - 1, bottom - 1), colour)
    return DecodedImage(image, size, ())


def markup(*boxes: tuple[int, int, int, int], label: str = "x") -> str:
    lists = ", ".join(str(list(box)) for box in boxes)
    return f"<|ref|>{label}<|/ref|><|det|>[{lists}]<|/det|>"


def norm(box: tuple[int, int, int, int], size: tuple[int, int] = SIZE) -> tuple[int, int, int, int]:
    left, top, right, bottom = (round(place / side * LARGEST) for place, side in zip(box, (*size, *size), strict=True))
    return left, top, right, bottom


def finds(colour: tuple[int, int, int], windows: list[Image.Image]) -> Callable[[Image.Image], str]:
    """A model that sees where a colour is."""

    def ask(window: Image.Image) -> str:
        windows.append(window)
        rows, columns = np.nonzero((np.asarray(window) == colour).all(axis=2))
        if not len(rows):
            return "not shown"
        box = int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1
        return markup(norm(box, window.size))

    return ask


def px(answer: str, size: tuple[int, int] = SIZE) -> list[tuple[int, int, int, int]]:
    return [box.px for box in parse_boxes(answer, [size])[0]]


@pytest.mark.parametrize("at", [(0, 0), (400, 300), (870, 585), (10, 580)])
def test_a_box_becomes_that_of_what_is_there(at: tuple[int, int]) -> None:
    """From one that is a line too high, also at the edges of the page; the words around it stay."""
    true = at[0], at[1], at[0] + 30, at[1] + 15
    guess = at[0] + 9, max(0, at[1] - 20), min(SIZE[0], at[0] + 45), max(12, at[1] - 8)
    windows: list[Image.Image] = []
    found = with_closer_places(f"Here: {markup(norm(guess))}!", page((true, RED)), SIZE[0], 384, finds(RED, windows))
    assert found.startswith("Here: <|ref|>x<|/ref|><|det|>[[")
    assert found.endswith("]]<|/det|>!")
    assert all(abs(a - b) <= 1 for a, b in zip(px(found)[0], true, strict=True))
    assert [window.size for window in windows] == [(223, 223), (161, 161)]


def test_a_large_page_has_larger_windows() -> None:
    """The model misses by as many of the pixels that it sees, and it sees a large page scaled down."""
    size = (3000, 2000)
    windows: list[Image.Image] = []
    true = (1500, 1000, 1700, 1050)
    found = with_closer_places(
        markup(norm((1550, 880, 1800, 930), size)), page((true, RED), size=size), 1000, 384, finds(RED, windows)
    )
    assert all(abs(a - b) <= 3 for a, b in zip(px(found, size)[0], true, strict=True))
    assert [window.size for window in windows] == [(668, 668), (484, 484)]


def test_each_box_has_its_window_and_the_nearest_counts() -> None:
    """In the order in which they were written."""
    marks = [(100, 100, 130, 115), (500, 300, 560, 330)]
    windows: list[Image.Image] = []
    guesses = [norm((510, 280, 570, 305)), norm((95, 120, 130, 133))]
    found = with_closer_places(
        markup(*guesses), page(*((mark, RED) for mark in marks)), SIZE[0], 384, finds(RED, windows)
    )
    assert [box[:2] for box in px(found)] == [pytest.approx(mark[:2], abs=1) for mark in reversed(marks)]
    assert len(windows) == 4
    both = markup((0, 0, 99, 99), (450, 450, 549, 549))
    near = with_closer_places(markup((400, 400, 600, 600)), page(), SIZE[0], 384, lambda window: both)
    (box,) = px(near)
    assert box[0] > 400


@pytest.mark.parametrize(
    "answer",
    [
        "no boxes",
        markup(*[(10, 10, 20, 20)] * (MOST_PLACES + 1)),
        "<|ref|>x<|/ref|><|det|>[[1, 2, 3]]<|/det|>",
        "<|ref|>x<|/ref|><|det|>[[1, 2, 30, 40], [9, 9, 1, 1]]<|/det|>",
    ],
)
def test_what_cannot_be_looked_at_stays(answer: str) -> None:
    """No question is asked about it."""

    def ask(window: Image.Image) -> str:
        raise AssertionError(window)

    assert with_closer_places(answer, page(), SIZE[0], 384, ask) == answer


def test_the_mean_of_both_windows_counts_where_they_agree() -> None:
    """What the second one finds elsewhere is another thing; what one of them does not find is found by the other."""
    guess = norm((440, 290, 460, 310))

    def asked(second: str) -> tuple[int, int, int, int]:
        answers = iter([markup((400, 400, 600, 600)), second])
        (box,) = px(with_closer_places(markup(guess), page(), SIZE[0], 384, lambda window: next(answers)))
        return box

    whole = px(with_closer_places(markup(guess), page(), SIZE[0], 384, lambda window: markup((400, 400, 600, 600))))[0]
    alone = asked("not shown")
    assert asked(markup((0, 0, 99, 99))) == alone
    mean = asked(markup((450, 450, 500, 500)))
    assert alone[0] < mean[0]
    assert mean[2] < alone[2]
    assert whole[0] > alone[0]  # the same numbers in the smaller window are a smaller box


def test_a_window_without_an_answer_changes_nothing() -> None:
    """The first box is the best that is known."""
    answer = markup((100, 200, 300, 400))
    assert with_closer_places(answer, page(), SIZE[0], 384, lambda window: "not shown") == answer


SIDES = st.integers(1, 3000)


@given(st.tuples(SIDES, SIDES), st.tuples(*[st.integers(0, LARGEST)] * 4), st.floats(1, 2000))
def test_a_window_lies_in_its_image_and_around_its_box(
    size: tuple[int, int], corners: tuple[int, int, int, int], side: float
) -> None:
    """Whatever the box; it has at least a pixel."""
    (left, right), (top, bottom) = sorted(corners[:2]), sorted(corners[2:])
    (box,) = px(markup((left, top, right, bottom)), size)
    window = window_around(box, size, side)
    assert 0 <= window[0] <= box[0] <= box[2] <= window[2] <= size[0]
    assert 0 <= window[1] <= box[1] <= box[3] <= window[3] <= size[1]
    assert window[0] < window[2]
    assert window[1] < window[3]


def test_places_are_written_as_the_model_writes_them() -> None:
    """Moved by nothing, an answer is the same; its other words and labels stay."""
    answer = f"a {markup((1, 2, 3, 4), (5, 6, 7, 8), label='one')} b <|det|>[[9, 9, 9, 9]]<|/det|> c"
    assert with_places(answer, [SIZE], lambda box: box.norm999) == answer
    numbers = itertools.count()
    moved = with_places(answer, [SIZE], lambda box: (next(numbers), 0, 500, 500))
    assert [box.norm999[0] for box in parse_boxes(moved, [SIZE])[0]] == [0, 1, 2]


def test_the_demonstration_model_finds_places_at_a_closer_look() -> None:
    """On pages that it has never seen: the boxes overlap the true ones by more, and most of them by more than half."""
    model = load_model("demo", threads=1)
    first: list[float] = []
    closer: list[float] = []
    for asked in sheet_cases(("form", "table"), 4, 5, "locate"):
        for found, look_again in ((first, False), (closer, True)):
            answer = model.ask(asked.case.question, asked.case.images, look_again=look_again)
            true, box = asked.case.box, read_box(answer.text, asked.size)
            assert true is not None
            assert box is not None
            found.append(intersection_over_union(box, true))
    assert sum(closer) > sum(first) + 0.4
    assert sum(overlap >= GOOD_OVERLAP for overlap in closer) >= 6


def test_locate_looks_closer() -> None:
    """Its report counts the looks, and a picture that is to be looked at once is."""
    receipt = str(Path(FORM).parent / "receipt.png")
    closer, once = report("locate", "Total", receipt), report("locate", "Total", receipt, "--look-once")
    assert (closer["looks"], once["looks"]) == (3, 1)
    (box,), (first,) = closer["boxes"], once["boxes"]
    assert box["label"] == first["label"] == "Total"
    assert box["px"] != first["px"]
    assert call("locate", "Total", receipt) == f"Total {box['px']}\n"
