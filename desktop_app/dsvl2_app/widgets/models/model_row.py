"""One model in the list: what it is and needs, and what can be done with it."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QProgressBar, QVBoxLayout, QWidget

from dsvl2_app import texts
from dsvl2_app.state.models import KnownModel
from dsvl2_app.widgets import controls, theme

BAR_PARTS = 1000


class ModelRow(QFrame):
    """A card; the list does what its buttons ask for."""

    use_asked = Signal()
    verify_asked = Signal()
    remove_asked = Signal()

    def __init__(self, model: KnownModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        controls.restyle(self, kind="card")
        self.model = model
        name = texts.models.name(model)
        self.setAccessibleName(name)
        self.state = controls.label(texts.models.facts(model), "muted", "small", wraps=True)
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setRange(0, BAR_PARTS)
        self.bar.setAccessibleName(f"{texts.models.memory_bar()}: {name}")
        self.memory = controls.label("", "muted", "small", wraps=True)
        self.use = controls.button(texts.models.use(), "check")
        self.use.clicked.connect(self.use_asked)
        self.verify = controls.button(texts.models.verify(), "shield-check", "flat")
        self.verify.clicked.connect(self.verify_asked)
        self.remove = controls.button(texts.models.remove(), "trash-2", "flat")
        self.remove.clicked.connect(self.remove_asked)
        self.remove.setVisible(not model.is_demo)
        for button in (self.use, self.verify, self.remove):
            button.setAccessibleName(f"{button.text()} {name}")
        self._arrange(name)
        self._show_memory()

    def show_state(self, text: str, *, is_error: bool = False) -> None:
        """What was done with it, in place of the facts."""
        self.state.setText(text)
        controls.restyle(self.state, tone="error" if is_error else "muted")

    def set_use(self, text: str, can_be_used: bool) -> None:
        """Whether it is the one that is loaded."""
        self.use.setText(text)
        self.use.setEnabled(can_be_used and self.model.error is None)

    def _arrange(self, name: str) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(theme.LARGE, theme.NORMAL, theme.LARGE, theme.NORMAL)
        layout.setSpacing(theme.TINY)
        top = QHBoxLayout()
        top.addWidget(controls.label(name, size="heading"), 1)
        for button in (self.verify, self.remove, self.use):
            top.addWidget(button)
        layout.addLayout(top)
        for widget in (self.state, self.bar, self.memory):
            layout.addWidget(widget)

    def _show_memory(self) -> None:
        model = self.model
        if model.error is not None:
            self.show_state(texts.errors.message(model.error), is_error=True)
            self.bar.hide()
            self.memory.hide()
            self.verify.hide()
            return
        self.bar.setValue(min(BAR_PARTS, model.needed * BAR_PARTS // max(model.memory, 1)))
        self.memory.setText(texts.models.memory(model))
        controls.restyle(self.memory, tone="muted" if model.fits else "error")
