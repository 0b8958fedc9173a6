"""The pane at the left, where conversations are listed."""

from __future__ import annotations

from PySide6.QtWidgets import QWidget

from dsvl2_app import texts

LEAST_WIDTH = 200


class Sidebar(QWidget):
    """A place for the list of conversations."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName(texts.window.conversations())
        self.setMinimumWidth(LEAST_WIDTH)
