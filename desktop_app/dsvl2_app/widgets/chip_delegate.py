"""Draws one chip: thumbnail, name, figures, and the cross that takes it away."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QPoint, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QCursor, QFontMetrics, QPainter, QPen, QPixmap
from PySide6.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem, QWidget

from dsvl2_app import texts
from dsvl2_app.state.session import Attachment
from dsvl2_app.widgets import theme
from dsvl2_app.widgets.pixmaps import to_pixmap

IMAGE_ROLE, TOKENS_ROLE, OVER_ROLE = (Qt.ItemDataRole.UserRole + offset for offset in (1, 2, 3))
CHIP, SMALL_CHIP = QSize(208, 68), QSize(172, 44)
GAP = 8
"""Pixels between two chips; part of the size of each."""
CROSS = 28
ICON = 14
PAD = 8


def card_rect(chip: QRect) -> QRect:
    """What is drawn of an item, which Qt makes as high as the row."""
    height = SMALL_CHIP.height() if chip.width() == SMALL_CHIP.width() else CHIP.height()
    return QRect(chip.left(), chip.top(), chip.width() - GAP, min(chip.height(), height))


def remove_rect(chip: QRect) -> QRect:
    """Where the cross of a chip is."""
    inside = card_rect(chip)
    return QRect(inside.right() - CROSS - 4, inside.center().y() - CROSS // 2, CROSS, CROSS)


class ChipDelegate(QStyledItemDelegate):
    """One chip as a card; red where the context has no room for it."""

    def __init__(self, view: QWidget) -> None:
        super().__init__(view)
        self._thumbnails: dict[tuple[str, int], QPixmap] = {}

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> QSize:  # noqa: N802
        """Of the item."""
        hint = index.data(Qt.ItemDataRole.SizeHintRole)
        return hint if isinstance(hint, QSize) else CHIP

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        """A card, with the border of the accent where it is chosen."""
        image: Attachment = index.data(IMAGE_ROLE)
        is_over = bool(index.data(OVER_ROLE))
        chip: QRect = option.rect
        state: QStyle.StateFlag = option.state
        is_chosen = bool(state & QStyle.StateFlag.State_Selected)
        inside = card_rect(chip)
        card = QRectF(inside).adjusted(1, 1, -1, -1)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        border = theme.colour("error" if is_over else "accent" if is_chosen else "line")
        painter.setPen(QPen(border, 2 if is_chosen or is_over else 1))
        painter.setBrush(theme.colour("error_soft" if is_over else "surface"))
        painter.drawRoundedRect(card, theme.CARD_RADIUS, theme.CARD_RADIUS)
        side = inside.height() - 2 * PAD - 2
        place = QRect(inside.left() + PAD + 2, inside.top() + PAD + 1, side, side)
        self._draw_thumbnail(painter, image, place)
        self._draw_texts(painter, image, index.data(TOKENS_ROLE), is_over, place.right() + PAD, chip)
        self._draw_cross(painter, chip, option.widget)
        painter.restore()

    def _draw_thumbnail(self, painter: QPainter, image: Attachment, place: QRect) -> None:
        ratio = painter.device().devicePixelRatioF()
        key = image.content.sha256, round(place.width() * ratio)
        if key not in self._thumbnails:
            pixmap = to_pixmap(image.thumbnail).scaled(
                QSize(key[1], key[1]), Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation
            )
            pixmap.setDevicePixelRatio(ratio)
            self._thumbnails[key] = pixmap
        pixmap = self._thumbnails[key]
        size = pixmap.deviceIndependentSize().toSize()
        corner = QPoint(place.center().x() - size.width() // 2, place.center().y() - size.height() // 2)
        painter.drawPixmap(corner, pixmap)
        painter.setPen(QPen(theme.colour("line"), 1))  # a white page on white has an edge
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawRect(QRect(corner, size).adjusted(0, 0, -1, -1))

    def _draw_texts(
        self, painter: QPainter, image: Attachment, tokens: int | None, is_over: bool, left: int, chip: QRect
    ) -> None:
        width = remove_rect(chip).left() - left - 2
        font, small = theme.font("body"), theme.font("small")
        upper, lower = QFontMetrics(font), QFontMetrics(small)
        card = card_rect(chip)
        figures = texts.pictures.chip_figures(image.size, tokens)
        lines = figures if upper.height() + len(figures) * lower.height() < card.height() else figures[:1]
        top = card.center().y() - (upper.height() + len(lines) * lower.height()) // 2
        painter.setFont(font)
        painter.setPen(theme.colour("error" if is_over else "text"))
        words = texts.pictures.page_short(image.page) if image.page is not None else Path(image.name).name
        name = upper.elidedText(words, Qt.TextElideMode.ElideMiddle, width)
        painter.drawText(QRect(left, top, width, upper.height()), Qt.AlignmentFlag.AlignLeft, name)
        painter.setFont(small)
        painter.setPen(theme.colour("error" if is_over else "muted"))
        top += upper.height()
        for line in lines:
            shown = lower.elidedText(line, Qt.TextElideMode.ElideRight, width)
            painter.drawText(QRect(left, top, width, lower.height()), Qt.AlignmentFlag.AlignLeft, shown)
            top += lower.height()

    def _draw_cross(self, painter: QPainter, chip: QRect, view: QWidget) -> None:
        cross = remove_rect(chip)
        viewport = view.viewport() if hasattr(view, "viewport") else view
        if cross.contains(viewport.mapFromGlobal(QCursor.pos())):
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(theme.colour("hover"))
            painter.drawRoundedRect(cross, 6, 6)
        inner = QRect(0, 0, ICON, ICON)
        inner.moveCenter(cross.center())
        theme.icon("x", "muted").paint(painter, inner)
