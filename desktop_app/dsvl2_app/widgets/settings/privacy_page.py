"""What is kept, where, how much, and how to delete all of it."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QUrl, Signal
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QMessageBox, QWidget

from dsvl2_app import texts
from dsvl2_app.history_client import History
from dsvl2_app.widgets import controls
from dsvl2_app.widgets.settings.page import Page, switch


class PrivacyPage(Page):
    """Of a history."""

    private_asked = Signal(bool)
    everything_deleted = Signal()

    def __init__(self, history: History, parent: QWidget | None = None) -> None:
        super().__init__(texts.settings.privacy(), parent)
        self._history = history
        self.keeps = switch(not history.is_private, lambda is_on: self.private_asked.emit(not is_on))
        history.private_changed.connect(lambda is_private: self.keeps.setChecked(not is_private))
        self.add_row(*texts.settings.keeps(), self.keeps)
        self.kept = controls.label("", "muted", "small", wraps=True)
        self.folder = controls.button(texts.settings.open_folder(), "folder-open")
        self.folder.clicked.connect(lambda: open_folder(history.worker.folder))
        self.add_row(texts.settings.folder(), str(history.worker.folder), self.folder)
        self.add(self.kept)
        self.delete = controls.button(texts.settings.delete_everything(), "trash-2")
        self.delete.clicked.connect(self.ask_to_delete)
        self.add_row(texts.settings.delete_now(), texts.settings.delete_sentence(), self.delete)
        self.add_row(*texts.settings.network())
        self.show_size()

    def show_size(self) -> None:
        """Count in the thread of the database; in private mode nothing is open to be counted."""
        self._history.ask(
            lambda store: store.size(),
            lambda size: self.kept.setText(texts.settings.size_of_everything(texts.history.size(size))),
            key="size",
        )

    def ask_to_delete(self) -> None:
        """Ask once, because nothing brings it back."""
        box = QMessageBox(self)
        box.setIcon(QMessageBox.Icon.Warning)
        box.setText(texts.settings.delete_question())
        delete = box.addButton(texts.settings.delete_now(), QMessageBox.ButtonRole.DestructiveRole)
        box.setDefaultButton(box.addButton(texts.settings.cancel(), QMessageBox.ButtonRole.RejectRole))
        box.finished.connect(lambda _: self.delete_everything() if box.clickedButton() is delete else None)
        box.open()

    def delete_everything(self) -> None:
        """All conversations and pictures."""

        def after(_: object) -> None:
            self.kept.setText(texts.settings.deleted())
            self.everything_deleted.emit()

        self._history.ask(lambda store: store.delete_everything(), after)


def open_folder(folder: Path) -> None:
    """In the system's own program for files."""
    QDesktopServices.openUrl(QUrl.fromLocalFile(str(folder)))
