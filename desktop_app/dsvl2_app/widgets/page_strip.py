"""The pages of a document beside the picture: those that are chosen are the pictures of the next question."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from pathlib import Path

from PySide6.QtCore import QEvent, QItemSelectionModel, QSize, Qt, Signal
from PySide6.QtGui import QColor, QIcon, QPainter, QPixmap
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QVBoxLayout,
    QWidget,
)

from dsvl2_app import texts
from dsvl2_app.messenger import Messenger
from dsvl2_app.state.document import Document, PageThumbnail, PageThumbnails, page_ranges
from dsvl2_app.widgets import controls, theme
from dsvl2_app.widgets.pixmaps import to_pixmap
from dsvl2_runtime.engine.wire_error import WireError
from dsvl2_runtime.inputs.pdf_child import chosen_pages

WIDTH = 132
PAGE = QSize(84, 112)
"""Pixels in which a page is shown."""
NUMBER_ROLE = Qt.ItemDataRole.UserRole + 1


class PageStrip(QWidget):
    """Shows one document; it draws nothing itself, and tells which pages are chosen."""

    pages_chosen = Signal(object, list)
    """A `Document` and page numbers, ascending."""
    page_shown = Signal(object, int)
    """A `Document` and the page that was clicked last."""
    each_toggled = Signal(bool)
    """Whether each page is asked about by itself."""
    closed = Signal(object)
    """The `Document` is not wanted any more."""
    failed = Signal(object)
    """A `WireError`: its pages cannot be drawn."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFixedWidth(WIDTH)
        self._document: Document | None = None
        self._thumbnails: PageThumbnails | None = None
        self._is_filling = False
        self._title = controls.label("", size="small")
        self._close = controls.button("", "x", "flat", texts.pictures.close_document())
        self._close.clicked.connect(self._ask_to_close)
        self.list = QListWidget()
        self.list.setAccessibleName(texts.pictures.pages())
        self.list.setViewMode(QListWidget.ViewMode.IconMode)
        self.list.setMovement(QListWidget.Movement.Static)
        self.list.setFlow(QListWidget.Flow.TopToBottom)
        self.list.setWrapping(False)
        self.list.setIconSize(PAGE)
        self.list.setSpacing(theme.TINY)
        self.list.setUniformItemSizes(True)
        self.list.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.list.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.setMinimumHeight(1)
        self.list.setProperty("kind", "pages")
        self.list.setAcceptDrops(False)
        self.range = QLineEdit()
        self.range.setAccessibleName(texts.pictures.page_range())
        self.range.setPlaceholderText("1-3,7")
        self.range.setToolTip(texts.pictures.page_range())
        self.each = controls.button(texts.pictures.each_page(), "list-checks", "pill", texts.pictures.each_page_tip())
        self.each.setCheckable(True)
        self.each.toggled.connect(self.each_toggled)
        self.note = controls.label("", "muted", "small", wraps=True)
        head = QHBoxLayout()
        head.setSpacing(0)
        head.addWidget(self._title, 1)
        head.addWidget(self._close)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.TINY)
        column.addLayout(head)
        column.addWidget(self.list, 1)
        column.addWidget(self.range)
        column.addWidget(self.each)
        column.addWidget(self.note)
        self.list.itemSelectionChanged.connect(self._tell_chosen)
        self.list.currentRowChanged.connect(self._tell_shown)
        self.range.returnPressed.connect(self._choose_range)
        self._messenger = Messenger(self)
        self.hide()

    @property
    def document(self) -> Document | None:
        """The one that is shown."""
        return self._document

    def show_document(self, document: Document, chosen: Sequence[int], fitting: int) -> None:
        """Show the pages of a document, some of them chosen.

        Args:
            document: whose pages are drawn on a thread of their own.
            chosen: page numbers.
            fitting: how many pages the context has room for, as far as can be guessed.
        """
        self.stop()
        self._document = document
        metrics = self._title.fontMetrics()
        name = Path(document.name).name
        self._title.setText(metrics.elidedText(name, Qt.TextElideMode.ElideMiddle, WIDTH - theme.BUTTON_HEIGHT - 4))
        self._title.setToolTip(name)
        self._is_filling = True
        self.list.clear()
        blank = _blank_page(self.devicePixelRatioF())
        for number in range(1, document.count + 1):
            item = QListWidgetItem(blank, str(number))
            item.setData(NUMBER_ROLE, number)
            item.setData(Qt.ItemDataRole.AccessibleTextRole, texts.pictures.page(number, document.count))
            item.setTextAlignment(Qt.AlignmentFlag.AlignHCenter)
            self.list.addItem(item)
        self._is_filling = False
        self.show_fitting(fitting)
        self.select(chosen)
        self.show()
        self._draw_pages()

    def event(self, event: QEvent) -> bool:
        """On a screen with other pixels the pages are drawn anew, so that they are sharp there."""
        if event.type() == QEvent.Type.DevicePixelRatioChange and self._document is not None:
            self.stop()
            self._draw_pages()
        return super().event(event)

    def show_fitting(self, fitting: int, asks_each: bool = False) -> None:
        """Say how many pages the context has room for, or that each gets a question for itself."""
        self.each.setChecked(asks_each)
        if asks_each:
            self.note.setText(texts.pictures.each_page_fits())
        elif self._document is not None:
            count = self._document.count
            self.note.setText(texts.pictures.pages_fit(min(fitting, count), count))

    def select(self, numbers: Sequence[int]) -> None:
        """Choose these pages and no others, without telling it."""
        wanted = set(numbers)
        self._is_filling = True
        for row in range(self.list.count()):
            self.list.item(row).setSelected(row + 1 in wanted)
        if wanted:
            row = min(wanted) - 1
            self.list.setCurrentRow(row, QItemSelectionModel.SelectionFlag.NoUpdate)
        self._is_filling = False
        self.range.setText(page_ranges(numbers))

    def chosen(self) -> list[int]:
        """Page numbers, ascending."""
        return sorted(item.data(NUMBER_ROLE) for item in self.list.selectedItems())

    def stop(self) -> None:
        """Draw no more."""
        if self._thumbnails is not None:
            self._thumbnails.stop()
            self._thumbnails = None

    def close_document(self) -> None:
        """Show no document."""
        self.stop()
        self.each.setChecked(False)
        self._document = None
        self.list.clear()
        self.hide()

    def _draw_pages(self) -> None:
        if self._document is not None:
            side = ceil(max(PAGE.width(), PAGE.height()) * self.devicePixelRatioF())
            self._thumbnails = PageThumbnails(
                self._document, lambda result: self._messenger.send(self._take_thumbnail, result), side
            )

    def _take_thumbnail(self, result: PageThumbnail | WireError) -> None:
        if isinstance(result, WireError):
            self.failed.emit(result)
        elif self._document is not None and result.sha256 == self._document.content.sha256:
            self.list.item(result.number - 1).setIcon(_page_icon(to_pixmap(result.image), self.devicePixelRatioF()))

    def _tell_chosen(self) -> None:
        if not self._is_filling and self._document is not None:
            self.range.setText(page_ranges(self.chosen()))
            self.pages_chosen.emit(self._document, self.chosen())

    def _tell_shown(self, row: int) -> None:
        if not self._is_filling and self._document is not None and row >= 0:
            self.page_shown.emit(self._document, row + 1)

    def _choose_range(self) -> None:
        if self._document is None:
            return
        try:
            numbers = chosen_pages(self.range.text(), self._document.count)
        except ValueError as error:
            self.note.setText(str(error))
            controls.restyle(self.note, tone="error")
            return
        controls.restyle(self.note, tone="muted")
        self.select(numbers)
        self.pages_chosen.emit(self._document, sorted(set(numbers)))

    def _ask_to_close(self) -> None:
        document = self._document
        self.close_document()
        if document is not None:
            self.closed.emit(document)


def _blank_page(ratio: float) -> QIcon:
    page = QPixmap(PAGE * 0.9)
    page.fill(QColor(theme.colour("line")))
    return _page_icon(page, ratio)


def _page_icon(page: QPixmap, ratio: float) -> QIcon:
    """Which is not tinted where it is chosen; of as many pixels as the screen has there."""
    pixmap, icon = _page_pixmap(page, ratio), QIcon()
    for mode in (QIcon.Mode.Normal, QIcon.Mode.Selected):
        icon.addPixmap(pixmap, mode)
    return icon


def _page_pixmap(page: QPixmap, ratio: float) -> QPixmap:
    """A page with an edge, in the middle of the place for one."""
    shown = page.scaled(PAGE * ratio, Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation)
    made = QPixmap(PAGE * ratio)
    made.fill(Qt.GlobalColor.transparent)
    painter = QPainter(made)
    left, top = (made.width() - shown.width()) // 2, (made.height() - shown.height()) // 2
    painter.drawPixmap(left, top, shown)
    painter.setPen(theme.colour("line"))
    painter.drawRect(left, top, shown.width() - 1, shown.height() - 1)
    painter.end()
    made.setDevicePixelRatio(ratio)
    return made
