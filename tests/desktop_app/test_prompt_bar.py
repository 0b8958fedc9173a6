"""The box for a question and the ready-made ones above it."""

from __future__ import annotations

import pytest
from pytestqt.qtbot import QtBot

from dsvl2_app.widgets import theme
from dsvl2_app.widgets.prompt_bar import PILL_SPACING, PromptBar

pytestmark = pytest.mark.gui


def test_ready_made_questions_stand_in_one_row_rather_than_have_icons(qtbot: QtBot) -> None:
    """None of them stands in a row of its own where the words of all have room beside each other."""
    bar = PromptBar()
    qtbot.addWidget(bar)
    bar.resize(3000, 200)  # room for all
    bar.show()
    pills = list(bar.pills.values())

    def rows() -> int:
        return len({pill.y() for pill in pills})

    def have_icons() -> set[bool]:
        return {pill.iconSize() == theme.icon_size() for pill in pills}

    def total() -> int:
        return sum(pill.sizeHint().width() for pill in pills) + PILL_SPACING * (len(pills) - 1)

    assert have_icons() == {True}
    with_icons = total()
    bar.resize(with_icons - 1, 200)
    assert have_icons() == {False}
    without = total()
    assert without < with_icons
    for width, expected in ((without, False), (with_icons, True), (with_icons - 1, False)):
        bar.resize(width, 200)
        assert have_icons() == {expected}
        qtbot.wait(1)
        assert rows() == 1
    bar.resize(without - 1, 200)
    qtbot.wait(1)
    assert have_icons() == {True}
    assert rows() > 1
