"""The pane in the middle: tools, the picture, and the pictures that a question will be about."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from dsvl2_app import texts
from dsvl2_app.widgets import controls, theme
from dsvl2_app.widgets.image_panel import ImagePanel


class PicturePane(QWidget):
    """Shows what can be asked about."""

    open_asked = Signal()
    sidebar_asked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName(texts.pictures.images())
        self.sidebar_button = controls.button("", "panel-left", "flat", texts.window.show_sidebar().replace("&", ""))
        self.sidebar_button.clicked.connect(self.sidebar_asked)
        self.open_button = controls.button(texts.pictures.open_short(), "image-plus")
        self.open_button.clicked.connect(self.open_asked)
        self._tools = QHBoxLayout()
        self._tools.setSpacing(theme.TINY + 2)
        self._tools.addWidget(self.sidebar_button)
        self._tools.addWidget(self.open_button)
        self._tools.addStretch(1)
        self.panel = ImagePanel()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(theme.LARGE, theme.NORMAL, theme.LARGE, theme.NORMAL)
        layout.setSpacing(theme.SMALL)
        layout.addLayout(self._tools)
        layout.addWidget(self.panel, 1)

    def add_tool(self, tool: QWidget) -> None:
        """Put a tool at the left of the one that opens files."""
        self._tools.insertWidget(self._tools.indexOf(self.open_button), tool)
