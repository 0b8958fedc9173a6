"""The picture, which zooms and pans, with boxes that answer the pointer and a rectangle that asks about a part."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QEvent, QPointF, QRect, QRectF, Qt, Signal
from PySide6.QtGui import (
    QKeyEvent,
    QMouseEvent,
    QNativeGestureEvent,
    QPainter,
    QResizeEvent,
    QShowEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QFrame, QGraphicsScene, QGraphicsView, QWidget

from dsvl2_app import texts
from dsvl2_app.state.display import ShownPicture
from dsvl2_app.widgets import theme
from dsvl2_app.widgets.picture_items import BoxItem, GridItem, PictureItem, ReadInItem, RegionItem
from dsvl2_runtime.answers.boxes import Box
from dsvl2_runtime.answers.parts_look import Place

STEP = 1.25
"""Of one zoom."""
LARGEST_ZOOM = 16.0
LARGEST_FIT = 2.0
"""A small picture is not blown up further by itself."""
SMALLEST_OF_FIT = 0.5
MARGIN = 20
"""Pixels around a fitted picture, where labels of boxes at its edge have room."""
LEAST_REGION = 8
"""Pixels of the picture along each side; less is a click."""
PAN = 60
"""Pixels for an arrow key."""
WHEEL_STEP = 120
"""Eighths of a degree of one step of a mouse's wheel."""


