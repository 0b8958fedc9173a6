"""The keys of all actions of the window, and how the screen is captured from outside of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtGui import QAction, QGuiApplication, QKeySequence
from PySide6.QtWidgets import QFormLayout, QHBoxLayout, QKeySequenceEdit, QScrollArea, QWidget

from dsvl2_app import texts
from dsvl2_app.settings_keeper import SettingsKeeper
from dsvl2_app.texts.mnemonics import plain
from dsvl2_app.widgets import controls, theme
from dsvl2_app.widgets.settings.page import Page, switch

GRAB_COMMAND = "dsvl2-onnx grab --region"
USUAL_KEY = "usualKey"
"""Dynamic property of an action: the keys that it has by itself."""
KEY_WIDTH = 150


@dataclass(frozen=True, slots=True)
class KeyRow:
    """The field of one action."""

    action: QAction
    field: QKeySequenceEdit


def usual_key(action: QAction) -> str:
    """The keys of an action before any were chosen, by which the settings name it."""
    known = action.property(USUAL_KEY)
    if not isinstance(known, str):
        known = action.shortcut().toString(QKeySequence.SequenceFormat.PortableText)
        action.setProperty(USUAL_KEY, known)
    return known


def actions_with_keys(window: QWidget) -> list[QAction]:
    """Those of a window that have keys, or had some, each once."""
    return [action for action in window.findChildren(QAction) if usual_key(action) and action.text()]


def apply_keys(window: QWidget, chosen: dict[str, str]) -> None:
    """Give the actions of a window the keys that were chosen."""
    for action in actions_with_keys(window):
        usual = usual_key(action)
        action.setShortcut(QKeySequence(chosen.get(usual, usual)))


class KeysPage(Page):
    """Every key can be another one or none."""

    def __init__(self, keeper: SettingsKeeper, actions: Sequence[QAction], parent: QWidget | None = None) -> None:
        super().__init__(texts.settings.keys(), parent)
        self._keeper = keeper
        self.tray = switch(keeper.settings.tray, lambda is_on: keeper.change(tray=is_on))
        self.add_row(*texts.settings.tray(), self.tray)
        self.copy = controls.button(texts.settings.copy_command(), "copy")
        self.copy.clicked.connect(lambda: QGuiApplication.clipboard().setText(GRAB_COMMAND))
        name, sentence = texts.settings.capture_command()
        self.add_row(f"{name}: {GRAB_COMMAND}", sentence, self.copy)
        self.add(controls.label(texts.settings.keys_sentence(), "muted", "small", wraps=True))
        self.told = controls.label("", "error", "small", wraps=True)
        self.told.hide()
        self.add(self.told)
        self.rows = [KeyRow(action, QKeySequenceEdit(action.shortcut())) for action in actions]
        form = QWidget()
        layout = QFormLayout(form)
        layout.setContentsMargins(0, 0, theme.SMALL, 0)
        for row in self.rows:
            layout.addRow(controls.label(_name(row.action)), self._controls(row))
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QScrollArea.Shape.NoFrame)
        scroll.setWidget(form)
        scroll.setMinimumHeight(160)
        self.add(scroll)

    def _controls(self, row: KeyRow) -> QWidget:
        row.field.setMaximumSequenceLength(1)
        row.field.setFixedWidth(KEY_WIDTH)
        row.field.setAccessibleName(_name(row.action))
        row.field.editingFinished.connect(lambda: self._choose(row, row.field.keySequence()))
        clear = controls.button("", "x", "flat", texts.settings.clear_key())
        clear.clicked.connect(lambda: self._choose(row, QKeySequence()))
        usual = controls.button("", "undo-2", "flat", texts.settings.usual_key())
        usual.clicked.connect(lambda: self._choose(row, QKeySequence(usual_key(row.action))))
        line = QWidget()
        layout = QHBoxLayout(line)
        layout.setContentsMargins(0, 0, 0, 0)
        for widget in (row.field, clear, usual):
            layout.addWidget(widget)
        layout.addStretch(1)
        return line

    def _choose(self, row: KeyRow, keys: QKeySequence) -> None:
        taken = next((r.action for r in self.rows if r is not row and keys and r.action.shortcut() == keys), None)
        self.told.setVisible(taken is not None)
        if taken is not None:
            self.told.setText(texts.settings.key_in_use(_name(taken)))
            row.field.setKeySequence(row.action.shortcut())
            return
        row.field.setKeySequence(keys)
        row.action.setShortcut(keys)
        usual = usual_key(row.action)
        text = keys.toString(QKeySequence.SequenceFormat.PortableText)
        others = {name: value for name, value in self._keeper.settings.keys.items() if name != usual}
        self._keeper.change(keys=others if text == usual else {**others, usual: text})


def _name(action: QAction) -> str:
    return plain(action.text()).removesuffix("…")
