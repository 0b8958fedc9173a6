"""Widgets beside each other, in as many rows as they need."""

from __future__ import annotations

from PySide6.QtCore import QPoint, QRect, QSize, Qt
from PySide6.QtWidgets import QLayout, QLayoutItem, QWidget


class FlowLayout(QLayout):
    """Rows that are broken like lines of text, centred or from the left."""

    def __init__(self, parent: QWidget | None = None, *, spacing: int, is_centred: bool = False) -> None:
        super().__init__(parent)
        self._items: list[QLayoutItem] = []
        self._is_centred = is_centred
        self.setSpacing(spacing)
        self.setContentsMargins(0, 0, 0, 0)

    def addItem(self, item: QLayoutItem) -> None:  # noqa: N802 - Qt's name
        """Put one more at the end."""
        self._items.append(item)

    def count(self) -> int:
        """How many there are."""
        return len(self._items)

    def itemAt(self, index: int) -> QLayoutItem | None:  # noqa: N802 - Qt's name
        """One of them."""
        return self._items[index] if 0 <= index < len(self._items) else None

    def takeAt(self, index: int) -> QLayoutItem | None:  # noqa: N802 - Qt's name
        """Take one away."""
        return self._items.pop(index) if 0 <= index < len(self._items) else None

    def expandingDirections(self) -> Qt.Orientation:  # noqa: N802 - Qt's name
        """Neither: it is as large as it needs."""
        return Qt.Orientation(0)

    def hasHeightForWidth(self) -> bool:  # noqa: N802 - Qt's name
        """A narrower one is higher."""
        return True

    def heightForWidth(self, width: int) -> int:  # noqa: N802 - Qt's name
        """With so much room in each row."""
        return sum(height for _, height in self._rows(width)) + self.spacing() * (len(self._rows(width)) - 1)

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """All in one row."""
        sizes = [item.sizeHint() for item in self._shown()]
        width = sum(size.width() for size in sizes) + self.spacing() * max(0, len(sizes) - 1)
        return QSize(width, max((size.height() for size in sizes), default=0))

    def minimumSize(self) -> QSize:  # noqa: N802 - Qt's name
        """The widest alone."""
        size = QSize(0, 0)
        for item in self._shown():
            size = size.expandedTo(item.minimumSize())
        return size

    def setGeometry(self, rect: QRect) -> None:  # noqa: N802 - Qt's name
        """Place all."""
        super().setGeometry(rect)
        top = rect.top()
        for items, height in self._rows(rect.width()):
            used = sum(item.sizeHint().width() for item in items) + self.spacing() * (len(items) - 1)
            left = rect.left() + (max(0, rect.width() - used) // 2 if self._is_centred else 0)
            for item in items:
                size = item.sizeHint()
                width = min(size.width(), rect.width())
                item.setGeometry(QRect(QPoint(left, top + (height - size.height()) // 2), QSize(width, size.height())))
                left += width + self.spacing()
            top += height + self.spacing()

    def _shown(self) -> list[QLayoutItem]:
        return [item for item in self._items if not item.isEmpty()]

    def _rows(self, width: int) -> list[tuple[list[QLayoutItem], int]]:
        """The items of each row, and its height."""
        rows: list[tuple[list[QLayoutItem], int]] = []
        left = 0
        for item in self._shown():
            size = item.sizeHint()
            if rows and left + size.width() <= width:
                items, height = rows[-1]
                items.append(item)
                rows[-1] = items, max(height, size.height())
            else:
                rows.append(([item], size.height()))
                left = 0
            left += size.width() + self.spacing()
        return rows
