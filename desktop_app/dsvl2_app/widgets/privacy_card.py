"""What is kept where, and that nothing is sent: opens over the shield in the status bar."""

from __future__ import annotations

from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QFrame, QVBoxLayout, QWidget

from dsvl2_app import texts
from dsvl2_app.state.layout import layout_path
from dsvl2_app.widgets import controls, theme

WIDTH = 380


class PrivacyCard(QFrame):
    """A card that closes with a click beside it or Escape."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent, Qt.WindowType.Popup)
        self.setProperty("kind", "popup")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setFixedWidth(WIDTH)
        self.setAccessibleName(texts.window.offline_title())
        column = QVBoxLayout(self)
        column.setContentsMargins(theme.LARGE, theme.NORMAL, theme.LARGE, theme.NORMAL)
        column.setSpacing(theme.SMALL)
        column.addWidget(controls.label(texts.window.offline_title(), size="heading", wraps=True))
        for text in texts.window.offline_lines(str(layout_path().parent)):
            label = controls.label(text, "muted", wraps=True)
            label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            column.addWidget(label)

    def show_above(self, button: QWidget) -> None:
        """Its right edge at that of the button, inside the window."""
        self.adjustSize()
        corner = button.mapToGlobal(QPoint(button.width(), 0))
        self.move(corner.x() - self.width(), corner.y() - self.height() - theme.SMALL)
        self.show()
        self.setFocus()
