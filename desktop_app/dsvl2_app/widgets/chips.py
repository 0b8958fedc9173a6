"""The pictures that a question will be about, as a row of chips that can be chosen, moved and taken away."""

from __future__ import annotations

import html
from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QEvent, QRect, Qt, Signal
from PySide6.QtGui import QContextMenuEvent, QDropEvent, QKeyEvent, QMouseEvent
from PySide6.QtWidgets import QAbstractItemView, QListWidget, QListWidgetItem, QMenu, QWidget

from dsvl2_app import texts
from dsvl2_app.state.session import Attachment
from dsvl2_app.widgets import theme
from dsvl2_app.widgets.chip_delegate import (
    CHIP,
    IMAGE_ROLE,
    OVER_ROLE,
    SMALL_CHIP,
    TOKENS_ROLE,
    ChipDelegate,
    remove_rect,
)

FRAME = 2
"""Pixels around the row, where the focus is drawn."""
BAR = 12
"""Pixels of a scroll bar."""


class Chips(QListWidget):
    """Shows pictures and tells what the user wants done with them; it does nothing to them itself."""

    current_changed = Signal(int)
    """The index of the picture that is looked at; -1 for none."""
    remove_asked = Signal(list)
    """Indices, ascending."""
    order_asked = Signal(list)
    """All pictures (`Attachment`) in the order that is wanted."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName(texts.pictures.images())
        self.setAccessibleDescription(texts.pictures.chip_keys())
        self.setItemDelegate(ChipDelegate(self))
        self.setViewMode(QListWidget.ViewMode.ListMode)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setDragDropMode(QAbstractItemView.DragDropMode.InternalMove)
        self.setDefaultDropAction(Qt.DropAction.MoveAction)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setMouseTracking(True)
        self.setTabKeyNavigation(False)
        self.setSpacing(0)
        self.setProperty("kind", "chips")
        self.set_upright(False)
        self._is_filling = False
        self.currentRowChanged.connect(self._tell_current)
        theme.signals.changed.connect(self.viewport().update)

    def set_upright(self, upright: bool) -> None:
        """A column beside the picture instead of a row below it."""
        flow = QListWidget.Flow
        self.setFlow(flow.TopToBottom if upright else flow.LeftToRight)
        bars = Qt.ScrollBarPolicy
        self.setHorizontalScrollBarPolicy(bars.ScrollBarAlwaysOff if upright else bars.ScrollBarAsNeeded)
        self.setVerticalScrollBarPolicy(bars.ScrollBarAsNeeded if upright else bars.ScrollBarAlwaysOff)
        size = SMALL_CHIP if upright else CHIP
        for row in range(self.count()):
            self.item(row).setSizeHint(size)
        self._chip = size
        most = 16_777_215
        high = size.height() + 2 * FRAME + BAR
        self.setMinimumHeight(1 if upright else high)
        self.setMaximumHeight(most if upright else high)
        self.setMinimumWidth(size.width() + 2 * FRAME + BAR if upright else 1)
        self.setMaximumWidth(size.width() + 2 * FRAME + BAR if upright else most)

    def show_images(self, images: Sequence[Attachment], tokens: Sequence[int] = (), fitting: int | None = None) -> None:
        """Show these and no others; a new one is chosen and scrolled into view.

        Args:
            images: in their order.
            tokens: of each in the context, as far as that is known.
            fitting: how many of them, from the first, the context has room for; None while that is not known.
        """
        known = [self.item(row).data(IMAGE_ROLE).content.sha256 for row in range(self.count())]
        current = known[self.currentRow()] if 0 <= self.currentRow() < len(known) else None
        place = self.horizontalScrollBar().value(), self.verticalScrollBar().value()
        self._is_filling = True
        self.clear()
        for row, image in enumerate(images):
            self.addItem(self._item(image, tokens[row] if row < len(tokens) else None, fitting, row))
        hashes = [image.content.sha256 for image in images]
        new = [row for row, sha256 in enumerate(hashes) if sha256 not in known]
        row = hashes.index(current) if current in hashes else len(images) - 1
        if new:
            row = new[-1]
        self.horizontalScrollBar().setValue(place[0])
        self.verticalScrollBar().setValue(place[1])
        if images:
            self.setCurrentRow(row)
        self._is_filling = False
        self._tell_current(row)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        """Delete takes away, Ctrl and an arrow moves, everything else is Qt's."""
        moves = {Qt.Key.Key_Left: -1, Qt.Key.Key_Up: -1, Qt.Key.Key_Right: 1, Qt.Key.Key_Down: 1}
        key, holds_ctrl = Qt.Key(event.key()), event.modifiers() & Qt.KeyboardModifier.ControlModifier
        if key in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace):
            self.ask_to_remove(self.chosen())
        elif key in moves and holds_ctrl:
            self._move(moves[key])
        else:
            super().keyPressEvent(event)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        """The cross takes its own chip away."""
        item = self.itemAt(event.position().toPoint())
        if item is not None and event.button() == Qt.MouseButton.LeftButton:
            cross = remove_rect(self.visualItemRect(item))
            if cross.contains(event.position().toPoint()):
                self.ask_to_remove([self.row(item)])
                return
        super().mouseReleaseEvent(event)

    def viewportEvent(self, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        """The cross under the pointer is shown."""
        if event.type() in (QEvent.Type.MouseMove, QEvent.Type.Leave, QEvent.Type.HoverMove):
            self.viewport().update()
        return super().viewportEvent(event)

    def dropEvent(self, event: QDropEvent) -> None:  # noqa: N802 - Qt's name
        """A chip was dragged to another place."""
        super().dropEvent(event)
        self._tell_order()

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:  # noqa: N802 - Qt's name
        """What can be done with the chosen ones."""
        if not self.chosen():
            return
        menu = QMenu(self)
        menu.addAction(texts.pictures.remove()).triggered.connect(lambda: self.ask_to_remove(self.chosen()))
        menu.addAction(texts.pictures.remove_others()).triggered.connect(
            lambda: self.ask_to_remove([row for row in range(self.count()) if row not in self.chosen()])
        )
        menu.addAction(texts.pictures.move_left()).triggered.connect(lambda: self._move(-1))
        menu.addAction(texts.pictures.move_right()).triggered.connect(lambda: self._move(1))
        menu.exec(event.globalPos())

    def chosen(self) -> list[int]:
        """Rows of the chosen chips, ascending."""
        return sorted(self.row(item) for item in self.selectedItems())

    def ask_to_remove(self, rows: Sequence[int]) -> None:
        """Ask for these to be taken away, if there are any."""
        if rows:
            self.remove_asked.emit(sorted(rows))

    def label(self, row: int) -> tuple[str, ...]:
        """The lines of a chip."""
        item = self.item(row)
        image: Attachment = item.data(IMAGE_ROLE)
        return _shown_name(image), *texts.pictures.chip_figures(image.size, item.data(TOKENS_ROLE))

    def is_over(self, row: int) -> bool:
        """Whether the context has no room for it."""
        return bool(self.item(row).data(OVER_ROLE))

    def cross(self, row: int) -> QRect:
        """Where a click takes a chip away, in coordinates of the viewport."""
        return remove_rect(self.visualItemRect(self.item(row)))

    def _item(self, image: Attachment, tokens: int | None, fitting: int | None, row: int) -> QListWidgetItem:
        item = QListWidgetItem()
        is_over = fitting is not None and row >= fitting
        item.setData(IMAGE_ROLE, image)
        item.setData(TOKENS_ROLE, tokens)
        item.setData(OVER_ROLE, is_over)
        item.setSizeHint(self._chip)
        figures = ", ".join(texts.pictures.chip_figures(image.size, tokens))
        spoken = ", ".join([_shown_name(image), figures, *([texts.pictures.over_budget()] if is_over else [])])
        item.setData(Qt.ItemDataRole.AccessibleTextRole, spoken)
        over = f"<br>{html.escape(texts.pictures.over_budget())}" if is_over else ""
        # Without a tag Qt guesses what is markup.
        item.setToolTip(f"<p>{html.escape(image.name)}<br>{html.escape(figures)}{over}</p>")
        return item

    def _tell_current(self, row: int) -> None:
        if not self._is_filling:
            self.current_changed.emit(row)

    def _tell_order(self) -> None:
        self.order_asked.emit([self.item(row).data(IMAGE_ROLE) for row in range(self.count())])

    def _move(self, step: int) -> None:
        """The current chip changes places with its neighbour."""
        row = self.currentRow()
        target = row + step
        if row < 0 or not 0 <= target < self.count():
            return
        self._is_filling = True
        item = self.takeItem(row)
        self.insertItem(target, item)
        self.setCurrentRow(target)
        self._is_filling = False
        self._tell_order()


def _shown_name(image: Attachment) -> str:
    return texts.pictures.page_short(image.page) if image.page is not None else Path(image.name).name
