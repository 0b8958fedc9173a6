"""The page with all models."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QFileDialog, QHBoxLayout, QMessageBox, QScrollArea, QVBoxLayout, QWidget

from dsvl2_app import texts
from dsvl2_app.background import Background
from dsvl2_app.settings_keeper import SettingsKeeper
from dsvl2_app.state.models import KnownModel, delete_bundle, kind_of, known_folders, look_at, verify
from dsvl2_app.state.session import ChatSession
from dsvl2_app.texts.mnemonics import plain
from dsvl2_app.widgets import controls, theme
from dsvl2_app.widgets.models.model_row import ModelRow
from dsvl2_runtime.bundle.model_names import models_folder
from dsvl2_runtime.engine.protocol import Load
from dsvl2_runtime.engine.wire_error import WireError, wire_error
from dsvl2_runtime.errors import Dsvl2Error


class ModelList(QWidget):
    """Rows, looked at on a thread."""

    conversion_asked = Signal(Path)
    """The folder of a checkpoint."""

    def __init__(
        self, keeper: SettingsKeeper, session: ChatSession, load: Callable[[], Load], parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._keeper, self._session, self._load = keeper, session, load
        self._work = Background("models", self)
        self.rows: list[ModelRow] = []
        self._look = 0
        """Number of the last look; what an earlier one finds is not shown any more."""
        self.told = controls.label(texts.models.looking(), "muted", wraps=True)
        self._work.failed.connect(lambda error: self._tell(texts.errors.message(error)))
        self.add = controls.button(texts.models.add(), "plus", "primary")
        self.add.clicked.connect(self.choose_folder)
        column = QWidget()
        self._column = QVBoxLayout(column)
        self._column.setContentsMargins(0, 0, theme.SMALL, 0)
        self._column.setSpacing(theme.NORMAL)
        self._column.addStretch(1)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QScrollArea.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setWidget(column)
        below = QHBoxLayout()
        below.addWidget(controls.label(texts.models.add_sentence(), "muted", "small", wraps=True), 1)
        below.addWidget(self.add)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(theme.LARGE, theme.LARGE, theme.LARGE, theme.LARGE)
        layout.setSpacing(theme.NORMAL)
        layout.addWidget(self.told)
        layout.addWidget(scroll, 1)
        layout.addLayout(below)
        self.look_again()

    def look_again(self) -> None:
        """Look at all folders, one after the other; each row appears when its model was looked at."""
        for row in self.rows:
            self._column.removeWidget(row)
            row.deleteLater()
        self.rows = []
        self._look += 1
        self._tell(texts.models.looking())
        self._work.run(lambda: known_folders(self._keeper.settings.models), partial(self._look_at, self._look))

    def _tell(self, text: str) -> None:
        self.told.setText(text)
        self.told.show()

    def close_work(self) -> None:
        """Look at no more models; what else was asked for is still done."""
        self._look += 1
        self._work.close()

    def choose_folder(self) -> None:
        """Let the user say where a model is."""
        folder = QFileDialog.getExistingDirectory(self, plain(texts.models.add()).replace("…", ""))
        if folder:
            self.add_folder(Path(folder))

    def add_folder(self, folder: Path) -> None:
        """Add a bundle, or ask for the conversion of a checkpoint."""
        self._work.run(lambda: kind_of(folder), lambda kind: self._add(folder, kind))

    def use(self, model: KnownModel) -> None:
        """Load it in place of the one that is there, now and at the next start."""
        self._keeper.change(model="" if model.is_demo else str(model.folder))
        self._session.use_model(replace(self._load(), model=str(model.folder), force=False))
        self.show_use()

    def show_use(self) -> None:
        """Which of them is loaded."""
        loaded, state = Path(self._load().model), self._session.engine_state
        for row in self.rows:
            is_this = row.model.folder == loaded
            text = texts.models.use()
            if is_this and state in ("ready", "loading"):
                text = texts.models.in_use() if state == "ready" else texts.models.loading()
            row.set_use(text, text == texts.models.use())
            row.remove.setEnabled(not is_this)

    def _look_at(self, look: int, folders: list[Path]) -> None:
        if look == self._look:
            for folder in folders:
                self._work.run(partial(self._look_if_wanted, look, folder), self._show)
            self._work.run(lambda: look, self._end_look)

    def _look_if_wanted(self, look: int, folder: Path) -> KnownModel | None:
        return look_at(folder) if look == self._look else None

    def _end_look(self, look: int) -> None:
        if look == self._look and self.told.text() == texts.models.looking():  # and not an error
            self.told.setText("")
            self.told.hide()

    def _show(self, model: KnownModel | None) -> None:
        if model is None or model.folder in [row.model.folder for row in self.rows]:
            return
        row = ModelRow(model)
        row.use_asked.connect(lambda: self.use(model))
        row.verify_asked.connect(lambda: self._verify(row))
        row.remove_asked.connect(lambda: self._ask_to_remove(row))
        self.rows.append(row)
        self._column.insertWidget(self._column.count() - 1, row)
        self.show_use()

    def _add(self, folder: Path, kind: str) -> None:
        if kind == "bundle":
            others = [known for known in self._keeper.settings.models if known != str(folder)]
            self._keeper.change(models=(*others, str(folder)))
            self.look_again()
        elif kind == "checkpoint":
            self.conversion_asked.emit(folder)
        else:
            self._tell(texts.models.neither(folder))

    def _verify(self, row: ModelRow) -> None:
        folder = row.model.folder
        row.verify.setEnabled(False)
        row.show_state(texts.models.verifying(0, 1))

        def on_progress(done: int, total: int) -> None:
            self._work.send(partial(self._show_state, row), texts.models.verifying(done, total))

        def work() -> int | WireError:
            try:
                return verify(folder, on_progress)
            except Dsvl2Error as error:
                return wire_error(error)

        def after(found: int | WireError) -> None:
            if isinstance(found, WireError):
                self._show_state(row, texts.errors.message(found), is_error=True)
            else:
                self._show_state(row, texts.models.verified(found))
            if row in self.rows:
                row.verify.setEnabled(True)

        self._work.run(work, after)

    def _show_state(self, row: ModelRow, text: str, *, is_error: bool = False) -> None:
        if row in self.rows:  # the list may have been looked at anew, which deletes its rows
            row.show_state(text, is_error=is_error)

    def _ask_to_remove(self, row: ModelRow) -> None:
        box = QMessageBox(self)
        box.setText(texts.models.remove_question(row.model))
        delete = box.addButton(texts.models.delete_files(), QMessageBox.ButtonRole.DestructiveRole)
        forget = None
        if row.model.folder.parent != models_folder():  # what lies there is listed as long as it is there
            forget = box.addButton(texts.models.forget(), QMessageBox.ButtonRole.ActionRole)
        box.setDefaultButton(box.addButton(texts.models.cancel(), QMessageBox.ButtonRole.RejectRole))

        def answered() -> None:
            if box.clickedButton() in (delete, *([forget] if forget is not None else [])):
                self.remove(row.model, deletes_files=box.clickedButton() is delete)

        box.finished.connect(answered)
        box.open()

    def remove(self, model: KnownModel, *, deletes_files: bool) -> None:
        """Forget a model that was added; its files go if that is wanted, and what cannot be deleted stays known."""
        if deletes_files:
            self._work.run(lambda: delete_bundle(model.folder), lambda _: self._forget(model))
        else:
            self._forget(model)

    def _forget(self, model: KnownModel) -> None:
        kept = tuple(known for known in self._keeper.settings.models if Path(known) != model.folder)
        self._keeper.change(models=kept)
        self.look_again()
