"""The pane in the middle: tools, the picture, and the pictures that a question will be about."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QRect, QSize, Signal, SignalInstance
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QBoxLayout, QHBoxLayout, QStackedLayout, QVBoxLayout, QWidget

from dsvl2_app import texts
from dsvl2_app.picture_loader import PictureLoader
from dsvl2_app.state.display import ShownPicture, thumbnail_picture
from dsvl2_app.state.recent import Recent
from dsvl2_app.state.session import Attachment
from dsvl2_app.widgets import controls, theme
from dsvl2_app.widgets.chips import Chips
from dsvl2_app.widgets.drop_overlay import DropOverlay
from dsvl2_app.widgets.drop_zone import DropZone
from dsvl2_app.widgets.page_strip import PageStrip
from dsvl2_app.widgets.picture_tools import PictureTools
from dsvl2_app.widgets.picture_view import PictureView
from dsvl2_runtime.answers.boxes import Box
from dsvl2_runtime.answers.parts_look import Place

LOW, LEAST_BESIDE = 300, 400
"""Pixels of height below which the chips stand beside the picture, if the pane is so wide."""


class PicturePane(QWidget):
    """Shows what can be asked about. The picture of the chosen chip is the one that is looked at."""

    open_asked = Signal()
    sidebar_asked = Signal()
    remove_asked = Signal(list)
    """Indices of pictures, ascending."""
    order_asked = Signal(list)
    """All pictures in the order that is wanted."""
    add_asked = Signal(object)
    """An `Attachment` of before is wanted again."""
    region_asked = Signal(object, QRect)
    """An `Attachment` and a part of it, in pixels of the whole picture."""
    example_asked = Signal(object)
    """An `Example`."""
    save_asked = Signal(object, object)
    """An `Attachment` and its boxes, to be saved as a picture."""
    copy_asked = Signal(object, object)
    """An `Attachment` and its boxes, to be copied as a picture."""
    box_hovered = Signal(object)
    """The index of a box in those that were shown, from 0, or None when the pointer has left it."""
    failed = Signal(object)
    """A `WireError`: a picture that was added cannot be shown any more."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName(texts.pictures.images())
        self.tools = PictureTools()
        self.drop_zone = DropZone()
        self.view = PictureView()
        self.chips = Chips()
        self.strip = PageStrip()
        self.cost = controls.label("", "muted", "small", wraps=True)
        self.cost.hide()
        self.remove_all = controls.button("", "trash-2", "flat", texts.pictures.remove_all())
        self._images: list[Attachment] = []
        self._recent = Recent()
        self._boxes: dict[str, tuple[Box, ...]] = {}
        self._read_in: dict[str, Place | None] = {}
        self._current: Attachment | None = None
        self._tiles: dict[str, tuple[int, int]] = {}
        self._loader = PictureLoader(self)
        self._build()
        self._connect()
        self._overlay = DropOverlay(self)

    def _build(self) -> None:
        self._stack = QStackedLayout()
        self._stack.addWidget(self.drop_zone)
        self._stack.addWidget(self.view)
        self._stack.setSizeConstraint(QStackedLayout.SizeConstraint.SetNoConstraint)
        holder = QWidget()
        holder.setLayout(self._stack)
        holder.setMinimumSize(1, 1)
        beside = QHBoxLayout()
        beside.setSpacing(theme.SMALL)
        beside.addWidget(self.strip)
        beside.addWidget(holder, 1)
        self._chip_row = QWidget()
        chips = QHBoxLayout(self._chip_row)
        chips.setContentsMargins(0, 0, 0, 0)
        chips.setSpacing(theme.TINY)
        chips.addWidget(self.chips, 1)
        chips.addWidget(self.remove_all)
        self._body = QBoxLayout(QBoxLayout.Direction.TopToBottom)
        self._body.setSpacing(theme.SMALL)
        self._body.addLayout(beside, 1)
        self._body.addWidget(self._chip_row)
        self._column = QVBoxLayout(self)
        self._column.setSpacing(theme.SMALL)
        self._column.addWidget(self.tools)
        self._column.addLayout(self._body, 1)
        self._column.addWidget(self.cost)
        self._chip_row.hide()

    def _connect(self) -> None:
        tools, view = self.tools, self.view
        tools.sidebar.clicked.connect(self.sidebar_asked)
        tools.open.clicked.connect(self.open_asked)
        self.drop_zone.open_asked.connect(self.open_asked)
        self.drop_zone.example_asked.connect(self.example_asked)
        tools.zoom_in.clicked.connect(view.zoom_in)
        tools.zoom_out.clicked.connect(view.zoom_out)
        tools.fit.clicked.connect(view.fit)
        tools.region.toggled.connect(view.choose_region)
        view.choosing_ended.connect(lambda: tools.region.setChecked(False))
        tools.tiles.toggled.connect(lambda _shown: self._show_tiles())
        tools.recent_asked.connect(self.add_asked)
        tools.save_asked.connect(lambda: self._tell_current(self.save_asked))
        tools.copy_asked.connect(lambda: self._tell_current(self.copy_asked))
        view.box_hovered.connect(self.box_hovered)
        view.region_chosen.connect(self._take_region)
        self.chips.current_changed.connect(self._look_at_row)
        self.chips.remove_asked.connect(self.remove_asked)
        self.chips.order_asked.connect(self.order_asked)
        self.remove_all.clicked.connect(lambda: self.remove_asked.emit(list(range(len(self._images)))))
        self._loader.was_loaded.connect(self._take_picture)
        self._loader.failed.connect(self.failed)

    @property
    def current(self) -> Attachment | None:
        """The picture that is looked at."""
        return self._current

    def add_tool(self, tool: QWidget) -> None:
        """Put a tool at the left of the one that opens files."""
        self.tools.add(tool)

    def show_images(self, images: Sequence[Attachment], tokens: Sequence[int] = (), fitting: int | None = None) -> None:
        """Show these pictures as chips, and the newest or the chosen one large; arguments as those of `Chips`."""
        self._images = list(images)
        self._recent.add(images)
        self.tools.show_recent(self._recent.others(images))
        self.chips.show_images(images, tokens, fitting)
        self._chip_row.setVisible(bool(images))
        self.remove_all.setVisible(len(images) > 1)
        if not images:
            self._look_at(None)

    def show_tilings(self, tiles: dict[str, tuple[int, int]]) -> None:
        """How the model cuts pictures: (columns, rows) by the hash of their content."""
        self._tiles = tiles
        self._show_tiles()

    def show_cost(self, text: str) -> None:
        """One line below the pictures: what a question about them costs."""
        self.cost.setText(text)
        self._fit_cost()

    def show_boxes(self, image: Attachment, boxes: Sequence[Box], read_in: Place | None = None) -> None:
        """Show the boxes of an answer on a picture, and the part in which it was read; it is looked at from now on."""
        self._boxes[image.content.sha256], self._read_in[image.content.sha256] = tuple(boxes), read_in
        self.look_at(image)
        self._look_at(image)
        self.view.show_boxes(boxes)
        self.view.show_read_in(read_in)

    def look_at(self, image: Attachment) -> None:
        """Choose the chip of a picture."""
        hashes = [shown.content.sha256 for shown in self._images]
        if image.content.sha256 in hashes:
            self.chips.setCurrentRow(hashes.index(image.content.sha256))

    def highlight_box(self, index: int | None) -> None:
        """Make one of the boxes stand out, by its index from 0."""
        self.view.highlight_box(index)

    def show_drag(self, text: str, can_be_dropped: bool = True) -> None:
        """Say what a drop would do; nothing hides it."""
        if text:
            self._overlay.show_text(text, can_be_dropped)
        else:
            self._overlay.hide()

    @property
    def drag_text(self) -> str:
        """What is said about a drop now."""
        return self._overlay.text if self._overlay.isVisible() else ""

    def close_loader(self) -> None:
        """Decode nothing more."""
        self._loader.close()

    def minimumSizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """The picture gets what is left, down to a strip."""
        return QSize(200, 96)

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 - Qt's name
        """A low pane puts the chips beside the picture."""
        super().resizeEvent(event)
        self._arrange()
        self._overlay.setGeometry(self.rect())

    def _arrange(self) -> None:
        is_low = self.height() < LOW
        puts_beside = is_low and self.width() >= LEAST_BESIDE
        edge = theme.TINY if is_low else theme.NORMAL
        self._column.setContentsMargins(theme.LARGE, edge, theme.LARGE, edge)
        direction = QBoxLayout.Direction
        self._body.setDirection(direction.LeftToRight if puts_beside else direction.TopToBottom)
        self.chips.set_upright(puts_beside)
        self._fit_cost()
        self.tools.fit_into(self.width() - 2 * theme.LARGE)
        self.strip.setVisible(self.strip.document is not None and not is_low)
        self.drop_zone.fit_into(self.height())

    def _fit_cost(self) -> None:
        self.cost.setVisible(bool(self.cost.text()) and self.height() >= LOW)

    def _look_at_row(self, row: int) -> None:
        self._look_at(self._images[row] if 0 <= row < len(self._images) else None)

    def _look_at(self, image: Attachment | None) -> None:
        known = self._current.content.sha256 if self._current is not None else None
        self._current = image
        self.tools.show_picture(image is not None)
        self._stack.setCurrentWidget(self.drop_zone if image is None else self.view)
        if image is None:
            self.view.show_picture(None)
        elif image.content.sha256 != known or self.view.picture is None:
            # The thumbnail at once, the picture when it is decoded.
            self.view.show_picture(thumbnail_picture(image.content.sha256, image.size, image.thumbnail), image.name)
            self.view.show_boxes(self._boxes.get(image.content.sha256, ()))
            self.view.show_read_in(self._read_in.get(image.content.sha256))
            self._loader.load(image)
        self._show_tiles()

    def _take_picture(self, picture: ShownPicture) -> None:
        if self._current is not None and picture.sha256 == self._current.content.sha256:
            self.view.sharpen(picture)

    def _show_tiles(self) -> None:
        tiles = self._tiles.get(self._current.content.sha256) if self._current is not None else None
        self.tools.tiles.setEnabled(tiles is not None)
        self.view.show_tiles(tiles if self.tools.tiles.isChecked() else None)

    def _take_region(self, region: QRect) -> None:
        if self._current is not None:
            self.region_asked.emit(self._current, region)

    def _tell_current(self, signal: SignalInstance) -> None:
        if self._current is not None:
            signal.emit(self._current, self._boxes.get(self._current.content.sha256, ()))
