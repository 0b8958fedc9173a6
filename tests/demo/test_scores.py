"""Judging answers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsvl2_demo.evaluation.evaluate import Judged, evaluate, scores_of
from dsvl2_demo.evaluation.held_out import held_out_cases
from dsvl2_demo.evaluation.scores import character_error_rate, edit_distance, exact, intersection_over_union, read_box


@given(st.text(max_size=12), st.text(max_size=12))
def test_edit_distance_is_a_metric(first: str, second: str) -> None:
    """Zero for equal texts alone, the same both ways, at most the longer length."""
    distance = edit_distance(first, second)
    assert (distance == 0) == (first == second)
    assert distance == edit_distance(second, first)
    assert abs(len(first) - len(second)) <= distance <= max(len(first), len(second))


@pytest.mark.parametrize(
    ("found", "expected", "edits"), [("kitten", "sitting", 3), ("", "abc", 3), ("flaw", "lawn", 2)]
)
def test_edit_distance_of_known_pairs(found: str, expected: str, edits: int) -> None:
    """Textbook pairs."""
    assert edit_distance(found, expected) == edits


def test_character_error_rate_weighs_by_length() -> None:
    """Edits of all texts over characters of all texts."""
    assert character_error_rate([("abcd", "abcd"), ("x", "ab")]) == pytest.approx(2 / 6)


def test_exact_forgives_white_space_at_the_ends_only() -> None:
    """A capital letter or a lost sign is wrong."""
    assert exact(" $3.10\n", "$3.10")
    assert not exact("$3.1", "$3.10")
    assert not exact("total", "Total")


def test_boxes_are_read_from_answers() -> None:
    """The official form, a form with one bracket, and nothing at all."""
    assert read_box("<|det|>[[0, 0, 999, 999]]<|/det|>", (200, 100)) == pytest.approx((0, 0, 200, 100))
    assert read_box("[10,20,30,40]", (999, 999)) == pytest.approx((10, 20, 30, 40))
    assert read_box("[[1, 2, 3]]", (200, 100)) is None


def test_overlap_of_boxes() -> None:
    """Half shifted squares share a third; apart, nothing; a degenerate box, nothing."""
    assert intersection_over_union((0, 0, 2, 2), (1, 0, 3, 2)) == pytest.approx(1 / 3)
    assert intersection_over_union((0, 0, 1, 1), (2, 2, 3, 3)) == 0
    assert intersection_over_union((0, 0, 0, 0), (0, 0, 0, 0)) == 0


def test_scores_tell_a_perfect_reader_from_a_bad_one() -> None:
    """True answers score 1 everywhere, and each task counts its own cases."""
    told: list[Judged] = []
    perfect = scores_of(evaluate(lambda case: case.answer, held_out_cases(10, 1), told.append))
    assert len(told) == 10
    assert perfect == {
        "value": {"exact": 1.0, "n": 3},
        "transcribe": {"cer": 0.0, "n": 3},
        "locate": {"iou50": 1.0, "n": 2},
        "compare": {"exact": 1.0, "n": 2},
    }
    bad = scores_of(evaluate(lambda case: "?", held_out_cases(4, 1), told.append))
    assert [next(iter(entry.values())) for entry in bad.values()] == [0.0, pytest.approx(1.0, abs=0.05), 0.0, 0.0]
