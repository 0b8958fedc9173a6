"""Settings take effect in the window."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QKeySequence
from pytestqt.qtbot import QtBot

from dsvl2_app import texts
from dsvl2_app.history_client import History
from dsvl2_app.settings_keeper import SettingsKeeper
from dsvl2_app.widgets.choices import Choices
from dsvl2_app.widgets.keeping import Keeping
from dsvl2_app.widgets.main_window import MainWindow
from windows import PATIENCE, ask, wait_for


@pytest.fixture
def choices(window: MainWindow, keeper: SettingsKeeper, tmp_path: Path) -> Iterator[Choices]:
    history = History(tmp_path / "history")
    keeping = Keeping(window, history)
    yield Choices(window, keeper, history)
    keeping.close()
    keeping.wait_until_gone(PATIENCE / 1000)


def test_the_next_answer_is_as_long_as_was_chosen(
    window: MainWindow, choices: Choices, keeper: SettingsKeeper, qtbot: QtBot
) -> None:
    dialog = choices.open_dialog()
    dialog.model.longest.setValue(2)
    ask(window, qtbot, "What?")
    wait_for(qtbot, lambda: not window.session.turns[-1].is_open)
    assert getattr(window.session.turns[-1].end, "tokens", None) == 2


def test_other_threads_load_the_model_again(window: MainWindow, choices: Choices, qtbot: QtBot) -> None:
    wait_for(qtbot, lambda: window.session.engine_state == "ready")
    first = window.engine.process_id
    choices.open_dialog().model.threads.setValue(1)
    wait_for(qtbot, lambda: window.session.engine_state == "ready" and window.engine.process_id != first)
    assert window.engine.load.threads == 1


def test_private_mode_is_one_switch_in_two_places_and_is_kept(
    window: MainWindow, choices: Choices, keeper: SettingsKeeper, qtbot: QtBot
) -> None:
    dialog = choices.open_dialog()
    assert dialog.privacy.keeps.isChecked()
    dialog.privacy.keeps.click()
    assert window.sidebar.private.isChecked()
    assert keeper.settings.keeps_nothing
    qtbot.mouseClick(window.sidebar.private, Qt.MouseButton.LeftButton)
    assert dialog.privacy.keeps.isChecked()
    assert not keeper.settings.keeps_nothing


def test_deleting_everything_begins_anew(window: MainWindow, choices: Choices, qtbot: QtBot) -> None:
    ask(window, qtbot, "What?")
    wait_for(qtbot, lambda: not window.session.turns[-1].is_open)
    wait_for(qtbot, lambda: window.sidebar.list.model().rowCount() == 2)
    choices.open_dialog().privacy.delete_everything()
    wait_for(qtbot, lambda: window.session.turns == [])
    wait_for(qtbot, lambda: window.sidebar.list.model().rowCount() == 0)


def test_the_settings_are_opened_by_key_and_button(window: MainWindow, choices: Choices, qtbot: QtBot) -> None:
    window.status.settings_button.click()
    first = choices.dialog
    assert first is not None and first.isVisible()
    actions = window.menu("file").actions()
    (action,) = (found for found in actions if found.text() == texts.settings.menu_entry())
    assert action.shortcut() == QKeySequence("Ctrl+,")
    action.trigger()
    assert choices.dialog is not first


def test_keys_that_were_chosen_hold(window: MainWindow, choices: Choices, keeper: SettingsKeeper) -> None:
    keeper.change(keys={"Ctrl+,": "Ctrl+J"})
    choices.apply_keys()
    (action,) = (found for found in window.menu("file").actions() if found.text() == texts.settings.menu_entry())
    assert action.shortcut() == QKeySequence("Ctrl+J")
