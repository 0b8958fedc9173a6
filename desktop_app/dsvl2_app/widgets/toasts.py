"""What the user should know and nothing else in the window shows: one row each, which stays until it is closed."""

from __future__ import annotations

from typing import Literal

from PySide6.QtCore import QEvent, QObject, Qt, QTimer
from PySide6.QtGui import QAccessible, QAccessibleAnnouncementEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from dsvl2_app import texts
from dsvl2_app.widgets import controls, theme

Kind = Literal["info", "error"]
WIDTH = 460
MOST_ROWS = 4
"""Shown at once; of more it is said how many there are, and they come up as others are closed."""
INFO_MILLISECONDS = 8_000
"""A note goes by itself; an error stays."""
EDGE = 12


class Toast(QFrame):
    """One row."""

    def __init__(self, text: str, kind: Kind, parent: QWidget) -> None:
        super().__init__(parent)
        self.text = text
        self.kind = kind
        self.setProperty("kind", "toast" if kind == "info" else "toast-error")
        self.setAccessibleName(text)
        icon = QLabel()
        name, role = ("info", "accent") if kind == "info" else ("circle-alert", "error")
        icon.setPixmap(theme.icon(name, "accent" if role == "accent" else "error").pixmap(theme.ICON, theme.ICON))
        label = controls.label(text, wraps=True)
        label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.close_button = controls.button("", "x", "flat", texts.window.close_note())
        row = QHBoxLayout(self)
        row.setContentsMargins(theme.NORMAL, theme.TINY + 2, theme.TINY, theme.TINY + 2)
        row.setSpacing(theme.SMALL)
        row.addWidget(icon, 0, Qt.AlignmentFlag.AlignTop)
        row.addWidget(label, 1)
        row.addWidget(self.close_button, 0, Qt.AlignmentFlag.AlignTop)


class Toasts(QWidget):
    """A stack of rows over the lower left corner of its parent, away from the question."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._rows: list[Toast] = []
        self._more = QPushButton()
        self._more.setProperty("kind", "pill")
        self._more.clicked.connect(self.clear)
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(theme.TINY + 2)
        self._column.addWidget(self._more, 0, Qt.AlignmentFlag.AlignLeft)
        parent.installEventFilter(self)
        self.hide()

    def texts(self) -> list[str]:
        """What is told, the newest last."""
        return [row.text for row in self._rows]

    def tell(self, text: str, kind: Kind = "info") -> None:
        """Show one more row; one that says the same as the last stays one row."""
        if self._rows and self._rows[-1].text == text:
            return
        row = Toast(text, kind, self)
        row.close_button.clicked.connect(lambda: self._close(row))
        self._rows.append(row)
        self._column.insertWidget(self._column.count() - 1, row)
        if kind == "info":
            QTimer.singleShot(INFO_MILLISECONDS, row, lambda: self._close(row))
        # A screen reader says it, wherever the focus is.
        QAccessible.updateAccessibility(QAccessibleAnnouncementEvent(self, text))
        self._arrange()

    def clear(self) -> None:
        """Close all."""
        for row in list(self._rows):
            self._close(row)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        """The parent has another size."""
        if event.type() == QEvent.Type.Resize:
            self._arrange()
        return super().eventFilter(watched, event)

    def _close(self, row: Toast) -> None:
        if row in self._rows:
            self._rows.remove(row)
            self._column.removeWidget(row)
            row.hide()
            row.deleteLater()
            self._arrange()

    def _arrange(self) -> None:
        parent = self.parentWidget()
        if parent is None or not self._rows:
            self.hide()
            return
        hidden = self._rows[:-MOST_ROWS]
        for row in self._rows:
            row.setVisible(row not in hidden)
        self._more.setVisible(len(self._rows) > 1)
        self._more.setText(texts.window.close_all(len(self._rows)))
        width = min(WIDTH, parent.width() - 2 * EDGE)
        self.show()
        self.raise_()
        height = self._column.totalHeightForWidth(width)
        if height < 0:
            height = self._column.totalSizeHint().height()
        height = min(height, parent.height() - 2 * EDGE)
        self.setGeometry(EDGE, parent.height() - height - EDGE, width, height)
