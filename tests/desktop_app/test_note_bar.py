"""The line above the conversation, where the window is not high."""

from __future__ import annotations

import pytest
from pytestqt.qtbot import QtBot

from dsvl2_app.widgets import controls
from dsvl2_app.widgets.note_bar import NoteBar

pytestmark = pytest.mark.gui

NOTE = "This is the demonstration model: 21 million parameters, trained on drawn receipts, forms and tables."


def test_a_line_makes_room_for_a_button_that_comes_later(qtbot: QtBot) -> None:
    """It ends in dots and is not cut in the middle of a letter."""
    bar = NoteBar()
    qtbot.addWidget(bar)
    bar.set_compact(True)
    bar.show_note(NOTE)
    bar.resize(600, 40)
    bar.show()
    button = controls.button("Set up a full model of another size", "cpu", "flat", "A button")
    bar.add_button(button)
    button.show()
    label = bar._label

    def is_whole() -> None:
        assert label.text().endswith("…")
        assert label.fontMetrics().horizontalAdvance(label.text()) <= label.width()

    qtbot.waitUntil(lambda: label.width() < 400)
    qtbot.waitUntil(lambda: is_whole() is None)
