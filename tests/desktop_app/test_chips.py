"""The row of pictures below the one that is looked at."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from PIL import Image
from PySide6.QtCore import QRect, Qt
from PySide6.QtGui import QImage, QPainter
from PySide6.QtWidgets import QStyleOptionViewItem
from pytestqt.qtbot import QtBot

from dsvl2_app.state.picture_order import ordered, without
from dsvl2_app.state.recent import Recent
from dsvl2_app.state.session import Attachment
from dsvl2_app.widgets.chip_delegate import PAD, ChipDelegate, card_rect
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


def drawn(chips: Chips, row: int, ratio: int = 1) -> QImage:
    """A chip as a screen shows it that has so many pixels for one of the window."""
    option = QStyleOptionViewItem()
    option.rect = QRect(0, 0, chips.item(row).sizeHint().width(), chips.item(row).sizeHint().height())
    option.widget = chips
    shown = QImage(option.rect.size() * ratio, QImage.Format.Format_RGB32)
    shown.setDevicePixelRatio(ratio)
    shown.fill(Qt.GlobalColor.white)
    painter = QPainter(shown)
    delegate = chips.itemDelegate()
    assert isinstance(delegate, ChipDelegate)
    delegate.paint(painter, option, chips.model().index(row, 0))
    painter.end()
    return shown


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
    assert chips.viewport().rect().contains(card_rect(chips.visualItemRect(chips.item(19))))
    chips.setCurrentRow(3)
    chips.show_images(IMAGES[:10])
    assert chips.currentRow() == 3


def test_a_long_name_makes_no_chip_wider(chips: Chips) -> None:
    long = image(1, "a" * 300 + ".png")
    chips.show_images([image(0), long, image(2, "账单 é😀.png")])
    assert len({chips.visualItemRect(chips.item(row)).width() for row in range(3)}) == 1


def test_a_long_name_is_shortened_in_its_middle(chips: Chips) -> None:
    """Pictures of one series differ in the beginning of their names or in the end, and both can be seen."""
    middle = "a" * 300
    chips.show_images([image(1, name) for name in (f"{middle}1.png", f"{middle}2.png", f"2{middle}2.png")])
    for row in range(3):
        chips.item(row).setSelected(False)
    first, other_end, other_beginning = (drawn(chips, row) for row in range(3))
    assert first != other_end
    assert other_end != other_beginning


@pytest.mark.parametrize("ratio", [1, 2])
def test_a_thumbnail_has_a_pixel_for_each_of_the_screen(chips: Chips, ratio: int) -> None:
    """One that was made for a coarse screen is blurred on a fine one."""
    chips.show_images(IMAGES[:1])
    height = card_rect(QRect(0, 0, 208, chips.item(0).sizeHint().height())).height()
    side = (height - 2 * PAD - 2) * ratio
    stripes = Image.new("RGB", (side, side), "white")
    for left in range(0, side, 2):
        stripes.paste("black", (left, 0, left + 1, side))
    content = KeptImage(Path("stripes.png"), "a" * 64)
    chips.show_images([Attachment("stripes.png", content, (side, side), stripes)])
    shown = drawn(chips, 0, ratio)
    left, middle = (PAD + 2) * ratio, shown.height() // 2
    inside = [shown.pixelColor(x, middle).lightness() for x in range(left + 2 * ratio, left + side - 4 * ratio)]
    assert set(inside) == {0, 255}
    assert all(before != after for before, after in pairwise(inside))
    beyond = range(left + side, left + side + PAD * ratio - 1)
    assert len({shown.pixelColor(x, middle).rgb() for x in beyond}) == 1


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
