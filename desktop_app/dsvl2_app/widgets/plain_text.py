"""Text as high as it needs: what a user typed as it is, and the base of an answer."""

from __future__ import annotations

import math

from PySide6.QtCore import Qt
from PySide6.QtGui import QResizeEvent, QTextCharFormat, QTextCursor, QTextOption, QWheelEvent
from PySide6.QtWidgets import QFrame, QSizePolicy, QTextBrowser, QTextEdit, QWidget

from dsvl2_app.widgets import theme


class FittingText(QTextBrowser):
    """Read-only text that can be selected, without scroll bars of its own; nothing in it is opened or followed."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setOpenLinks(False)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setWordWrapMode(QTextOption.WrapMode.WrapAtWordBoundaryOrAnywhere)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.NoContextMenu)
        self.viewport().setAutoFillBackground(False)
        self.setStyleSheet("background: transparent; border: none;")
        self._height = 0
        self.most_height: int | None = None
        """Pixels; what is longer is cut off."""

    def text(self) -> str:
        """What is shown, with the line ends and spaces that Qt makes of others."""
        return self.toPlainText()

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 - Qt's name
        """Another width needs another height; another height alone would lay all the text out once more."""
        if event.size().width() != event.oldSize().width():
            super().resizeEvent(event)
            self.fit()

    def wheelEvent(self, event: QWheelEvent) -> None:  # noqa: N802 - Qt's name
        """The conversation scrolls, not one text of it."""
        event.ignore()

    def fit(self) -> None:
        """Take the height that the text needs."""
        height = math.ceil(self.document().size().height())
        if self.most_height is not None:
            height = min(height, self.most_height)
        height = max(height, self.least_height())
        if height != self._height:
            self._height = height
            self.setFixedHeight(height)

    def least_height(self) -> int:
        """Pixels that what lies on the text needs."""
        return 0

    def mark(self, places: list[tuple[int, int]], current: int | None = None) -> None:
        """Show (position, length) of what was found, one of them more strongly."""
        selections = []
        for index, (position, length) in enumerate(places):
            cursor = QTextCursor(self.document())
            cursor.setPosition(position)
            cursor.setPosition(position + length, QTextCursor.MoveMode.KeepAnchor)
            look = QTextCharFormat()
            strong = index == current
            look.setBackground(theme.colour("accent" if strong else "accent_soft"))
            look.setForeground(theme.colour("on_accent" if strong else "text"))
            selection = QTextEdit.ExtraSelection()
            selection.cursor, selection.format = cursor, look
            selections.append(selection)
        self.setExtraSelections(selections)


class PlainText(FittingText):
    """Text as it is, never markup."""

    def __init__(self, text: str = "", *, is_bold: bool = False, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._is_bold = is_bold
        self.restyle()
        self.document().setDocumentMargin(0)
        self.setPlainText(text)

    def restyle(self) -> None:
        """Take the present typeface."""
        font = theme.font("body")
        font.setBold(self._is_bold)
        self.setFont(font)
        self.document().setDefaultFont(font)
        self.fit()
