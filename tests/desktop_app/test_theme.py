"""Colours, icons and text sizes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from PySide6.QtGui import QColor, QPalette
from PySide6.QtWidgets import QApplication, QPushButton
from pytestqt.qtbot import QtBot

from dsvl2_app.widgets import controls, theme
from dsvl2_app.widgets.colours import BOXES, DARK, LIGHT, ON_BOX, Role

pytestmark = pytest.mark.gui

LEAST_CONTRAST = 4.5
"""Of text, by WCAG 2.2, success criterion 1.4.3."""
PAIRS: tuple[tuple[Role, Role], ...] = (
    ("text", "background"), ("text", "surface"), ("text", "sunken"), ("text", "hover"), ("text", "accent_soft"),
    ("muted", "background"), ("muted", "surface"), ("muted", "sunken"), ("on_accent", "accent"),
    ("accent", "surface"), ("warning", "warning_soft"), ("error", "error_soft"), ("error", "surface"),
    ("error", "background"), ("ok", "background"), ("ok", "ok_soft"),
)  # fmt: skip


@pytest.fixture(autouse=True)
def theme_is_reset(qtbot: QtBot) -> Iterator[None]:
    yield
    theme.apply("system", 100)


def luminance(colour: str) -> float:
    def linear(part: float) -> float:
        return part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4

    found = QColor(colour)
    return 0.2126 * linear(found.redF()) + 0.7152 * linear(found.greenF()) + 0.0722 * linear(found.blueF())


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("colours", [LIGHT, DARK])
@pytest.mark.parametrize(("front", "back"), PAIRS)
def test_text_can_be_read_in_both_palettes(colours: dict[Role, str], front: Role, back: Role) -> None:
    assert contrast(colours[front], colours[back]) >= LEAST_CONTRAST


def test_the_number_on_a_box_can_be_read() -> None:
    """As large text, for which 3 is enough."""
    for colour in BOXES:
        assert contrast(ON_BOX, colour) >= 3


def test_a_choice_changes_the_palette_and_tells_it(qtbot: QtBot) -> None:
    theme.apply("light")
    with qtbot.waitSignal(theme.signals.changed):
        theme.apply("dark")
    assert theme.is_dark()
    assert QApplication.palette().color(QPalette.ColorRole.Window) == QColor(DARK["background"])
    theme.apply("light")
    assert QApplication.palette().color(QPalette.ColorRole.Window) == QColor(LIGHT["background"])


def darkest(button: QPushButton) -> int:
    image = button.icon().pixmap(18, 18).toImage()
    drawn = [image.pixelColor(x, y) for x in range(image.width()) for y in range(image.height())]
    return min(pixel.lightness() for pixel in drawn if pixel.alpha() > 200)


def test_icons_are_drawn_anew_in_the_other_theme(qtbot: QtBot) -> None:
    theme.apply("light")
    button = controls.button("", "copy", tip="Copy")
    qtbot.addWidget(button)
    assert darkest(button) < 80
    theme.apply("dark")
    assert darkest(button) > 150


def test_a_button_without_a_text_has_a_name_for_screen_readers(qtbot: QtBot) -> None:
    button = controls.button("", "copy", tip="Copy the answer")
    qtbot.addWidget(button)
    assert button.accessibleName() == "Copy the answer"


def test_texts_grow_with_the_percentage_and_stay_in_bounds(qtbot: QtBot) -> None:
    theme.apply(percent=150)
    assert QApplication.font().pointSizeF() == pytest.approx(15)
    theme.apply(percent=1000)
    assert theme.text_percent() == theme.MOST_PERCENT
