"""Rows that say what nothing else in the window shows."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import QMimeData, QSize, Qt, QUrl
from PySide6.QtGui import QAccessible, QAccessibleAnnouncementEvent, QAccessibleEvent
from PySide6.QtWidgets import QWidget
from pytestqt.qtbot import QtBot

from dsvl2_app.widgets import toasts as toasts_module
from dsvl2_app.widgets.main_window import MainWindow
from dsvl2_app.widgets.toasts import MOST_ROWS, Toast, Toasts
from windows import wait_for

pytestmark = pytest.mark.gui


@pytest.fixture
def parent(qtbot: QtBot) -> QWidget:
    made = QWidget()
    qtbot.addWidget(made)
    made.resize(800, 600)
    made.show()
    return made


def test_an_error_stays_until_it_is_closed_and_a_note_goes(
    parent: QWidget, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(toasts_module, "INFO_MILLISECONDS", 1)
    toasts = Toasts(parent)
    toasts.tell("refused", "error")
    toasts.tell("saved")
    wait_for(qtbot, lambda: toasts.texts() == ["refused"])
    qtbot.wait(20)
    assert toasts.texts() == ["refused"]
    (row,) = toasts.findChildren(Toast)
    row.close_button.click()
    assert toasts.texts() == []
    assert not toasts.isVisible()


def test_a_screen_reader_says_each_row(parent: QWidget, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[str] = []

    def hear(event: QAccessibleEvent) -> None:
        assert isinstance(event, QAccessibleAnnouncementEvent)
        heard.append(event.message())

    monkeypatch.setattr(QAccessible, "updateAccessibility", hear)
    toasts = Toasts(parent)
    toasts.tell("refused", "error")
    toasts.tell("saved")
    assert heard == ["refused", "saved"]


def test_twenty_refusals_are_kept_and_do_not_cover_the_window(parent: QWidget) -> None:
    toasts = Toasts(parent)
    for number in range(20):
        toasts.tell(f"refused {number}", "error")
    assert len(toasts.texts()) == 20
    assert sum(row.isVisible() for row in toasts.findChildren(Toast)) == MOST_ROWS
    assert toasts.height() < parent.height() / 2
    toasts.clear()
    assert toasts.texts() == []


@pytest.mark.parametrize("size", [QSize(420, 320), QSize(1180, 760)])
def test_rows_lie_inside_the_window(parent: QWidget, size: QSize) -> None:
    parent.resize(size)
    toasts = Toasts(parent)
    toasts.tell("/pictures/" + "long" * 60 + ".png: it is no picture", "error")
    assert parent.rect().contains(toasts.geometry())


@pytest.fixture
def window(fake_window: MainWindow) -> MainWindow:
    return fake_window


def test_each_refused_thing_has_a_row_with_its_reason(window: MainWindow, qtbot: QtBot, tmp_path: Path) -> None:
    """A folder, a text and a file that is gone, dropped together."""
    text = tmp_path / "notes.txt"
    text.write_text("no picture")
    folder = tmp_path / "holiday"
    folder.mkdir()
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path)) for path in (folder, text, tmp_path / "gone.png")])
    assert window.intake.take(data)
    wait_for(qtbot, lambda: len(window.toasts.texts()) == 3)
    first, second, third = window.toasts.texts()
    assert "holiday" in first
    assert "it is a folder" in first
    assert "notes.txt" in second
    assert "text" in second
    assert "gone.png" in third
    assert window.toasts.isVisible()


def test_a_link_says_that_nothing_is_downloaded(window: MainWindow) -> None:
    data = QMimeData()
    data.setUrls([QUrl("https://example.org/bill.png")])
    assert window.intake.take(data)
    assert "nothing is downloaded" in window.toasts.texts()[-1]


@pytest.mark.parametrize("has_focus", ["question", "list"])
def test_escape_closes_what_is_told(window: MainWindow, qtbot: QtBot, has_focus: str) -> None:
    """Where nothing is answered, which it would stop first."""
    wait_for(qtbot, lambda: window.session.engine_state == "ready")
    target = window.prompt.edit if has_focus == "question" else window.sidebar.list
    target.setFocus()
    window.notify("refused", "error")
    window.ask("wait")
    wait_for(qtbot, lambda: window.session.turns[0].answer != "")
    qtbot.keyClick(target, Qt.Key.Key_Escape)
    assert window.toasts.texts() == ["refused"]
    window.session.stop()
    wait_for(qtbot, lambda: window.session.open_turn is None)
    qtbot.keyClick(target, Qt.Key.Key_Escape)
    assert window.toasts.texts() == []
