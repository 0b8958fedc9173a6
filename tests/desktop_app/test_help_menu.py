"""The help menu, the log, and the file of diagnostics."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtGui import QCloseEvent, QIcon
from PySide6.QtWidgets import QPlainTextEdit, QTableWidget
from pytestqt.qtbot import QtBot

from dsvl2_app import texts
from dsvl2_app.activity_log import ActivityLog, log, start_log, stop_log, where
from dsvl2_app.diagnostics import last_lines
from dsvl2_app.settings_keeper import SettingsKeeper
from dsvl2_app.widgets.capture_flow import CaptureFlow
from dsvl2_app.widgets.help_menu import HelpMenu
from dsvl2_app.widgets.main_window import MainWindow
from dsvl2_app.widgets.tray import Tray
from dsvl2_runtime import __version__
from windows import ask, wait_for

pytestmark = pytest.mark.gui


@pytest.fixture
def log_file(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "folder" / "window.log"
    start_log(path)
    yield path
    stop_log()


@pytest.fixture
def keeper() -> Iterator[SettingsKeeper]:
    made = SettingsKeeper()
    made.change(models=("/private/models",), tray=True)
    yield made
    made.close()
    made.wait_until_gone()


@pytest.fixture
def menu(window: MainWindow, keeper: SettingsKeeper, log_file: Path, tmp_path: Path) -> HelpMenu:
    return HelpMenu(window, keeper, [("Settings", tmp_path / "settings.toml")], log_file)


def test_the_log_says_what_happened_and_nothing_that_was_said(
    window: MainWindow, qtbot: QtBot, log_file: Path, image_file: Path
) -> None:
    """Loading, an answer, the engine's end: numbers and names of classes."""
    ActivityLog(window.engine, window)
    wait_for(qtbot, lambda: window.session.engine_state == "ready")
    ask(window, qtbot, "Private question?")
    wait_for(qtbot, lambda: window.session.turns != [] and not window.session.turns[-1].is_open)
    text = log_file.read_text("utf-8")
    assert f"started: dsvl2-onnx {__version__}" in text
    assert "answer ended:" in text
    assert "Private" not in text
    answer = window.session.turns[-1].answer
    assert answer
    assert answer not in text


def test_a_fault_is_logged_by_its_place(log_file: Path) -> None:
    """Not by its message, which may quote what a user wrote."""
    try:
        raise ValueError("private words")
    except ValueError as error:
        described = where(error)
        log.error("fault: %s", described)
    text = log_file.read_text("utf-8")
    assert "ValueError at test_help_menu.py:" in text
    assert "private words" not in text


def test_a_log_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.touch()
    start_log(blocked / "window.log")
    log.info("nobody reads this")
    stop_log()
    assert not logging.getLogger("dsvl2_app.activity").handlers


def test_the_log_stays_small(log_file: Path) -> None:
    for _ in range(3_000):
        log.info("x" * 200)
    files = list(log_file.parent.iterdir())
    assert len(files) == 2
    assert sum(path.stat().st_size for path in files) <= 2 * 200_000


def test_diagnostics_tell_the_computer_and_nothing_private(
    menu: HelpMenu, window: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    """What `doctor` finds, versions, settings without folders, and the log."""
    path = tmp_path / "saved.json"
    menu.save_diagnostics(path)
    wait_for(qtbot, path.exists)
    text = path.read_text("utf-8")
    document = json.loads(text)
    assert document["program"] == __version__
    assert document["doctor"]["machine"]["memory_bytes"] > 0
    assert document["packages"]["pillow"]
    assert document["settings"]["tray"] is True
    assert "/private/models" not in text
    assert str(Path.home()) not in text
    assert any("started" in line for line in document["log"])
    assert document["screens"][0]["platform"] == "offscreen"


def test_diagnostics_that_cannot_be_saved_are_said(
    menu: HelpMenu, window: MainWindow, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr(window, "notify", told.append)
    menu.save_diagnostics(tmp_path / "no" / "folder" / "saved.json")
    wait_for(qtbot, lambda: told != [])
    assert told[0].startswith(texts.guide.diagnostics_failed(""))


def test_the_pages_show_keys_privacy_and_log(menu: HelpMenu, log_file: Path, tmp_path: Path) -> None:
    keys = menu.show_keys().content
    assert isinstance(keys, QTableWidget)
    shown = [item.text() for row in range(keys.rowCount()) if (item := keys.item(row, 0)) is not None]
    assert {"F1", "Ctrl+O", "Esc"} <= set(shown)
    privacy = menu.show_privacy().content
    assert isinstance(privacy, QPlainTextEdit)
    assert "Nothing is sent." in privacy.toPlainText()
    assert str(tmp_path / "settings.toml") in privacy.toPlainText()
    shown_log = menu.show_log().content
    assert isinstance(shown_log, QPlainTextEdit)
    assert shown_log.toPlainText().splitlines() == last_lines(log_file)
    about = menu.show_about().content
    assert isinstance(about, QPlainTextEdit)
    assert __version__ in about.toPlainText()


def test_the_tray_keeps_the_program_only_where_there_is_one(
    window: MainWindow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a notification area, as here, closing ends it even when the icon is wanted."""
    tray = Tray(window, CaptureFlow(window), QIcon())
    tray.set_shown(True)
    assert not tray.holds
    monkeypatch.setattr(Tray, "holds", True)

    class FromTheDesktop(QCloseEvent):
        def spontaneous(self) -> bool:
            return True

    event = FromTheDesktop()
    assert tray.eventFilter(window, event)
    assert not event.isAccepted()
    assert not window.isVisible()
    assert not tray.eventFilter(window, QCloseEvent())  # Quit in the menu
