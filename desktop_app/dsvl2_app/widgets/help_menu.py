"""The help menu: keys, privacy, log, diagnostics, and what this program is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, Qt
from PySide6.QtGui import QGuiApplication, QKeySequence
from PySide6.QtWidgets import (
    QDialog,
    QFileDialog,
    QHBoxLayout,
    QHeaderView,
    QPlainTextEdit,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from dsvl2_app.background import Background
from dsvl2_app.diagnostics import last_lines, save_diagnostics
from dsvl2_app.settings_keeper import SettingsKeeper
from dsvl2_app.texts import guide as texts
from dsvl2_app.texts.mnemonics import plain
from dsvl2_app.widgets import controls, theme
from dsvl2_app.widgets.main_window import MainWindow
from dsvl2_app.widgets.settings.keys_page import actions_with_keys
from dsvl2_runtime import __version__

DIAGNOSTICS = "dsvl2-onnx-diagnostics.json"
PAGE_SIZE = (640, 460)


class HelpPage(QDialog):
    """A page of text, or a table, with buttons below."""

    def __init__(self, title: str, content: QWidget, copied: str | None, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle(title)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.content = content
        buttons = QHBoxLayout()
        buttons.addStretch(1)
        if copied is not None:
            copy = controls.button(texts.copy(), "copy")
            copy.clicked.connect(lambda: QGuiApplication.clipboard().setText(copied))
            buttons.addWidget(copy)
        close = controls.button(texts.close(), kind="primary")
        close.clicked.connect(self.close)
        buttons.addWidget(close)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(theme.LARGE, theme.LARGE, theme.LARGE, theme.LARGE)
        layout.setSpacing(theme.NORMAL)
        layout.addWidget(content, 1)
        layout.addLayout(buttons)
        width, height = PAGE_SIZE
        self.resize(min(width, parent.width()), min(height, parent.height()))


class HelpMenu(QObject):
    """Fills the menu of a window.

    Args:
        window: whose menu it is.
        keeper: of its settings.
        places: what is kept where, for the page about privacy.
        log_file: of the window.
    """

    def __init__(
        self, window: MainWindow, keeper: SettingsKeeper, places: Sequence[tuple[str, Path]], log_file: Path
    ) -> None:
        super().__init__(window)
        self._window, self._keeper, self._places, self._log_file = window, keeper, places, log_file
        self._background = Background("diagnostics", self)
        self._background.failed.connect(lambda error: window.notify(texts.diagnostics_failed(error.message)))
        menu = window.menu("help")
        for text, icon, slot in (
            (texts.keys_entry(), "keyboard", self.show_keys),
            (texts.privacy_entry(), "shield-check", self.show_privacy),
            (texts.log_entry(), "file-text", self.show_log),
            (texts.diagnostics_entry(), "file-down", self.choose_diagnostics),
            (texts.about_entry(), "info", self.show_about),
        ):
            action = menu.addAction(text)
            theme.set_icon(action, icon, "muted")
            action.triggered.connect(slot)
        menu.actions()[0].setShortcut(QKeySequence("F1"))

    def show_keys(self) -> HelpPage:
        """All keys, with those that the user has changed."""
        shown = QKeySequence.SequenceFormat.NativeText
        rows = [
            (action.shortcut().toString(shown), plain(action.text()).removesuffix("…"))
            for action in actions_with_keys(self._window)
            if not action.shortcut().isEmpty()
        ]
        rows = [*texts.fixed_keys(), *dict.fromkeys(rows)]
        table = QTableWidget(len(rows), 2)
        table.setAccessibleName(plain(texts.keys_entry()))
        table.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
        table.setSelectionBehavior(QTableWidget.SelectionBehavior.SelectRows)
        table.verticalHeader().hide()
        table.horizontalHeader().hide()
        table.horizontalHeader().setSectionResizeMode(0, QHeaderView.ResizeMode.ResizeToContents)
        table.horizontalHeader().setSectionResizeMode(1, QHeaderView.ResizeMode.Stretch)
        table.setShowGrid(False)
        for number, row in enumerate(rows):
            for column, text in enumerate(row):
                table.setItem(number, column, QTableWidgetItem(text))
        return self._show(texts.keys_entry(), table, None)

    def show_privacy(self) -> HelpPage:
        """What is kept where, and that nothing is sent."""
        places = "\n".join(texts.place(what, str(path)) for what, path in self._places)
        return self._show_text(texts.privacy_entry(), texts.privacy(places))

    def show_log(self) -> HelpPage:
        """The log as it is now, its end in view."""
        lines = "\n".join(last_lines(self._log_file)) or texts.empty_log()
        page = self._show_text(texts.log_entry(), lines)
        assert isinstance(page.content, QPlainTextEdit)  # noqa: S101 - for mypy
        page.content.setToolTip(texts.log_hint())
        page.content.moveCursor(page.content.textCursor().MoveOperation.End)
        return page

    def show_about(self) -> HelpPage:
        """Name, version, purpose."""
        return self._show_text(texts.about_entry(), texts.about(__version__))

    def choose_diagnostics(self) -> None:
        """Let the user choose where the file goes."""
        title = plain(texts.diagnostics_entry())
        name, _ = QFileDialog.getSaveFileName(self._window, title, DIAGNOSTICS, texts.json_files())
        if name:
            self.save_diagnostics(Path(name))

    def save_diagnostics(self, path: Path) -> None:
        """Write the file on a thread, then say so."""
        settings, log_file, screens = self._keeper.settings, self._log_file, describe_screens()
        self._background.run(
            lambda: save_diagnostics(path, settings, log_file, screens),
            lambda _: self._window.notify(texts.diagnostics_saved(str(path))),
        )

    def _show_text(self, title: str, text: str) -> HelpPage:
        content = QPlainTextEdit(text)
        content.setReadOnly(True)
        content.setTabChangesFocus(True)
        content.setAccessibleName(plain(title))
        return self._show(title, content, text)

    def _show(self, title: str, content: QWidget, copied: str | None) -> HelpPage:
        page = HelpPage(plain(title).removesuffix("…"), content, copied, self._window)
        page.show()
        return page


def describe_screens() -> list[dict[str, Any]]:
    """Sizes and scale factors, and Qt's platform."""
    return [
        {
            "platform": QGuiApplication.platformName(),
            "size": [screen.size().width(), screen.size().height()],
            "scale": screen.devicePixelRatio(),
        }
        for screen in QGuiApplication.screens()
    ]