class PictureView(QGraphicsView):
    """Shows one picture. Zooming: wheel, pinch, + and -, 0 fits, 1 is one pixel for one."""

    box_hovered = Signal(object)
    """The index of a box in those that are shown, from 0, or None when the pointer has left it."""
    region_chosen = Signal(QRect)
    """In pixels of the whole picture."""
    choosing_ended = Signal()
    """A region was chosen, or the choosing was given up."""
    zoomed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        self._scene = QGraphicsScene()
        super().__init__(self._scene, parent)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setRenderHints(QPainter.RenderHint.Antialiasing | QPainter.RenderHint.SmoothPixmapTransform)
        self.setTransformationAnchor(QGraphicsView.ViewportAnchor.AnchorUnderMouse)
        self.setResizeAnchor(QGraphicsView.ViewportAnchor.AnchorViewCenter)
        self.setDragMode(QGraphicsView.DragMode.ScrollHandDrag)
        self.setAcceptDrops(False)  # drops go to the window, wherever they fall
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setMinimumSize(1, 1)
        self._picture: PictureItem | None = None
        self._boxes: list[BoxItem] = []
        self._read_in: ReadInItem | None = None
        self._grid: GridItem | None = None
        self._tiles: tuple[int, int] | None = None
        self._is_fitted = True
        self._is_choosing = False
        self._region: RegionItem | None = None
        self._origin = QPointF()
        self._show_theme()
        theme.signals.changed.connect(self._show_theme)

    @property
    def picture(self) -> ShownPicture | None:
        """The one that is shown."""
        return self._picture.picture if self._picture is not None else None

    @property
    def zoom(self) -> float:
        """Pixels of the window for one of the picture."""
        return self.transform().m11()

    @property
    def is_fitted(self) -> bool:
        """Whether the whole picture is shown, whatever the size of the window."""
        return self._is_fitted

    def show_picture(self, picture: ShownPicture | None, name: str = "") -> None:
        """Show a picture without boxes, fitted; None shows nothing."""
        self._scene.clear()
        self._picture, self._boxes, self._read_in, self._grid, self._region = None, [], None, None, None
        if picture is None:
            self.setAccessibleName(texts.pictures.no_picture())
            return
        self._picture = PictureItem(picture)
        self._scene.addItem(self._picture)
        self._scene.setSceneRect(self._picture.boundingRect().adjusted(-MARGIN, -MARGIN, MARGIN, MARGIN))
        self.setAccessibleName(texts.pictures.picture_name(name, picture.size))
        self._draw_grid()
        self.fit()

    def sharpen(self, picture: ShownPicture) -> None:
        """The same picture with all of its pixels; zoom and boxes stay."""
        if self._picture is not None:
            self._picture.sharpen(picture)

    def show_boxes(self, boxes: Sequence[Box]) -> None:
        """Show these boxes of this picture, numbered from 1, and no others."""
        for item in self._boxes:
            self._scene.removeItem(item)
        self._boxes = []
        if self._picture is None:
            return
        whole = self._picture.boundingRect()
        for number, box in enumerate(boxes, 1):
            left, top, right, bottom = box.px
            place = QRectF(left, top, right - left, bottom - top).intersected(whole)
            item = BoxItem(place, number, box.label, self._tell_hover)
            item.fit_label(self.zoom)
            self._scene.addItem(item)
            self._boxes.append(item)
        names = [texts.pictures.box_name(number, box.label) for number, box in enumerate(boxes, 1)]
        self.setAccessibleDescription("; ".join(names))
        self.show_read_in(None)

    def show_read_in(self, read_in: Place | None) -> None:
        """Show in which part of this picture the answer was read whose boxes were shown; None for all of it."""
        if self._read_in is not None:
            self._scene.removeItem(self._read_in)
            self._read_in = None
        if self._picture is None or read_in is None:
            return
        left, top, right, bottom = read_in
        place = QRectF(left, top, right - left, bottom - top).intersected(self._picture.boundingRect())
        self._read_in = ReadInItem(place)
        self._scene.addItem(self._read_in)
        named = filter(None, [self.accessibleDescription(), texts.pictures.read_here()])
        self.setAccessibleDescription("; ".join(named))

    def highlight_box(self, index: int | None) -> None:
        """Make one of the boxes stand out; None makes none."""
        for number, item in enumerate(self._boxes):
            item.set_highlighted(number == index)
        if index is not None and 0 <= index < len(self._boxes) and not self._is_fitted:
            self.ensureVisible(self._boxes[index])

    def show_tiles(self, tiles: tuple[int, int] | None) -> None:
        """Show how the model cuts the picture, as (columns, rows); None hides it."""
        self._tiles = tiles
        self._draw_grid()

    def fit(self) -> None:
        """Show the whole picture, and keep it whole when the window changes its size."""
        self._is_fitted = True
        if self._picture is None:
            return
        width, height = self._picture.picture.size
        room = self.viewport().size()
        edge = 2 * min(MARGIN, min(room.width(), room.height()) // 12)
        fitting = min((room.width() - edge) / width, (room.height() - edge) / height)
        self._set_zoom(min(max(fitting, 1e-3), LARGEST_FIT))
        self.centerOn(self._picture)

    def zoom_by(self, factor: float) -> None:
        """Larger or smaller, about the pointer or the middle."""
        if self._picture is None:
            return
        self._is_fitted = False
        self._set_zoom(min(max(self.zoom * factor, self._least_zoom()), LARGEST_ZOOM))

    def zoom_in(self) -> None:
        """One step."""
        self.zoom_by(STEP)

    def zoom_out(self) -> None:
        """One step."""
        self.zoom_by(1 / STEP)

    def show_pixels(self) -> None:
        """One pixel of the picture for one of the screen."""
        if self._picture is not None:
            self._is_fitted = False
            self._set_zoom(1 / self.devicePixelRatioF())

    def choose_region(self, choosing: bool) -> None:
        """Begin or give up choosing a part of the picture."""
        self._is_choosing = choosing
        self._forget_region()
        if choosing:
            self.setDragMode(QGraphicsView.DragMode.NoDrag)
            self.viewport().setCursor(Qt.CursorShape.CrossCursor)
            self.setFocus()
        else:
            self.setDragMode(QGraphicsView.DragMode.ScrollHandDrag)

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        """Begin a region, if one is being chosen or Shift is held; else begin to pan."""
        wants_region = self._is_choosing or bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
        if self._picture is None or event.button() != Qt.MouseButton.LeftButton or not wants_region:
            super().mousePressEvent(event)
            return
        self._origin = self.mapToScene(event.position().toPoint())
        self._region = RegionItem()
        self._scene.addItem(self._region)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        """Draw the region up to the pointer."""
        if self._region is None or self._picture is None:
            super().mouseMoveEvent(event)
            return
        drawn = QRectF(self._origin, self.mapToScene(event.position().toPoint())).normalized()
        self._region.setRect(drawn.intersected(self._picture.boundingRect()))

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        """Take the region."""
        if self._region is None:
            super().mouseReleaseEvent(event)
            return
        chosen = self._region.rect().toAlignedRect()
        self._forget_region()
        if min(chosen.width(), chosen.height()) >= LEAST_REGION:
            self.choose_region(False)
            self.choosing_ended.emit()
            self.region_chosen.emit(chosen)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        """From the whole picture to its pixels and back."""
        if self._is_fitted:
            self.show_pixels()
        else:
            self.fit()
        event.accept()

    def wheelEvent(self, event: QWheelEvent) -> None:  # noqa: N802 - Qt's name
        """A wheel zooms; two fingers on a touch pad pan, and zoom with Ctrl."""
        holds_ctrl = bool(event.modifiers() & Qt.KeyboardModifier.ControlModifier)
        if not event.pixelDelta().isNull() and not holds_ctrl:
            super().wheelEvent(event)
            return
        self.zoom_by(STEP ** (event.angleDelta().y() / WHEEL_STEP))
        event.accept()

    def viewportEvent(self, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        """A pinch on a touch pad zooms."""
        if isinstance(event, QNativeGestureEvent) and event.gestureType() == Qt.NativeGestureType.ZoomNativeGesture:
            self.zoom_by(1 + event.value())
            return True
        return super().viewportEvent(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        """Zoom with + - 0 1, pan with the arrows, give up a region with Escape."""
        actions = {
            Qt.Key.Key_Plus: self.zoom_in, Qt.Key.Key_Equal: self.zoom_in, Qt.Key.Key_Minus: self.zoom_out,
            Qt.Key.Key_0: self.fit, Qt.Key.Key_1: self.show_pixels,
        }  # fmt: skip
        steps = {
            Qt.Key.Key_Left: (-PAN, 0), Qt.Key.Key_Right: (PAN, 0), Qt.Key.Key_Up: (0, -PAN), Qt.Key.Key_Down: (0, PAN),
        }  # fmt: skip
        key = Qt.Key(event.key())
        if key in actions:
            actions[key]()
        elif key in steps and not event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            across, down = steps[key]
            self.horizontalScrollBar().setValue(self.horizontalScrollBar().value() + across)
            self.verticalScrollBar().setValue(self.verticalScrollBar().value() + down)
        elif key == Qt.Key.Key_Escape and self._is_choosing:
            self.choose_region(False)
            self.choosing_ended.emit()
        else:
            super().keyPressEvent(event)

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 - Qt's name
        """A fitted picture stays whole."""
        super().resizeEvent(event)
        if self._is_fitted:
            self.fit()

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802 - Qt's name
        """Only now is the size known."""
        super().showEvent(event)
        if self._is_fitted:
            self.fit()

    def _set_zoom(self, zoom: float) -> None:
        self.setTransform(self.transform().fromScale(zoom, zoom))
        for item in self._boxes:
            item.fit_label(zoom)
        self.zoomed.emit()

    def _least_zoom(self) -> float:
        width, height = self._picture.picture.size if self._picture is not None else (1, 1)
        room = self.viewport().size()
        return min(SMALLEST_OF_FIT * min(room.width() / width, room.height() / height), 1.0)

    def _draw_grid(self) -> None:
        if self._grid is not None:
            self._scene.removeItem(self._grid)
            self._grid = None
        if self._picture is not None and self._tiles is not None:
            self._grid = GridItem(self._picture.picture.size, self._tiles)
            self._scene.addItem(self._grid)

    def _forget_region(self) -> None:
        if self._region is not None:
            self._scene.removeItem(self._region)
            self._region = None

    def _tell_hover(self, number: int | None) -> None:
        index = number - 1 if number is not None else None
        self.highlight_box(index)
        self.box_hovered.emit(index)

    def _show_theme(self) -> None:
        self.setBackgroundBrush(theme.colour("sunken"))
