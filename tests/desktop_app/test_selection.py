"""Choosing a rectangle on a frozen picture."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dsvl2_app.state.selection import Area, Selection, area_between

place = st.integers(-50, 150)


@given(st.tuples(place, place), st.tuples(place, place))
def test_a_dragged_area_lies_in_the_picture_and_holds_both_corners(
    start: tuple[int, int], end: tuple[int, int]
) -> None:
    """Wherever the pointer goes, also outside the screen."""
    selection = Selection(100, 80).move_to(start).set_corner().move_to(end)
    dragged = selection.dragged
    if dragged is None:
        return
    assert dragged.cut_to(100, 80) == dragged
    assert selection.corner is not None
    for x, y in (selection.corner, selection.pointer):
        assert dragged.left <= x < dragged.left + dragged.width
        assert dragged.top <= y < dragged.top + dragged.height


def test_a_press_that_hardly_moves_is_a_click() -> None:
    selection = Selection(100, 80).move_to((10, 10)).set_corner()
    assert selection.move_to((13, 7)).dragged is None
    assert selection.move_to((14, 10)).dragged == Area(10, 10, 5, 1)


def test_the_topmost_window_under_the_pointer_is_shown() -> None:
    """Until a rectangle is dragged."""
    top, below = Area(10, 10, 20, 20), Area(0, 0, 50, 50)
    selection = Selection(100, 80, (top, below))
    assert selection.move_to((12, 12)).shown == top
    assert selection.move_to((40, 40)).shown == below
    assert selection.move_to((90, 70)).shown is None
    assert selection.move_to((12, 12)).set_corner().move_to((30, 40)).shown == area_between((12, 12), (30, 40))


def test_keys_move_the_pointer_to_the_edge_and_no_further() -> None:
    selection = Selection(100, 80).move_by(10, 1)
    assert selection.pointer == (10, 1)
    assert selection.move_by(1000, -5).pointer == (99, 0)


def test_an_area_outside_the_picture_is_none() -> None:
    """As of a window on another screen."""
    assert Area(100, 0, 50, 50).cut_to(100, 80) is None
    assert Area(-10, 70, 50, 50).cut_to(100, 80) == Area(0, 70, 40, 10)
