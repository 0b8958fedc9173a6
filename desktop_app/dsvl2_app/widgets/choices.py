"""Applies the settings to a window, at its start and whenever one is changed, and opens their dialog."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from PySide6.QtCore import QObject
from PySide6.QtGui import QKeySequence

from dsvl2_app import texts
from dsvl2_app.history_client import History
from dsvl2_app.settings_keeper import SettingsKeeper
from dsvl2_app.state.settings import Settings
from dsvl2_app.widgets import theme
from dsvl2_app.widgets.main_window import MainWindow
from dsvl2_app.widgets.settings.dialog import SettingsDialog
from dsvl2_app.widgets.settings.keys_page import actions_with_keys, apply_keys


class Choices(QObject):
    """Of one window."""

    def __init__(
        self,
        window: MainWindow,
        keeper: SettingsKeeper,
        history: History,
        open_models: Callable[[], object] = lambda: None,
    ) -> None:
        super().__init__(window)
        self._open_models = open_models
        self._window, self._keeper, self._history = window, keeper, history
        self._applied = keeper.settings
        self.dialog: SettingsDialog | None = None
        action = window.menu("file").addAction(texts.settings.menu_entry())
        theme.set_icon(action, "settings", "muted")
        action.setShortcut(QKeySequence("Ctrl+,"))
        action.triggered.connect(self.open_dialog)
        window.status.settings_button.clicked.connect(self.open_dialog)
        keeper.changed.connect(self._apply)
        keeper.not_saved.connect(lambda reason: window.notify(texts.settings.not_saved(reason)))
        history.private_changed.connect(lambda is_private: keeper.change(keeps_nothing=is_private))
        self._set_options(keeper.settings)
        if keeper.problem:
            window.notify(texts.settings.not_read(keeper.problem))

    def apply_keys(self) -> None:
        """Give all actions their keys, once every part of the window has added its own."""
        apply_keys(self._window, dict(self._keeper.settings.keys))

    def open_dialog(self) -> SettingsDialog:
        """Show it, made anew, because what it shows may have changed elsewhere."""
        if self.dialog is not None:
            self.dialog.close()
            self.dialog.deleteLater()
        self.dialog = SettingsDialog(self._keeper, self._history, actions_with_keys(self._window), self._window)
        self.dialog.model.models_asked.connect(self._open_models)
        privacy = self.dialog.privacy
        privacy.private_asked.connect(self._window.sidebar.private.setChecked)
        privacy.everything_deleted.connect(self._after_deletion)
        self.dialog.show()
        return self.dialog

    def _after_deletion(self) -> None:
        self._window.session.new_conversation()
        self._window.sidebar.read_again()

    def _apply(self, settings: Settings) -> None:
        before, self._applied = self._applied, settings
        self._set_options(settings)
        if settings.threads != before.threads:
            load = self._window.engine.load
            self._window.session.use_model(replace(load, threads=settings.threads or None))

    def _set_options(self, settings: Settings) -> None:
        session = self._window.session
        session.options = replace(
            session.options, max_new_tokens=settings.longest_answer, temperature=settings.temperature
        )
        session.looks_again = settings.looks_again
