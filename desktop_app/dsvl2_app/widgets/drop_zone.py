"""What the picture pane shows while there is no picture: where to drop one, and examples to begin with."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from PySide6.QtCore import QRectF, Qt, Signal
from PySide6.QtGui import QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QLabel, QVBoxLayout, QWidget

from dsvl2_app import texts
from dsvl2_app.state.examples import EXAMPLES, Example
from dsvl2_app.widgets import controls, theme
from dsvl2_app.widgets.flow_layout import FlowLayout

ICON_SIDE = 48
PICTURE_HEIGHT, HINT_HEIGHT, TITLE_HEIGHT = 340, 240, 180
"""Pixels of the pane from which these have room."""
EXAMPLE_ICONS = {"receipt": "file-text", "settings": "settings", "visit": "list-checks"}


class DropZone(QWidget):
    """A dashed border with what can be done."""

    open_asked = Signal()
    example_asked = Signal(object)
    """An `Example`."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName(texts.pictures.drop_title())
        self._picture = QLabel()
        self._title = controls.label(texts.pictures.drop_title(), size="heading", wraps=True)
        self._hint = controls.label(texts.pictures.drop_hint(), "muted", wraps=True)
        self.open_button = controls.button(texts.pictures.open_dots(), "image-plus", "primary")
        self.open_button.clicked.connect(self.open_asked)
        for shown in (self._picture, self._title, self._hint):
            shown.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._buttons = QWidget()
        self._choices = FlowLayout(self._buttons, spacing=theme.SMALL, is_centred=True)
        self._choices.addWidget(self.open_button)
        self._examples = QWidget()
        row = FlowLayout(self._examples, spacing=theme.TINY + 2, is_centred=True)
        row.addWidget(controls.label(texts.pictures.or_try(), "muted"))
        for example in EXAMPLES:
            button = controls.button(texts.pictures.example(example.name), EXAMPLE_ICONS[example.name], "pill")
            button.setToolTip(example.question)
            button.clicked.connect(lambda _checked=False, example=example: self.example_asked.emit(example))
            row.addWidget(button)
        self._column = layout = QVBoxLayout(self)
        layout.setContentsMargins(theme.LARGE, theme.TINY, theme.LARGE, theme.TINY)
        layout.setSpacing(theme.NORMAL)
        layout.addStretch(1)
        layout.addWidget(self._picture)
        layout.addWidget(self._title)
        layout.addWidget(self._hint)
        layout.addWidget(self._buttons)
        layout.addWidget(self._examples)
        layout.addStretch(1)
        self._show_theme()
        theme.signals.changed.connect(self._show_theme)

    def add_button(self, button: QWidget) -> None:
        """Put the first choice before the one that opens files."""
        for choice in (button, self.open_button):
            self._choices.addWidget(choice)
        theme.set_icon(self.open_button, "image-plus")
        controls.restyle(self.open_button, kind="normal")

    def fit_into(self, height: int) -> None:
        """Leave out what there is no room for."""
        self._column.setSpacing(theme.NORMAL if height >= TITLE_HEIGHT else 0)
        self._picture.setVisible(height >= PICTURE_HEIGHT)
        self._hint.setVisible(height >= HINT_HEIGHT)
        self._title.setVisible(height >= TITLE_HEIGHT)
        self._examples.setVisible(height >= PICTURE_HEIGHT)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """The border."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        pen = QPen(theme.colour("line"), 2)
        pen.setDashPattern([5, 4])
        painter.setPen(pen)
        painter.setBrush(theme.colour("surface"))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(1, 1, -1, -1), theme.DROP_RADIUS, theme.DROP_RADIUS)

    def _show_theme(self) -> None:
        self._picture.setPixmap(theme.icon("scan-text", "accent").pixmap(ICON_SIDE, ICON_SIDE))
        self.update()


def example_path(example: Example) -> Path:
    """The file of an example."""
    return Path(str(files("dsvl2_app") / "examples" / f"{example.name}.png"))
