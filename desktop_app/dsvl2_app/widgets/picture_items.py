"""What lies on the scene of the picture view: the picture, its tile grid, numbered boxes, and a rectangle being drawn.

One unit of the scene is one pixel of the whole picture, whatever part of it is held for the screen.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QBrush, QColor, QFont, QFontMetricsF, QImage, QPainter, QPen
from PySide6.QtWidgets import (
    QGraphicsItem,
    QGraphicsRectItem,
    QGraphicsSceneHoverEvent,
    QStyleOptionGraphicsItem,
    QWidget,
)

from dsvl2_app import texts
from dsvl2_app.state.display import Level, ShownPicture
from dsvl2_app.widgets import theme
from dsvl2_app.widgets.colours import ON_BOX

MAGNIFIED = 3.0
"""Pixels of the screen for one of the picture, from which pixels are shown as squares."""
FILL, FILL_HOVERED = 28, 72
"""Opacity of 255."""
LINE, LINE_HOVERED = 2.0, 3.5
GRID_LINE = 1.25
LABEL_PAD = 6
LABEL_GAP = 4
LONGEST_LABEL = 32
SMALL_BOX = 40
"""Pixels of the window: a box that is less high has its label beside it."""


class PictureItem(QGraphicsItem):
    """The picture, drawn from the level that fits the zoom."""

    def __init__(self, picture: ShownPicture) -> None:
        super().__init__()
        self.picture = picture
        self._images: dict[int, QImage] = {}
        # Qt repaints only what is exposed if the option says what that is.
        self.setFlag(QGraphicsItem.GraphicsItemFlag.ItemUsesExtendedStyleOption)

    def sharpen(self, picture: ShownPicture) -> None:
        """Draw the same picture from other levels."""
        self.picture, self._images = picture, {}
        self.update()

    def boundingRect(self) -> QRectF:  # noqa: N802 - Qt's name
        """The whole picture."""
        return QRectF(0, 0, *self.picture.size)

    def paint(self, painter: QPainter, option: QStyleOptionGraphicsItem, widget: QWidget | None = None) -> None:
        """The exposed part."""
        zoom = option.levelOfDetailFromTransform(painter.worldTransform())
        level = self.picture.level_for(zoom * painter.device().devicePixelRatioF())
        across, down = level.width / self.picture.size[0], level.height / self.picture.size[1]
        part = option.exposedRect.intersected(self.boundingRect())
        source = QRectF(part.x() * across, part.y() * down, part.width() * across, part.height() * down)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, zoom < MAGNIFIED)
        painter.drawImage(part, self._image(level), source)
        pen = QPen(theme.colour("line"), 1)
        pen.setCosmetic(True)
        painter.setPen(pen)  # a white page on white has an edge
        painter.drawRect(self.boundingRect())

    def _image(self, level: Level) -> QImage:
        if level.width not in self._images:  # it looks at the pixels, which the level keeps alive
            image = QImage(level.pixels.data, level.width, level.height, 4 * level.width, QImage.Format.Format_RGB32)
            self._images[level.width] = image
        return self._images[level.width]


class GridItem(QGraphicsItem):
    """Where the model cuts the picture into tiles; parts of the grid may lie beyond the picture."""

    def __init__(self, size: tuple[int, int], tiles: tuple[int, int]) -> None:
        super().__init__()
        width, height = size
        wide, high = tiles
        side = max(width / wide, height / high)
        """Of a tile, in pixels of the picture: it is scaled to fit, and centred."""
        self._grid = QRectF((width - wide * side) / 2, (height - high * side) / 2, wide * side, high * side)
        self._tiles = tiles
        self.setZValue(1)

    def boundingRect(self) -> QRectF:  # noqa: N802 - Qt's name
        """The whole grid."""
        return self._grid

    def paint(self, painter: QPainter, option: QStyleOptionGraphicsItem, widget: QWidget | None = None) -> None:
        """Thin lines, light on dark and dark on light."""
        wide, high = self._tiles
        for colour, style in (("#FFFFFF", Qt.PenStyle.SolidLine), ("#1B1F24", Qt.PenStyle.DashLine)):
            pen = QPen(QColor(colour), GRID_LINE, style)
            pen.setCosmetic(True)
            painter.setPen(pen)
            for column in range(wide + 1):
                x = self._grid.left() + column * self._grid.width() / wide
                painter.drawLine(QPointF(x, self._grid.top()), QPointF(x, self._grid.bottom()))
            for row in range(high + 1):
                y = self._grid.top() + row * self._grid.height() / high
                painter.drawLine(QPointF(self._grid.left(), y), QPointF(self._grid.right(), y))


class LabelItem(QGraphicsItem):
    """The number and the label of a box; as large at every zoom."""

    def __init__(self, text: str, colour: QColor, parent: QGraphicsItem) -> None:
        super().__init__(parent)
        self.text, self._colour = text, colour
        self.setFlag(QGraphicsItem.GraphicsItemFlag.ItemIgnoresTransformations)

    def show_text(self, text: str) -> None:
        """Say something else."""
        if text != self.text:
            self.prepareGeometryChange()
            self.text = text

    def boundingRect(self) -> QRectF:  # noqa: N802 - Qt's name
        """Above its corner."""
        metrics = QFontMetricsF(_label_font())
        width, height = metrics.horizontalAdvance(self.text) + 2 * LABEL_PAD, metrics.height() + 2
        return QRectF(-1, -height, width, height)

    def paint(self, painter: QPainter, option: QStyleOptionGraphicsItem, widget: QWidget | None = None) -> None:
        """White letters on the colour of the box."""
        painter.setFont(_label_font())
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(self._colour)
        painter.drawRoundedRect(self.boundingRect(), 3, 3)
        painter.setPen(QColor(ON_BOX))
        painter.drawText(self.boundingRect(), Qt.AlignmentFlag.AlignCenter, self.text)


@cache
def _label_font() -> QFont:
    font = theme.font("small")
    font.setWeight(QFont.Weight.Bold)
    return font


class BoxItem(QGraphicsRectItem):
    """One box of an answer, by number and not by colour alone."""

    def __init__(self, place: QRectF, number: int, label: str, on_hover: Callable[[int | None], None]) -> None:
        super().__init__(place)
        self._number, self._on_hover = number, on_hover
        self._colour = theme.box_colour(number)
        shown = label if len(label) <= LONGEST_LABEL else label[: LONGEST_LABEL - 1] + "…"
        self._name = f"{number} {shown}".strip()
        self._zoom, self._is_highlighted = 1.0, False
        self.label = LabelItem(self._name, self._colour, self)
        self.setAcceptHoverEvents(True)
        self.setZValue(2)
        self.set_highlighted(False)

    def set_highlighted(self, highlighted: bool) -> None:
        """A thicker line, and more of its colour inside."""
        pen = QPen(self._colour, LINE_HOVERED if highlighted else LINE)
        pen.setCosmetic(True)
        self.setPen(pen)
        inside = QColor(self._colour)
        inside.setAlpha(FILL_HOVERED if highlighted else FILL)
        self.setBrush(QBrush(inside))
        self.setZValue(3 if highlighted else 2)
        self._is_highlighted = highlighted
        self.fit_label(self._zoom)

    def fit_label(self, zoom: float) -> None:
        """Above a large box; of a small one, whose words it would hide, the number beside it, until it is looked at.

        Args:
            zoom: pixels of the window for one of the picture.
        """
        self._zoom = zoom
        is_small = self.rect().height() * zoom < SMALL_BOX
        self.label.show_text(str(self._number) if is_small and not self._is_highlighted else self._name)
        across = -(self.label.boundingRect().width() + LABEL_GAP) / zoom if is_small else 0.0
        down = (self.rect().height() + self.label.boundingRect().height() / zoom) / 2 if is_small else 0.0
        self.label.setPos(self.rect().left() + across, self.rect().top() + down)

    def hoverEnterEvent(self, event: QGraphicsSceneHoverEvent) -> None:  # noqa: N802 - Qt's name
        """The pointer comes."""
        self._on_hover(self._number)
        super().hoverEnterEvent(event)

    def hoverLeaveEvent(self, event: QGraphicsSceneHoverEvent) -> None:  # noqa: N802 - Qt's name
        """The pointer goes."""
        self._on_hover(None)
        super().hoverLeaveEvent(event)


class ReadInItem(QGraphicsRectItem):
    """The part of the picture in which an answer was read."""

    def __init__(self, place: QRectF) -> None:
        super().__init__(place)
        colour = theme.box_colour(1)  # an answer that was read in a part has no boxes
        pen = QPen(colour, LINE, Qt.PenStyle.DashLine)
        pen.setCosmetic(True)
        self.setPen(pen)
        self.setZValue(1)
        self.label = LabelItem(texts.pictures.read_here(), colour, self)
        self.label.setPos(place.topLeft())


class RegionItem(QGraphicsRectItem):
    """A part of the picture while it is chosen."""

    def __init__(self) -> None:
        super().__init__()
        pen = QPen(theme.colour("accent"), 2, Qt.PenStyle.DashLine)
        pen.setCosmetic(True)
        self.setPen(pen)
        inside = theme.colour("accent")
        inside.setAlpha(FILL)
        self.setBrush(QBrush(inside))
        self.setZValue(4)
