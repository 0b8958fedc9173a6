"""Boxes in answers: what the model wrote well, and everything else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsvl2_runtime.answers.boxes import LARGEST, Box, BoxStream, BoxStyle, parse_boxes, show_boxes
from dsvl2_runtime.texts import notice_text

SIZE = (1998, 999)
"""Pixels of an image in which a pixel's number is easily told."""


def marked(lists: str, label: str = "the button") -> str:
    return f"<|ref|>{label}<|/ref|><|det|>{lists}<|/det|>"


def test_a_box_has_its_label_and_both_coordinates() -> None:
    """Pixels belong to the upright image, and 999 is its edge."""
    boxes, notices = parse_boxes(f"Here: {marked('[[10, 20, 300, 999]]')}.", [SIZE])
    assert boxes == (Box("the button", 1, (10, 20, 300, 999), (20, 20, 600, 999)),)
    assert notices == ()


def test_one_label_may_have_several_boxes_and_an_answer_several_labels() -> None:
    """In the order of the answer; a list without a label is a box too."""
    answer = marked("[[1, 2, 3, 4], [5, 6, 7, 8]]", "a") + marked("[[9,9,9,9]]", "b") + "<|det|>[[0,0,999,999]]<|/det|>"
    boxes, notices = parse_boxes(answer, [SIZE])
    assert [(box.label, box.norm999) for box in boxes] == [
        ("a", (1, 2, 3, 4)),
        ("a", (5, 6, 7, 8)),
        ("b", (9, 9, 9, 9)),
        ("", (0, 0, 999, 999)),
    ]
    assert notices == ()


def test_of_several_images_it_is_the_last_and_that_is_said() -> None:
    """As the reference draws it."""
    boxes, (notice,) = parse_boxes(marked("[[0, 0, 999, 999]]"), [(5, 5), SIZE])
    assert (boxes[0].image, boxes[0].px) == (2, (0, 0, *SIZE))
    assert notice_text(notice).startswith("the model does not say in which of the 2 pictures")


@pytest.mark.parametrize(
    "lists",
    [
        "[[1, 2, 3]]",
        "[[1, 2, 3, 4, 5]]",
        "[[1, 2, 3, 1000]]",
        "[[-1, 2, 3, 4]]",
        "[[5, 2, 3, 4]]",
        "[[1, 9, 3, 4]]",
        "[[1.5, 2, 3, 4]]",
        "[[a, 2, 3, 4]]",
        f"[[{'9' * 5000}, 2, 3, 4]]",
        "[[٣, 2, 3, 4]]",
        "none",
    ],
)
def test_what_is_no_box_is_dropped_and_said(lists: str) -> None:
    """The good one beside it stays."""
    boxes, (notice,) = parse_boxes(marked(f"[[7, 7, 8, 8]], {lists}"), [SIZE])
    assert [box.norm999 for box in boxes] == [(7, 7, 8, 8)]
    assert (notice.code, notice.values["count"]) == ("boxes.dropped", 1)
    assert len(notice_text(notice)) < 150


def test_lists_in_lists_are_looked_through() -> None:
    """However deep, and also with a bracket too few."""
    for lists in ("[[[[1, 2, 3, 4]]]]", "[1, 2, 3, 4]", "[[], [1, 2, 3, 4]", "[[1, 2, 3, 4"):
        assert [box.norm999 for box in parse_boxes(marked(lists), [SIZE])[0]] == [(1, 2, 3, 4)]


@pytest.mark.parametrize(
    "end", ["", "<|ref|>next<|/ref|><|det|>[[3, 3, 4, 4]]<|/det|>", "<|det|>[[3, 3, 4, 4]]<|/det|>"]
)
def test_a_missing_end_is_no_loss(end: str) -> None:
    """The list ends where the next one begins."""
    boxes, notices = parse_boxes("<|ref|>a<|/ref|><|det|>[[1, 2, 3, 4]]" + end, [SIZE])
    assert boxes[0] == Box("a", 1, (1, 2, 3, 4), (2, 2, 6, 4))
    assert len(boxes) == (2 if end else 1)
    assert notices == ()


def test_an_answer_that_was_cut_loses_its_last_box_only() -> None:
    """With a notice of its own; the same text from a model that ended by itself is a bad list."""
    for is_cut, code in ((True, "boxes.cut"), (False, "boxes.dropped")):
        for rest in ("5, 6", "5, 6, 7, 8"):  # which may have been going to be 87
            answer = f"<|ref|>a<|/ref|><|det|>[[1, 2, 3, 4], [{rest}"
            boxes, (notice,) = parse_boxes(answer, [SIZE], is_cut=is_cut)
            assert [box.norm999 for box in boxes] == [(1, 2, 3, 4)]
            assert (notice.code, notice.values["shown"]) == (code, rest)


def test_without_an_image_there_is_no_box() -> None:
    """A model may write one nevertheless."""
    boxes, (notice,) = parse_boxes(marked("[[1, 2, 3, 4]]"), [])
    assert (boxes, notice.code) == ((), "boxes.dropped")


@pytest.mark.parametrize(
    ("style", "shown"),
    [
        ("text", f"It is {marked('[[10, 20, 300, 999]]')}, see?"),
        ("px", "It is the button [20, 20, 600, 999], see?"),
        ("norm", "It is the button [10, 20, 300, 999], see?"),
        ("off", "It is the button, see?"),
    ],
)
def test_an_answer_is_shown_in_four_styles(style: BoxStyle, shown: str) -> None:
    """At once, and letter by letter."""
    answer = f"It is {marked('[[10, 20, 300, 999]]')}, see?"
    assert show_boxes(answer, style, [SIZE]) == shown
    stream = BoxStream(style, [SIZE])
    pieces = [stream.push(letter) for letter in answer]
    assert "".join(pieces) + stream.flush() == shown
    assert pieces[0] == "I"


PIECES = st.sampled_from(
    [
        "<|ref|>",
        "<|/ref|>",
        "<|det|>",
        "<|/det|>",
        "[",
        "]",
        "[[",
        "]]",
        ", ",
        " ",
        "\n",
        "<|",
        "a",
        "-",
        "0",
        "7",
        "999",
    ]
)
ANSWERS = st.lists(PIECES | st.integers(-2000, 10**30).map(str) | st.text(max_size=4), max_size=40)


@given(pieces=ANSWERS, sizes=st.lists(st.tuples(st.integers(1, 5000), st.integers(1, 5000)), max_size=3))
def test_no_text_makes_the_parser_raise(pieces: list[str], sizes: list[tuple[int, int]]) -> None:
    """Every box lies in its image, every notice has a sentence, and a streamed answer is the answer."""
    answer = "".join(pieces)
    for is_cut in (False, True):
        boxes, notices = parse_boxes(answer, sizes, is_cut=is_cut)
        for box in boxes:
            width, height = sizes[box.image - 1]
            for numbers, right, bottom in ((box.norm999, LARGEST, LARGEST), (box.px, width, height)):
                assert 0 <= numbers[0] <= numbers[2] <= right
                assert 0 <= numbers[1] <= numbers[3] <= bottom
        assert all(notice_text(notice) for notice in notices)
    styles: tuple[BoxStyle, ...] = ("off", "text", "px", "norm")
    for style in styles:
        stream = BoxStream(style, sizes)
        streamed = "".join(stream.push(piece) for piece in pieces) + stream.flush()
        assert streamed == show_boxes(answer, style, sizes)
        assert style == "text" or "<|det|>" not in streamed
