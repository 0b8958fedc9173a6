"""A page of settings: rows with a name, one sentence, and what changes it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from PySide6.QtWidgets import QCheckBox, QComboBox, QHBoxLayout, QVBoxLayout, QWidget

from dsvl2_app.widgets import controls, theme

CONTROL_WIDTH = 190
"""Pixels, of a field or list."""


class Page(QWidget):
    """Rows below each other."""

    def __init__(self, title: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.title = title
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(theme.HUGE, theme.LARGE, theme.HUGE, theme.LARGE)
        self._layout.setSpacing(theme.LARGE)
        self._layout.addWidget(controls.label(title, size="heading"))
        self._layout.addStretch(1)

    def add(self, widget: QWidget) -> None:
        """Put something below the rows that are there."""
        self._layout.insertWidget(self._layout.count() - 1, widget)

    def add_row(self, name: str, sentence: str, control: QWidget | None = None) -> None:
        """A name with its sentence at the left, a control at the right."""
        row = QWidget()
        layout = QHBoxLayout(row)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(theme.LARGE)
        words = QVBoxLayout()
        words.setSpacing(2)
        words.addWidget(controls.label(name, wraps=True))
        words.addWidget(controls.label(sentence, "muted", "small", wraps=True))
        layout.addLayout(words, 1)
        if control is not None:
            control.setAccessibleName(control.accessibleName() or name)
            control.setAccessibleDescription(sentence)
            layout.addWidget(control)
        self.add(row)


def switch(is_on: bool, change: Callable[[bool], object]) -> QCheckBox:
    """Something that is or is not."""
    made = QCheckBox()
    made.setChecked(is_on)
    made.setMinimumSize(theme.LEAST_TARGET, theme.LEAST_TARGET)
    made.toggled.connect(change)
    return made


def choices(named: Sequence[tuple[Any, str]], chosen: object, change: Callable[[Any], object]) -> QComboBox:
    """One of a few values."""
    made = QComboBox()
    made.setFixedWidth(CONTROL_WIDTH)
    made.setMinimumHeight(theme.BUTTON_HEIGHT)
    for value, name in named:
        made.addItem(name, value)
    made.setCurrentIndex([value for value, _ in named].index(chosen))
    made.currentIndexChanged.connect(lambda index: change(named[index][0]))
    return made
