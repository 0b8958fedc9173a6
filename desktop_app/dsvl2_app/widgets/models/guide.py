"""Leads to the models: from the status bar, from a card at the first start, and from a model that is not there."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QBoxLayout, QFileDialog, QHBoxLayout, QVBoxLayout

from dsvl2_app import texts
from dsvl2_app.converter import Converter
from dsvl2_app.settings_keeper import SettingsKeeper
from dsvl2_app.state.models import KnownModel, demo_folder
from dsvl2_app.state.session import Change
from dsvl2_app.texts.mnemonics import plain
from dsvl2_app.widgets import controls, theme
from dsvl2_app.widgets.main_window import MainWindow
from dsvl2_app.widgets.models.dialog import ModelDialog
from dsvl2_runtime.engine.wire_error import WireError


class Guide(QObject):
    """Of one window."""

    def __init__(self, window: MainWindow, keeper: SettingsKeeper) -> None:
        super().__init__(window)
        self._window, self._session, self._keeper = window, window.session, keeper
        self._demo = demo_folder()
        self.converter = Converter(self)
        self.dialog: ModelDialog | None = None
        self.converting = controls.button("", "refresh-cw", "flat")
        self.converting.clicked.connect(self.open_dialog)
        self.converting.hide()
        window.status.addPermanentWidget(self.converting)
        self.converter.changed.connect(self._show_conversion)
        self.card = controls.frame("card")
        self.set_up = controls.button(texts.models.set_up(), "cpu", "primary")
        self.keep = controls.button(texts.models.keep_demo())
        self.lost = controls.frame("error")
        self.lost_why = controls.label("", wraps=True)
        self.choose = controls.button(texts.models.choose_folder(), "folder-open")
        self.use_demo = controls.button(texts.models.use_demo())
        self._build_cards()
        self.note_set_up = controls.button(texts.models.set_up(), kind="flat")
        for button, slot in (
            (self.set_up, self.open_dialog),
            (self.keep, self._keep_demo),
            (self.note_set_up, self.open_dialog),
            (self.choose, self._choose),
            (self.use_demo, self._use_demo),
        ):
            button.clicked.connect(slot)
        window.note.add_button(self.note_set_up)
        self.note_set_up.hide()
        window.status.model_button.clicked.connect(self.open_dialog)
        action = window.menu("file").addAction(texts.models.menu_entry())
        theme.set_icon(action, "cpu", "muted")
        action.triggered.connect(self.open_dialog)
        self._show = window.session.on_change
        window.session.on_change = self._take
        window.low_changed.connect(self._take_status)
        self._take_status()

    def open_dialog(self) -> ModelDialog:
        """Show the models."""
        if self.dialog is not None:
            self.dialog.close_work()
            self.dialog.close()
            self.dialog.deleteLater()
        engine = self._window.engine
        self.dialog = ModelDialog(self._keeper, self._session, lambda: engine.load, self.converter, self._window)
        self.dialog.show()
        return self.dialog

    def close(self) -> None:
        """End what goes on; a conversion keeps what it has finished."""
        self.converter.close()
        if self.dialog is not None:
            self.dialog.close_work()

    def use_folder(self, folder: Path) -> None:
        """Add a folder that a user has chosen, and show the models."""
        self.open_dialog().list.add_folder(folder)

    @property
    def _is_demo(self) -> bool:
        return Path(self._window.engine.load.model) == self._demo

    def _build_cards(self) -> None:
        """Above the conversation: what the demonstration is, and why a model was not loaded."""
        for card, heading, words, buttons in (
            (
                self.card,
                controls.label(texts.models.demo_heading(), size="heading"),
                controls.label(texts.models.demo_sentence(), "muted", wraps=True),
                (self.set_up, self.keep),
            ),
            (self.lost, None, self.lost_why, (self.choose, self.use_demo)),
        ):
            layout = QVBoxLayout(card)
            layout.setContentsMargins(theme.LARGE, theme.LARGE, theme.LARGE, theme.LARGE)
            if heading is not None:
                layout.addWidget(heading)
            layout.addWidget(words)
            row = QHBoxLayout()
            for button in buttons:
                row.addWidget(button)
            row.addStretch(1)
            layout.addLayout(row)
            pane = self._window.note.parentWidget()
            column = pane.layout() if pane is not None else None
            if isinstance(column, QBoxLayout):
                column.insertWidget(0, card)
            card.hide()

    def _take(self, change: Change) -> None:
        self._show(change)
        if change == "status":
            self._take_status()

    def _take_status(self) -> None:
        session, note = self._session, self._window.note
        failure = session.failure if session.engine_state == "failed" else None
        is_lost = isinstance(failure, WireError)
        if isinstance(failure, WireError):
            self.lost_why.setText(texts.models.not_loaded(failure))
        self.lost.setVisible(is_lost)
        self.use_demo.setVisible(not self._is_demo)
        is_ready_demo = session.engine_state == "ready" and self._is_demo
        is_first = is_ready_demo and not self._keeper.settings.knows_demo
        has_card = is_first and not self._window.is_low
        self.card.setVisible(has_card)
        self.note_set_up.setVisible(is_ready_demo)
        if has_card or is_lost:
            note.hide()  # the card says the same, and what can be done
        if self.dialog is not None and self.dialog.isVisible():
            self.dialog.list.show_use()

    def _show_conversion(self) -> None:
        """In the status bar as long as it runs, also while the dialog is closed."""
        conversion = self.converter.conversion
        if conversion is not None:
            self.converting.setText(texts.models.conversion_state(conversion) if conversion.is_running else "")
            self.converting.setVisible(conversion.is_running)

    def _keep_demo(self) -> None:
        self._keeper.change(knows_demo=True)
        self.card.hide()

    def _use_demo(self) -> None:
        dialog = self.open_dialog()
        dialog.hide()
        dialog.list.use(KnownModel(self._demo, "demo", is_demo=True))

    def _choose(self) -> None:
        folder = QFileDialog.getExistingDirectory(self._window, plain(texts.models.choose_folder()).replace("…", ""))
        if folder:
            self.use_folder(Path(folder))
