"""Settings in a file, and the dialog that changes them."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PySide6.QtCore import Qt
from PySide6.QtGui import QAction, QGuiApplication, QKeySequence
from PySide6.QtWidgets import QAbstractButton, QMainWindow, QMessageBox
from pytestqt.qtbot import QtBot

from dsvl2_app import texts
from dsvl2_app.history_client import History
from dsvl2_app.settings_keeper import SettingsKeeper
from dsvl2_app.state.history.store import Store
from dsvl2_app.state.settings import Settings, load_settings, save_settings, to_toml
from dsvl2_app.widgets import theme
from dsvl2_app.widgets.settings.dialog import SettingsDialog
from dsvl2_app.widgets.settings.keys_page import GRAB_COMMAND, actions_with_keys, apply_keys
from dsvl2_runtime.errors import ResourceError, UsageError
from histories import content, kept, new_id, turn, with_image
from windows import PATIENCE, wait_for


def test_settings_come_back_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "new" / "settings.toml"
    settings = Settings(
        "zh_CN", True, 3, 100, 0.5, False, True, True, True, "C:\\models\\“a”", ("/b", "é\n"), {"Ctrl+O": ""}
    )
    assert load_settings(path) == Settings()
    save_settings(path, settings)
    assert load_settings(path) == settings
    assert [file.name for file in path.parent.iterdir()] == ["settings.toml"]


@given(
    st.dictionaries(st.text(), st.text(), max_size=3),
    st.lists(st.text(), max_size=3),
    st.integers(-(2**60), 2**60),
    st.floats(allow_nan=False, allow_infinity=False),
)
def test_what_is_written_is_toml(table: dict[str, str], names: list[str], whole: int, number: float) -> None:
    values = {"keys": table, "names": names, "whole": whole, "number": number, "is": True}
    read = tomllib.loads(to_toml(values))
    storable = {_storable(key): _storable(value) for key, value in table.items()}
    assert read == {**values, "keys": storable, "names": [_storable(name) for name in names]}


def _storable(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")


@pytest.mark.parametrize(
    "text", ["threads = -1", "unknown = 1", "threads = ", 'language = "klingon"', "\x00", "threads = 1.5", "keys = 3"]
)
def test_a_file_that_is_wrong_is_told_and_kept(tmp_path: Path, text: str) -> None:
    path = tmp_path / "settings.toml"
    path.write_text(text, "utf-8")
    with pytest.raises(UsageError, match=r"settings\.toml.*remove it"):
        load_settings(path)
    keeper = SettingsKeeper(path)
    assert keeper.settings == Settings()
    assert "settings.toml" in keeper.problem
    keeper.change(threads=2)
    keeper.wait_until_gone()
    assert load_settings(path).threads == 2
    assert (tmp_path / "settings.unreadable.toml").read_text("utf-8") == text


def test_a_file_that_cannot_be_written_is_told(qtbot: QtBot, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    path = tmp_path / "file" / "settings.toml"
    with pytest.raises(ResourceError):
        save_settings(path, Settings())
    keeper = SettingsKeeper(path)
    with qtbot.waitSignal(keeper.not_saved, timeout=PATIENCE):
        keeper.change(threads=1)
    keeper.wait_until_gone()


@pytest.fixture
def history(tmp_path: Path) -> Iterator[History]:
    path, digest = content(tmp_path, 1)
    with Store(tmp_path / "history") as store:
        kept(store, "What is the total?")
        store.save_turn(new_id(), "t", with_image(turn(), digest), {digest: path})
    made = History(tmp_path / "history")
    yield made
    made.close()
    made.wait_until_gone(PATIENCE / 1000)


@pytest.fixture
def window(qtbot: QtBot) -> QMainWindow:
    """With two actions that have keys, and one that has none."""
    made = QMainWindow()
    qtbot.addWidget(made)
    menu = made.menuBar().addMenu("&File")
    for text, keys in (("&Open…", "Ctrl+O"), ("&New", "Ctrl+N"), ("&Other", "")):
        menu.addAction(text).setShortcut(QKeySequence(keys))
    return made


@pytest.fixture
def dialog(qtbot: QtBot, keeper: SettingsKeeper, history: History, window: QMainWindow) -> Iterator[SettingsDialog]:
    theme.apply("light", 100)
    made = SettingsDialog(keeper, history, actions_with_keys(window), window)
    made.show()
    yield made
    made.close()
    theme.apply("system", 100)


def action(window: QMainWindow, name: str) -> QAction:
    return next(found for found in window.findChildren(QAction) if name in found.text())


def test_every_change_is_written_at_once(dialog: SettingsDialog, keeper: SettingsKeeper) -> None:
    dialog.general.language.setCurrentIndex(2)
    dialog.general.opens_last.click()
    dialog.model.threads.setValue(1)
    dialog.model.longest.setValue(99)
    dialog.model.temperature.setValue(0.3)
    dialog.keys.tray.click()
    keeper.wait_until_gone()
    assert keeper.path is not None
    expected = Settings("zh_CN", True, 1, 99, 0.3, tray=True)
    assert load_settings(keeper.path) == keeper.settings == expected


def test_theme_and_text_size_change_at_once(dialog: SettingsDialog) -> None:
    dialog.general.theme.setCurrentIndex(2)
    dialog.general.text_size.setValue(15)
    assert (theme.choice(), theme.text_percent()) == ("dark", 150)


def test_every_key_can_be_another_one_or_none(
    dialog: SettingsDialog, keeper: SettingsKeeper, window: QMainWindow, qtbot: QtBot
) -> None:
    first, second = dialog.keys.rows
    dialog.show_page(dialog.keys)
    first.field.setFocus()
    qtbot.keyClick(first.field, Qt.Key.Key_K, Qt.KeyboardModifier.ControlModifier)
    first.field.editingFinished.emit()
    assert action(window, "Open").shortcut() == QKeySequence("Ctrl+K")
    second.field.setKeySequence(QKeySequence("Ctrl+K"))
    second.field.editingFinished.emit()
    assert dialog.keys.told.text() == texts.settings.key_in_use("Open")
    assert action(window, "New").shortcut() == QKeySequence("Ctrl+N")
    clear, usual = (
        next(button for button in dialog.keys.findChildren(QAbstractButton) if button.accessibleName() == name)
        for name in (texts.settings.clear_key(), texts.settings.usual_key())
    )
    clear.click()
    assert action(window, "Open").shortcut() == QKeySequence()
    assert keeper.settings.keys == {"Ctrl+O": ""}
    usual.click()
    assert action(window, "Open").shortcut() == QKeySequence("Ctrl+O")
    assert keeper.settings.keys == {}


def test_chosen_keys_hold_in_the_next_window(window: QMainWindow) -> None:
    apply_keys(window, {"Ctrl+O": "Ctrl+K", "Ctrl+N": "", "Ctrl+X": "Ctrl+Y"})
    assert action(window, "Open").shortcut() == QKeySequence("Ctrl+K")
    assert action(window, "New").shortcut() == QKeySequence()
    apply_keys(window, {})
    assert action(window, "New").shortcut() == QKeySequence("Ctrl+N")


def test_the_command_for_the_desktop_is_copied(dialog: SettingsDialog) -> None:
    dialog.keys.copy.click()
    assert QGuiApplication.clipboard().text() == GRAB_COMMAND
    QGuiApplication.clipboard().clear()


def test_what_is_kept_is_told_and_deleted_when_it_is_confirmed(
    dialog: SettingsDialog, history: History, qtbot: QtBot
) -> None:
    page = dialog.privacy
    wait_for(qtbot, lambda: "MB" in page.kept.text())
    for name, is_left in ((texts.settings.cancel(), True), (texts.settings.delete_now(), False)):
        page.ask_to_delete()
        box = page.findChildren(QMessageBox)[-1]
        next(button for button in box.buttons() if button.text() == name).click()
        counts: list[int] = []
        history.ask(lambda store: len(store.page().summaries), counts.append)
        wait_for(qtbot, lambda counts=counts: bool(counts))  # type: ignore[misc]
        assert bool(counts[0]) == is_left
    assert page.kept.text() == texts.settings.deleted()
    assert not any((history.worker.folder / "pictures").glob("*"))


def test_every_setting_has_a_name_and_a_sentence_for_screen_readers(dialog: SettingsDialog) -> None:
    controls = [
        *(dialog.general.language, dialog.general.theme, dialog.general.text_size, dialog.general.opens_last),
        *(dialog.model.threads, dialog.model.longest, dialog.model.temperature, dialog.keys.tray, dialog.privacy.keeps),
    ]
    for control in controls:
        assert control.accessibleName()
        assert control.accessibleDescription().endswith(".")
    assert dialog.pages.count() == 5
