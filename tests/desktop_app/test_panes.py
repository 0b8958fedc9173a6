"""The window as a frame: its size, its panes, its menus."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest
from PySide6.QtCore import QRect, QSize, Qt
from PySide6.QtGui import QScreen
from PySide6.QtWidgets import QApplication, QFileDialog, QPushButton
from pytestqt.qtbot import QtBot

from dsvl2_app import texts
from dsvl2_app.engine_client import Engine
from dsvl2_app.state.layout import Layout
from dsvl2_app.widgets import controls, theme
from dsvl2_app.widgets.main_window import FIRST_SIZE, LEAST_SIZE, MainWindow
from dsvl2_app.widgets.panes import NARROW
from dsvl2_runtime.engine.protocol import Load

pytestmark = pytest.mark.gui

DEAD = ("-c", "")
"""An engine that ends at once: here it is not needed."""


@pytest.fixture
def small_screen(monkeypatch: pytest.MonkeyPatch) -> QSize:
    """1366x768 at 150 %."""
    size = QSize(911, 512)
    monkeypatch.setattr(QScreen, "availableGeometry", lambda screen: QRect(0, 0, size.width(), size.height()))
    return size


class Shown(Protocol):
    """Opens a window."""

    def __call__(self, layout: Path | None = None, size: QSize | None = None) -> MainWindow: ...


@pytest.fixture
def shown(qtbot: QtBot) -> Iterator[Shown]:
    windows: list[MainWindow] = []

    def make(layout: Path | None = None, size: QSize | None = None) -> MainWindow:
        window = MainWindow(Engine(Load("."), DEAD), layout)
        windows.append(window)
        qtbot.addWidget(window)
        if size is not None:
            window.resize(size)
        window.show()
        qtbot.waitExposed(window)
        qtbot.wait(10)  # what was hidden for want of room gives its place to the others
        return window

    yield make
    for window in windows:
        window.close()
    theme.apply("system", 100)


def test_the_first_window_fits_a_small_screen(shown: Shown, small_screen: QSize) -> None:
    """Nothing lies below the edge of a laptop's screen at 150 %."""
    window = shown()
    assert window.width() <= round(0.9 * small_screen.width())
    assert window.height() <= round(0.9 * small_screen.height())
    bottom = window.status.mapTo(window, window.status.rect().bottomLeft()).y()
    assert bottom < window.height()


