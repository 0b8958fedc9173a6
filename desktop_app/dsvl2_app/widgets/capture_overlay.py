"""The frozen screens, dimmed, on which a part is chosen: one window for each screen."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PySide6.QtCore import QObject, QPoint, QPointF, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QCloseEvent,
    QColor,
    QCursor,
    QGuiApplication,
    QImage,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QPixmap,
    QScreen,
)
from PySide6.QtWidgets import QWidget

from dsvl2_app.capture.handler import FrozenScreen
from dsvl2_app.state.selection import Area, Point, Selection
from dsvl2_app.texts import capture as texts

DIMMED = QColor(0, 0, 0, 102)
"""40 % black."""
LABEL, LABEL_TEXT = QColor(22, 24, 28, 230), QColor(232, 234, 237)
STEP, LONG_STEP = 1, 10
ARROWS = {
    Qt.Key.Key_Left: (-1, 0), Qt.Key.Key_Right: (1, 0), Qt.Key.Key_Up: (0, -1), Qt.Key.Key_Down: (0, 1),
}  # fmt: skip
MAGNIFIED_PIXELS, MAGNIFICATION = 15, 8
AWAY = 24
"""Between pointer and magnifier."""

Describe = Callable[[int, int], str]
"""What an image of (width, height) pixels costs, in words."""


class ScreenOverlay(QWidget):
    """One frozen screen."""

    chose = Signal(QImage)
    left = Signal()

    def __init__(self, frozen: FrozenScreen, accent: QColor, describe: Describe) -> None:
        super().__init__(None, Qt.WindowType.FramelessWindowHint | Qt.WindowType.WindowStaysOnTopHint)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setAttribute(Qt.WidgetAttribute.WA_QuitOnClose, False)  # the window that it is for is hidden meanwhile
        self.setAccessibleName(texts.overlay_title())
        self.setWindowTitle(texts.overlay_title())
        self.setMouseTracking(True)
        self.setCursor(Qt.CursorShape.CrossCursor)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self._frozen, self._image = frozen, frozen.image
        self._accent, self._describe = accent, describe
        self._pressed = False
        self._bright = self._dim = QPixmap()
        """The picture for this window, pixel for pixel; painting follows every move of the pointer."""
        self.selection = Selection(self._image.width(), self._image.height(), frozen.frames)

    def open_on(self, screen: QScreen) -> None:
        """Cover a screen."""
        self.setScreen(screen)
        self.setGeometry(screen.geometry())
        self.showFullScreen()

    def pixel_at(self, position: QPointF) -> Point:
        """The pixel of the picture at a place of this window, at whatever scale the screen has."""
        return (
            int(position.x() * self._image.width() / max(1, self.width())),
            int(position.y() * self._image.height() / max(1, self.height())),
        )

    def place_of(self, area: Area) -> QRectF:
        """Where an area of the picture is in this window."""
        across, down = self.width() / self._image.width(), self.height() / self._image.height()
        return QRectF(area.left * across, area.top * down, area.width * across, area.height * down)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        """The pointer is elsewhere."""
        self._select(self.selection.move_to(self.pixel_at(event.position())))

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        """A rectangle begins; the other button leaves."""
        if event.button() != Qt.MouseButton.LeftButton:
            self.left.emit()
            return
        self._pressed = True
        self._select(self.selection.move_to(self.pixel_at(event.position())).set_corner())

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        """The rectangle is complete, or a window was clicked."""
        if event.button() != Qt.MouseButton.LeftButton or not self._pressed:
            return
        self._pressed = False
        self._select(self.selection.move_to(self.pixel_at(event.position())))
        chosen = self.selection.dragged or self.selection.frame
        if chosen is not None:
            self._choose(chosen)
        else:
            self._select(self.selection.without_corner())

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        """Keys do all that the mouse does."""
        key = Qt.Key(event.key())
        if key == Qt.Key.Key_Escape:
            self.left.emit()
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self._choose(self.selection.dragged or self.selection.whole)
        elif key == Qt.Key.Key_Space:
            if self.selection.dragged is not None:
                self._choose(self.selection.dragged)
            else:
                self._select(self.selection.set_corner())
        elif key in ARROWS:
            step = LONG_STEP if event.modifiers() & Qt.KeyboardModifier.ShiftModifier else STEP
            x, y = ARROWS[key]
            self._select(self.selection.move_by(x * step, y * step))
        else:
            super().keyPressEvent(event)

    def closeEvent(self, event: QCloseEvent) -> None:  # noqa: N802 - Qt's name
        """The desktop closes it."""
        self.left.emit()
        super().closeEvent(event)

    def paintEvent(self, _event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """The picture dimmed, what would be taken bright, its size, and the pixels under the pointer."""
        painter = QPainter(self)
        self._prepare()
        painter.drawPixmap(0, 0, self._dim)
        shown = self.selection.shown
        if shown is not None:
            place, ratio = self.place_of(shown), self._bright.devicePixelRatio()
            painter.drawPixmap(place, self._bright, QRectF(place.topLeft() * ratio, place.size() * ratio))
            pen = QPen(self._accent, 2)
            pen.setCosmetic(True)
            painter.setPen(pen)
            painter.drawRect(place)
            cost = self._describe(shown.width, shown.height)
            self._draw_label(painter, place, texts.area_label(shown.width, shown.height, cost))
        if not self._pressed:
            hint = texts.overlay_hint(bool(self._frozen.frames))
            self._draw_label(painter, QRectF(self.width() / 2, 0, 0, 0), hint, centred=True)
        self._draw_magnifier(painter)

    def _prepare(self) -> None:
        ratio = self.devicePixelRatioF()
        size = QSize(round(self.width() * ratio), round(self.height() * ratio))
        if self._bright.size() == size and self._bright.devicePixelRatio() == ratio:
            return
        self._bright = QPixmap.fromImage(self._image if self._image.size() == size else self._image.scaled(size))
        self._bright.setDevicePixelRatio(ratio)
        self._dim = QPixmap(self._bright)
        painter = QPainter(self._dim)
        painter.fillRect(self.rect(), DIMMED)
        painter.end()

    def _draw_label(self, painter: QPainter, place: QRectF, text: str, centred: bool = False) -> None:
        painter.setFont(self.font())
        size = painter.fontMetrics().boundingRect(text).size() + QSize(20, 12)
        corner = QPoint(int(place.left()), int(place.top()) - size.height() - 6)
        if centred:
            corner = QPoint(int(place.left()) - size.width() // 2, 16)
        elif corner.y() < 0:
            corner.setY(int(min(place.bottom() + 6, self.height() - size.height())))
        corner.setX(max(0, min(corner.x(), self.width() - size.width())))
        box = QRect(corner, size)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(LABEL)
        painter.drawRoundedRect(box, 6, 6)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(LABEL_TEXT)
        painter.drawText(box, Qt.AlignmentFlag.AlignCenter, text)

    def _draw_magnifier(self, painter: QPainter) -> None:
        x, y = self.selection.pointer
        half = MAGNIFIED_PIXELS // 2
        side = MAGNIFIED_PIXELS * MAGNIFICATION
        place = self.place_of(Area(x, y, 1, 1))
        left = place.left() + AWAY if place.left() + AWAY + side <= self.width() else place.left() - AWAY - side
        top = place.top() + AWAY if place.top() + AWAY + side <= self.height() else place.top() - AWAY - side
        lens = QRectF(left, top, side, side)
        painter.fillRect(lens, Qt.GlobalColor.black)  # beyond the edge of the screen there is nothing
        pixels = Area(x - half, y - half, MAGNIFIED_PIXELS, MAGNIFIED_PIXELS)
        painter.drawImage(
            lens, self._image.copy(pixels.left, pixels.top, pixels.width, pixels.height), QRectF(0, 0, 15, 15)
        )
        painter.setPen(QPen(self._accent, 1))
        painter.drawRect(lens)
        painter.drawRect(QRectF(left + half * MAGNIFICATION, top + half * MAGNIFICATION, MAGNIFICATION, MAGNIFICATION))

    def _select(self, selection: Selection) -> None:
        if selection != self.selection:
            self.selection = selection
            self.update()

    def _choose(self, area: Area) -> None:
        self.chose.emit(self._image.copy(area.left, area.top, area.width, area.height))


class Overlay(QObject):
    """The overlays of all screens, of which one ends them all."""

    chose = Signal(QImage)
    cancelled = Signal()

    def __init__(self, screens: Sequence[FrozenScreen], accent: QColor, describe: Describe) -> None:
        super().__init__()
        self.windows = [ScreenOverlay(frozen, accent, describe) for frozen in screens]
        self._frozen = screens
        self._over = False
        for window in self.windows:
            window.chose.connect(self._choose)
            window.left.connect(self._leave)

    def show(self) -> None:
        """Cover the screens; the one under the pointer gets the keys."""
        by_name = {screen.name(): screen for screen in QGuiApplication.screens()}
        pointer = QCursor.pos()
        active = self.windows[0]
        for window, frozen in zip(self.windows, self._frozen, strict=True):
            if (screen := by_name.get(frozen.name)) is None:
                continue  # unplugged since it was frozen
            window.open_on(screen)
            if frozen.place.contains(pointer):
                active = window
                window.selection = window.selection.move_to(window.pixel_at(QPointF(pointer - frozen.place.topLeft())))
        active.raise_()
        active.activateWindow()
        active.setFocus()

    def close(self) -> None:
        """Take the overlays away."""
        self._over = True
        for window in self.windows:
            window.close()
            window.deleteLater()

    def _choose(self, image: QImage) -> None:
        if not self._over:
            self.close()
            self.chose.emit(image)

    def _leave(self) -> None:
        if not self._over:
            self.close()
            self.cancelled.emit()


def screen_under(screens: Sequence[FrozenScreen], pointer: QPoint) -> FrozenScreen:
    """The frozen screen on which the pointer is, or the first."""
    return next((screen for screen in screens if screen.place.contains(pointer)), screens[0])
