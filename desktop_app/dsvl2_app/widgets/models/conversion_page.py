"""The page that turns an official checkpoint into a model: what was found, what will be made, and how far it is."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QFileDialog, QGridLayout, QHBoxLayout, QPlainTextEdit, QProgressBar, QVBoxLayout, QWidget

from dsvl2_app import texts
from dsvl2_app.background import Background
from dsvl2_app.converter import Converter
from dsvl2_app.state.conversion import Conversion
from dsvl2_app.state.models import missing_extra, plan_conversion
from dsvl2_app.texts.mnemonics import plain
from dsvl2_app.widgets import controls, theme
from dsvl2_app.widgets.settings.page import choices
from dsvl2_runtime.bundle.export_plan import ExportPlan
from dsvl2_runtime.bundle.model_names import models_folder
from dsvl2_runtime.engine.wire_error import WireError

BAR_PARTS = 1000
"""More bytes than an int of Qt holds are shown as parts of a thousand."""


class ConversionPage(QWidget):
    """Of one checkpoint at a time."""

    back_asked = Signal()
    converted = Signal(Path)
    """The folder of a new bundle."""

    def __init__(self, converter: Converter, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._converter = converter
        converter.changed.connect(self._show_conversion)
        self._work = Background("plan a conversion", self)
        self._work.failed.connect(self._refuse)
        self._checkpoint, self._out = Path(), Path()
        self._told_done: Path | None = None
        self.plan: ExportPlan | None = None
        self.title = controls.label("", size="heading")
        self.found = controls.label("", wraps=True)
        self.makes = controls.label("", wraps=True)
        self.told = controls.label("", "error", wraps=True)
        self.precision = choices(texts.models.precisions(), "int4", lambda _: self._look())
        self.precision.setAccessibleName(texts.models.precision())
        self.out = controls.label("", "muted", "small", wraps=True)
        self.change = controls.button(texts.models.change_folder(), "folder-open")
        self.change.clicked.connect(self._choose_out)
        self.bars = [self._bar(name) for name in texts.models.steps()]
        self.state = controls.label("", "muted", wraps=True)
        self.start = controls.button(texts.models.convert(), "refresh-cw", "primary")
        self.start.setEnabled(False)
        self.start.clicked.connect(self._start)
        self.cancel = controls.button(texts.models.stop_converting(), "circle-stop")
        self.cancel.clicked.connect(converter.cancel)
        self.back = controls.button(texts.models.back())
        self.back.clicked.connect(self.back_asked)
        self.unfold = controls.button(texts.models.log(), "chevron-right", "flat")
        self.unfold.setCheckable(True)
        self.log = QPlainTextEdit()
        self.log.setReadOnly(True)
        self.log.setAccessibleName(plain(texts.models.log()))
        self.log.hide()
        self.unfold.toggled.connect(self.log.setVisible)
        self._arrange()

    def show_checkpoint(self, checkpoint: Path) -> None:
        """Look at a checkpoint and say what can be made of it."""
        self._checkpoint = checkpoint
        self._out = models_folder() / f"{checkpoint.name}-{self.precision.currentData()}"
        self.title.setText(texts.models.conversion_title(checkpoint))
        self._look()

    def close_work(self) -> None:
        """End the thread when it has looked."""
        self._work.close()

    def _look(self) -> None:
        if self._converter.is_running or not self._checkpoint.name:
            return
        checkpoint, precision = self._checkpoint, str(self.precision.currentData())
        if self._out.parent == models_folder():
            self._out = models_folder() / f"{checkpoint.name}-{precision}"
        out = self._out
        self.plan = None
        self.out.setText(str(out))
        self.found.setText(texts.models.looking())
        self.makes.setText("")
        self.told.setText("")
        self.start.setEnabled(False)
        extra = missing_extra()
        if extra is not None:
            self.found.setText("")
            self.told.setText(texts.models.extra_missing(extra))
            return
        self._work.run(lambda: plan_conversion(checkpoint, out, precision), self._show_plan)

    def _show_plan(self, plan: ExportPlan) -> None:
        self.plan = plan
        self.found.setText(texts.models.found(plan))
        made = [texts.models.will_make(plan), *([texts.models.resumable(plan)] if plan.done_bytes else [])]
        self.makes.setText(" ".join(made))
        self.told.setText("" if plan.fits_disk else texts.models.no_room(plan))
        self.start.setText(texts.models.resume() if plan.done_bytes else texts.models.convert())
        self.start.setEnabled(plan.fits_disk and not self._converter.is_running)

    def _refuse(self, error: WireError) -> None:
        self.found.setText("")
        self.told.setText(texts.errors.message(error))

    def _choose_out(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, texts.models.target())
        if folder:
            self._out = Path(folder) / f"{self._checkpoint.name}-{self.precision.currentData()}"
            self._look()

    def _start(self) -> None:
        self._told_done = None
        self._converter.start(Conversion(self._checkpoint, self._out, str(self.precision.currentData())))

    def _show_conversion(self) -> None:
        conversion = self._converter.conversion
        if conversion is None:
            return
        parts = conversion.done * BAR_PARTS // max(conversion.total, 1)
        first = {"converting": parts, "waiting": 0}.get(conversion.step, BAR_PARTS)
        if conversion.step in ("cancelled", "failed"):
            first = self.bars[0].value()
        second = {"verifying": parts, "done": BAR_PARTS}.get(conversion.step, 0)
        for bar, value in zip(self.bars, (first, second), strict=True):
            bar.setValue(value)
        self.state.setText(texts.models.conversion_state(conversion))
        controls.restyle(self.state, tone="error" if conversion.step == "failed" else "muted")
        self.start.setText(texts.models.resume() if conversion.step != "waiting" else texts.models.convert())
        self.start.setEnabled(not conversion.is_running and conversion.step != "done")
        self.cancel.setVisible(conversion.is_running)
        self.precision.setEnabled(not conversion.is_running)
        self.change.setEnabled(not conversion.is_running)
        text = "\n".join(conversion.log)
        if text != self.log.toPlainText():
            self.log.setPlainText(text)
        if conversion.step == "done" and self._told_done != conversion.out:
            self._told_done = conversion.out
            self.converted.emit(conversion.out)

    def _bar(self, name: str) -> QProgressBar:
        bar = QProgressBar()
        bar.setRange(0, BAR_PARTS)
        bar.setTextVisible(False)
        bar.setAccessibleName(name)
        return bar

    def _arrange(self) -> None:
        grid = QGridLayout()
        grid.setHorizontalSpacing(theme.LARGE)
        grid.addWidget(controls.label(texts.models.precision()), 0, 0)
        grid.addWidget(self.precision, 0, 1)
        grid.addWidget(controls.label(texts.models.target()), 1, 0)
        where = QHBoxLayout()
        where.addWidget(self.out, 1)
        where.addWidget(self.change)
        grid.addLayout(where, 1, 1)
        for row, bar in enumerate(self.bars, 2):
            grid.addWidget(controls.label(bar.accessibleName()), row, 0)
            grid.addWidget(bar, row, 1)
        grid.setColumnStretch(1, 1)
        buttons = QHBoxLayout()
        buttons.addWidget(self.back)
        buttons.addStretch(1)
        buttons.addWidget(self.cancel)
        buttons.addWidget(self.start)
        self.cancel.hide()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(theme.LARGE, theme.LARGE, theme.LARGE, theme.LARGE)
        layout.setSpacing(theme.NORMAL)
        for widget in (self.title, self.found, self.makes, self.told):
            layout.addWidget(widget)
        layout.addLayout(grid)
        layout.addWidget(self.state)
        layout.addWidget(self.unfold, 0, Qt.AlignmentFlag.AlignLeft)
        layout.addWidget(self.log, 1)
        layout.addStretch(1)
        layout.addLayout(buttons)