def test_the_first_window_is_not_larger_than_its_work(shown: Shown, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(QScreen, "availableGeometry", lambda screen: QRect(0, 0, 3840, 2160))
    assert shown().size() == FIRST_SIZE


@pytest.mark.parametrize("size", [LEAST_SIZE, QSize(911, 512), QSize(1180, 760)])
def test_everything_that_asks_lies_inside_the_window(shown: Shown, size: QSize) -> None:
    """At every size down to the least, and as large as was asked for."""
    window = shown(size=size)
    assert window.size() == size
    for widget in (window.prompt.edit, window.prompt.button, window.status, window.picture_pane.drop_zone.open_button):
        place = QRect(widget.mapTo(window, widget.rect().topLeft()), widget.size())
        assert window.rect().contains(place), (widget, place)
        assert widget.visibleRegion().boundingRect() == widget.rect(), widget


def test_the_sidebar_is_a_drawer_in_a_window_that_is_not_wide(shown: Shown, qtbot: QtBot) -> None:
    """Opened over the rest, it takes no room, and a click beside it or Escape closes it."""
    window = shown(size=QSize(911, 600))
    assert not window.sidebar.isVisible()
    before = window.picture_pane.geometry()
    window.picture_pane.tools.sidebar.click()
    assert window.sidebar.isVisible()
    assert window.picture_pane.geometry() == before
    qtbot.mouseClick(window.panes._shade, Qt.MouseButton.LeftButton, pos=window.panes.rect().center())
    assert not window.sidebar.isVisible()
    window.panes.toggle_sidebar()
    qtbot.keyClick(window.sidebar, Qt.Key.Key_Escape)
    assert not window.sidebar.isVisible()


def test_a_wide_window_shows_three_panes_beside_each_other(shown: Shown) -> None:
    window = shown(size=QSize(1180, 700))
    left, middle, right = (
        widget.mapTo(window, widget.rect().topLeft()).x()
        for widget in (window.sidebar, window.picture_pane, window.talk)
    )
    assert left < middle < right
    window.panes.toggle_sidebar()
    assert not window.sidebar.isVisible()
    assert window.picture_pane.tools.sidebar.isVisible()


def test_in_a_narrow_window_the_picture_lies_above_the_conversation(shown: Shown) -> None:
    window = shown(size=QSize(640, 700))
    picture, talk = window.picture_pane, window.talk
    assert picture.mapTo(window, picture.rect().bottomLeft()).y() < talk.mapTo(window, talk.rect().topLeft()).y()
    window.resize(1180, 700)
    assert picture.mapTo(window, picture.rect().topRight()).x() < talk.mapTo(window, talk.rect().topLeft()).x()


def test_in_a_low_window_the_picture_stays_beside_the_conversation(shown: Shown) -> None:
    """As on a screen of 1366x768 at 200 %: a strip above would leave no room for an answer."""
    window = shown(size=QSize(615, 346))
    picture, talk = window.picture_pane, window.talk
    assert picture.mapTo(window, picture.rect().topRight()).x() < talk.mapTo(window, talk.rect().topLeft()).x()
    assert talk.height() >= 100


def test_no_word_of_the_tools_is_cut_where_there_is_little_room(shown: Shown) -> None:
    """What is shown of the tools has the width that it asks for."""
    tools = shown(size=QSize(1180, 700)).picture_pane.tools
    tools.show_picture(True)
    for width in (600, 400, 300, 262, 230, 60, 600):
        tools.fit_into(width)
        visible = [tool for tool in tools.findChildren(QPushButton) if tool.isVisibleTo(tools)]
        needed = sum(tool.sizeHint().width() + theme.TINY for tool in visible)
        assert needed <= width or (tools.open.text() == "" and tools.region not in visible)
        if width in (60, 600):
            assert bool(tools.open.text()) == (width == 600)


def test_a_button_whose_words_come_later_has_room_for_them(qtbot: QtBot) -> None:
    """As that for earlier questions; one with an icon and a tip alone is a square."""
    later, icon = controls.button("", "chevron-down", "flat"), controls.button("", "copy", "flat", "Copy")
    for made in (later, icon):
        qtbot.addWidget(made)
        made.show()
    later.setText("Show 30 earlier")
    later.adjustSize()
    assert later.width() == later.sizeHint().width() > icon.width() == theme.BUTTON_HEIGHT


def test_size_division_and_theme_are_kept(shown: Shown, tmp_path: Path) -> None:
    path = tmp_path / "window.json"
    size = QSize(NARROW + 20, 640)
    first = shown(path, size)
    theme.apply("dark", 120)
    first.panes._inner.moveSplitter(300, 1)
    share = first.panes.picture_share
    assert share != Layout().picture_share
    first.close()
    theme.apply("system", 100)
    second = shown(path)
    assert second.size() == size
    assert second.panes.picture_share == share
    assert (theme.choice(), theme.text_percent()) == ("dark", 120)


def test_the_next_window_opens_pictures_where_the_last_one_did(
    shown: Shown, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, image_file: Path
) -> None:
    """Also where a picture was saved last; the folder in which the program was started has nothing to do with it."""
    asked: list[str] = []

    def choose(parent: object, title: str, folder: str, kinds: str) -> tuple[list[str], str]:
        asked.append(folder)
        return [str(image_file)], kinds

    monkeypatch.setattr(QFileDialog, "getOpenFileNames", choose)
    path = tmp_path / "window.json"
    first = shown(path)
    first.intake.choose()
    first.close()
    shown(path).intake.choose()
    assert asked[0] != str(image_file.parent)
    assert asked[1] == str(image_file.parent)


def test_f6_gives_the_focus_to_the_next_pane(shown: Shown, qtbot: QtBot) -> None:
    window = shown(size=QSize(911, 600))
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow)
    window.prompt.edit.setFocus()
    window.panes.focus_next()
    focused = QApplication.focusWidget()
    assert focused is not None
    assert window.picture_pane.isAncestorOf(focused)
    window.panes.focus_next()
    focused = QApplication.focusWidget()
    assert focused is not None
    assert not window.picture_pane.isAncestorOf(focused)


def test_others_add_to_the_menus_and_quit_stays_last(shown: Shown) -> None:
    window = shown()
    assert [action.text() for action in window.menuBar().actions()] == [
        texts.window.file_menu(),
        texts.window.view_menu(),
        texts.window.conversation_menu(),
        texts.window.help_menu(),
    ]
    window.menu("file").addAction("Export")
    window.menu("file").aboutToShow.emit()
    assert window.menu("file").actions()[-1].text() == texts.window.quit_app()


def test_a_note_has_one_line_in_a_low_window_and_can_be_closed(shown: Shown) -> None:
    """The whole text is over it; closed, it stays away until there is another one."""
    window = shown(size=QSize(640, 400))
    window.note.show_note("A long note about the model that answers. " * 5)
    low = window.note.sizeHint().height()
    window.resize(640, 700)
    assert window.note.sizeHint().height() > low
    window.note._close.click()
    assert not window.note.isVisible()
    window.note.show_note("A long note about the model that answers. " * 5)
    assert not window.note.isVisible()
    window.note.show_note("Another note.")
    assert window.note.isVisible()


def test_the_window_tells_that_it_is_low(shown: Shown, qtbot: QtBot) -> None:
    """So that a card gives way to one line."""
    window = shown(size=QSize(640, 700))
    assert not window.is_low
    with qtbot.waitSignal(window.low_changed):
        window.resize(640, 360)
    assert window.is_low
