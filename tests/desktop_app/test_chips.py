"""The row of pictures below the one that is looked at."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from dsvl2_app.state.picture_order import ordered, without
from dsvl2_app.state.recent import Recent
from dsvl2_app.state.session import Attachment
from dsvl2_app.widgets.chips import Chips
from dsvl2_app.widgets.picture_pane import PicturePane
from dsvl2_runtime.engine.image_store import KeptImage
from small_models import picture

pytestmark = pytest.mark.gui


def image(number: int, name: str | None = None) -> Attachment:
    path = Path(f"picture {number}.png")
    return Attachment(name or str(path), KeptImage(path, f"{number:064x}"), (800, 600), picture(80, 60, number))


@pytest.fixture
def chips(qtbot: QtBot) -> Chips:
    made = Chips()
    qtbot.addWidget(made)
    made.resize(500, 80)
    made.show()
    return made


IMAGES = [image(number) for number in range(20)]


def test_a_chip_says_name_size_and_tokens(chips: Chips) -> None:
    chips.show_images(IMAGES[:2], [421])
    assert chips.label(0) == ("picture 0.png", "800 × 600", "421 tokens")
    assert chips.label(1) == ("picture 1.png", "800 × 600")


def test_a_new_picture_is_chosen_and_scrolled_into_view(chips: Chips, qtbot: QtBot) -> None:
    """Also behind nineteen others; what was looked at stays where nothing is new."""
    chips.show_images(IMAGES[:19])
    chips.show_images(IMAGES)
    assert chips.currentRow() == 19
    assert chips.viewport().rect().intersects(chips.visualItemRect(chips.item(19)))
    chips.setCurrentRow(3)
    chips.show_images(IMAGES[:10])
    assert chips.currentRow() == 3


def test_a_long_name_makes_no_chip_wider(chips: Chips) -> None:
    long = image(1, "a" * 300 + ".png")
    chips.show_images([image(0), long, image(2, "账单 é😀.png")])
    assert len({chips.visualItemRect(chips.item(row)).width() for row in range(3)}) == 1


def test_chips_beyond_the_context_are_marked(chips: Chips) -> None:
    chips.show_images(IMAGES[:3], fitting=2)
    assert [chips.is_over(row) for row in range(3)] == [False, False, True]
    assert "no room" in chips.item(2).data(Qt.ItemDataRole.AccessibleTextRole)
    red = chips.grab().toImage()
    chips.show_images(IMAGES[:3], fitting=3)
    assert chips.grab().toImage() != red


def test_delete_asks_for_the_chosen_ones(chips: Chips, qtbot: QtBot) -> None:
    chips.show_images(IMAGES[:4])
    chips.clearSelection()
    for row in (0, 2):
        chips.item(row).setSelected(True)
    with qtbot.waitSignal(chips.remove_asked) as asked:
        qtbot.keyClick(chips, Qt.Key.Key_Delete)
    assert asked.args == [[0, 2]]


def test_the_cross_takes_its_own_chip_away(chips: Chips, qtbot: QtBot) -> None:
    chips.show_images(IMAGES[:2])
    with qtbot.waitSignal(chips.remove_asked) as asked:
        qtbot.mouseClick(chips.viewport(), Qt.MouseButton.LeftButton, pos=chips.cross(0).center())
    assert asked.args == [[0]]


def test_ctrl_and_an_arrow_moves_a_chip(chips: Chips, qtbot: QtBot) -> None:
    chips.show_images(IMAGES[:3])
    chips.setCurrentRow(0)
    with qtbot.waitSignal(chips.order_asked) as asked:
        qtbot.keyClick(chips, Qt.Key.Key_Right, Qt.KeyboardModifier.ControlModifier)
    assert asked.args is not None
    assert [shown.name for shown in asked.args[0]] == ["picture 1.png", "picture 0.png", "picture 2.png"]
    with qtbot.assertNotEmitted(chips.order_asked):
        chips.setCurrentRow(2)
        qtbot.keyClick(chips, Qt.Key.Key_Right, Qt.KeyboardModifier.ControlModifier)


def test_pictures_of_before_come_back_without_their_files() -> None:
    recent = Recent()
    recent.add(IMAGES[:3])
    recent.add([IMAGES[0]])
    assert [shown.name for shown in recent.others([IMAGES[1]])] == ["picture 0.png", "picture 2.png"]
    recent.add(IMAGES)
    assert len(recent.others(())) == 12


def test_the_pane_shows_a_drop_zone_without_pictures_and_all_can_go_at_once(qtbot: QtBot) -> None:
    pane = PicturePane()
    qtbot.addWidget(pane)
    pane.resize(500, 600)
    pane.show()
    assert pane.drop_zone.isVisible()
    pane.show_images(IMAGES[:3])
    assert pane.view.isVisible()
    assert pane.current is IMAGES[2]
    with qtbot.waitSignal(pane.remove_asked) as asked:
        pane.remove_all.click()
    assert asked.args == [[0, 1, 2]]
    pane.show_images([])
    assert pane.drop_zone.isVisible()
    assert pane.current is None
    assert pane.tools.recent.isVisible()
    pane.close_loader()


def test_lists_lose_pictures_and_change_their_order() -> None:
    """One that came while the order was being changed is last."""
    assert without(IMAGES[:4], [0, 2]) == [IMAGES[1], IMAGES[3]]
    assert ordered(IMAGES[:3], [IMAGES[2], IMAGES[0]]) == [IMAGES[2], IMAGES[0], IMAGES[1]]
