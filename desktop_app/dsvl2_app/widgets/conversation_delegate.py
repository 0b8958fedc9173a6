"""Paints the rows of the list of conversations, and edits their titles in place."""

from __future__ import annotations

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QPoint, QRect, QSize, Qt
from PySide6.QtGui import QFont, QFontMetrics, QPainter, QTextCharFormat, QTextLayout, QTextOption
from PySide6.QtWidgets import QLineEdit, QStyle, QStyledItemDelegate, QStyleOptionViewItem, QWidget

from dsvl2_app import texts
from dsvl2_app.state.history.records import Hit, Summary
from dsvl2_app.widgets import theme
from dsvl2_app.widgets.colours import Role
from dsvl2_app.widgets.conversation_list import ROW_ROLE, Heading, summary_of

MARGIN = 8
LINE_GAP = 3
PIN = 14
"""Side of the sign of a pinned conversation."""


class ConversationDelegate(QStyledItemDelegate):
    """Two lines for a conversation, one small one for a heading; what was searched is marked."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._sizes: tuple[QSize, QSize] | None = None
        """Of a heading and of a conversation; a list asks for the size of each of its rows whenever it gets more."""
        theme.signals.changed.connect(self._forget_sizes)

    def sizeHint(  # noqa: N802 - Qt's name
        self,
        option: QStyleOptionViewItem,  # noqa: ARG002 - the size depends on the texts alone
        index: QModelIndex | QPersistentModelIndex,
    ) -> QSize:
        """By the sizes of the texts."""
        if self._sizes is None:
            small, body = (QFontMetrics(theme.font(size)).height() for size in ("small", "body"))
            self._sizes = QSize(0, small + 2 * MARGIN), QSize(0, body + LINE_GAP + small + 2 * MARGIN)
        heading, conversation = self._sizes
        return heading if isinstance(index.data(ROW_ROLE), Heading) else conversation

    def _forget_sizes(self) -> None:
        self._sizes = None

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        """Colours come from the theme at this moment."""
        row = index.data(ROW_ROLE)
        area = QRect(option.rect)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if isinstance(row, Heading):
            font = theme.font("small")
            font.setWeight(QFont.Weight.DemiBold)
            painter.setFont(font)
            painter.setPen(theme.colour("muted"))
            flags = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignBottom
            painter.drawText(area.adjusted(MARGIN, 0, -MARGIN, -MARGIN // 2), flags, texts.history.group(row.group))
        else:
            self._paint_ground(painter, option, area)
            self._paint_conversation(painter, row, area.adjusted(MARGIN, MARGIN, -MARGIN, -MARGIN))
        painter.restore()

    def createEditor(  # noqa: N802 - Qt's name
        self,
        parent: QWidget,
        option: QStyleOptionViewItem,  # noqa: ARG002 - every row has the same editor
        index: QModelIndex | QPersistentModelIndex,  # noqa: ARG002
    ) -> QWidget:
        """A field over the title."""
        return QLineEdit(parent)

    def _paint_ground(self, painter: QPainter, option: QStyleOptionViewItem, area: QRect) -> None:
        state = option.state
        is_chosen = bool(state & QStyle.StateFlag.State_Selected)
        if is_chosen or state & QStyle.StateFlag.State_MouseOver:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(theme.colour("accent_soft" if is_chosen else "hover"))
            painter.drawRoundedRect(area.adjusted(0, 1, 0, -1), theme.BUTTON_RADIUS, theme.BUTTON_RADIUS)
        if state & QStyle.StateFlag.State_HasFocus and state & QStyle.StateFlag.State_KeyboardFocusChange:
            pen = painter.pen()
            pen.setColor(theme.colour("accent"))
            pen.setWidth(2)
            painter.setPen(pen)
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(area.adjusted(1, 2, -1, -2), theme.BUTTON_RADIUS, theme.BUTTON_RADIUS)

    def _paint_conversation(self, painter: QPainter, row: Summary | Hit, area: QRect) -> None:
        summary = summary_of(row)
        title_font, small_font = theme.font("body"), theme.font("small")
        title = QRect(area.left(), area.top(), area.width(), QFontMetrics(title_font).height())
        if summary.is_pinned:
            pin = theme.icon("pin", "muted").pixmap(PIN, PIN)
            painter.drawPixmap(area.right() - PIN, title.top() + (title.height() - PIN) // 2, PIN, PIN, pin)
            title.setRight(title.right() - PIN - MARGIN)
        _draw_line(painter, title, title_font, "text", summary.title)
        below = QRect(area.left(), title.bottom() + LINE_GAP, area.width(), QFontMetrics(small_font).height())
        if isinstance(row, Hit):
            _draw_line(painter, below, small_font, "muted", row.excerpt, row.marks)
        else:
            _draw_line(painter, below, small_font, "muted", texts.history.summary_line(summary))


def _draw_line(
    painter: QPainter,
    area: QRect,
    font: QFont,
    role: Role,
    text: str,
    marks: tuple[tuple[int, int], ...] = (),
) -> None:
    """One line, cut with an ellipsis; marks are told by weight and ground, not by colour alone."""
    shown = QFontMetrics(font).elidedText(text, Qt.TextElideMode.ElideRight, area.width())
    formats = []
    # Qt counts in units of UTF-16, Python in characters.
    kept = len(shown) - (shown != text)
    for begin, end in marks:
        if begin < kept:
            made = QTextLayout.FormatRange()
            made.start = _units(text[:begin])
            made.length = _units(text[begin : min(end, kept)])
            style = QTextCharFormat()
            style.setFontWeight(QFont.Weight.Bold)
            style.setForeground(theme.colour("text"))
            style.setBackground(theme.colour("warning_soft"))
            made.format = style
            formats.append(made)
    layout = QTextLayout(shown, font)
    option = QTextOption()
    option.setWrapMode(QTextOption.WrapMode.NoWrap)
    layout.setTextOption(option)
    layout.setFormats(formats)
    layout.beginLayout()
    line = layout.createLine()
    line.setLineWidth(area.width())
    layout.endLayout()
    painter.setPen(theme.colour(role))
    painter.setClipRect(area)
    layout.draw(painter, QPoint(area.left(), area.top()))
    painter.setClipping(False)


def _units(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2
