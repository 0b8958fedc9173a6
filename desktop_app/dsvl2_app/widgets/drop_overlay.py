"""What lies over the picture pane while something is dragged over the window."""

from __future__ import annotations

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QWidget

from dsvl2_app.widgets import theme

OPACITY = 235
"""Of 255."""


class DropOverlay(QWidget):
    """Says what a drop would do."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.text = ""
        self._can_be_dropped = True
        self.hide()

    def show_text(self, text: str, can_be_dropped: bool) -> None:
        """Cover the parent and say this."""
        self.text, self._can_be_dropped = text, can_be_dropped
        self.setAccessibleName(text)
        parent = self.parentWidget()
        if parent is not None:
            self.setGeometry(parent.rect())
        self.show()
        self.raise_()
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """A border and a text, blue or red."""
        role, soft = ("accent", "accent_soft") if self._can_be_dropped else ("error", "error_soft")
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        ground = theme.colour("accent_soft" if soft == "accent_soft" else "error_soft")
        ground.setAlpha(OPACITY)
        colour = theme.colour("accent" if role == "accent" else "error")
        painter.setBrush(ground)
        painter.setPen(QPen(colour, 2))
        frame = QRectF(self.rect()).adjusted(8, 8, -8, -8)
        painter.drawRoundedRect(frame, theme.DROP_RADIUS, theme.DROP_RADIUS)
        painter.setFont(theme.font("heading"))
        painter.drawText(frame.adjusted(16, 16, -16, -16), _CENTRED, self.text)


_CENTRED = int(Qt.AlignmentFlag.AlignCenter) | int(Qt.TextFlag.TextWordWrap)
