"""The document of an answer that comes piece by piece: a piece that is there is laid out once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QObject
from PySide6.QtGui import (
    QTextBlockFormat,
    QTextCharFormat,
    QTextCursor,
    QTextDocument,
    QTextDocumentFragment,
    QTextLength,
)

from dsvl2_app.state.answer_pieces import Piece
from dsvl2_app.widgets.answer_document import (
    ShownDocument,
    answer_document,
    blocks,
    box_number,
    code_blocks,
    fragments,
    prepare,
    tables,
)


@dataclass(frozen=True, slots=True)
class Placed:
    """A piece of an answer, and where it is in the document."""

    piece: Piece
    begin: int
    """The position that was the document's last one before it came."""
    ground: QTextBlockFormat
    """Of the paragraph there; Qt gives it the format of the next one where it is empty and the next one goes."""
    boxes: dict[int, tuple[int, int]]
    """(position, length) of the chip of each box, by its number from 0."""
    code: dict[int, str]
    """Blocks of code by the position of their first line."""


class GrowingDocument(ShownDocument):
    """Looks like `answer_document` of all of its pieces together."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        prepare(self)
        self.pieces: list[Placed] = []

    @property
    def boxes(self) -> dict[int, tuple[int, int]]:
        """(position, length) of the chip of each box, by its number from 0."""
        return {number: place for piece in self.pieces for number, place in piece.boxes.items()}

    def same(self, wanted: Sequence[Piece]) -> int:
        """How many pieces at the beginning are those that are wanted."""
        count = 0
        for placed, piece in zip(self.pieces, wanted, strict=False):
            if placed.piece != piece:
                break
            count += 1
        return count

    def keep(self, count: int) -> None:
        """Take away all but so many pieces."""
        if count < len(self.pieces):
            first = self.pieces[count]
            cursor = QTextCursor(self)
            cursor.setPosition(first.begin)
            cursor.movePosition(QTextCursor.MoveOperation.End, QTextCursor.MoveMode.KeepAnchor)
            cursor.removeSelectedText()
            cursor.setBlockFormat(first.ground)
            del self.pieces[count:]

    def add(self, piece: Piece) -> None:
        """Put one more piece at the end."""
        source = answer_document(piece.markdown)
        if piece.columns:
            _fit_part(source, piece)
        cursor = QTextCursor(self)
        cursor.movePosition(QTextCursor.MoveOperation.End)
        begin, ground = cursor.position(), cursor.blockFormat()
        first = source.firstBlock()
        cursor.beginEditBlock()
        if piece.continues:
            cursor.setBlockFormat(_thin())
        # A list, a table and a line across bring a paragraph of their own.
        if first.textList() is None and first.text():
            if self.pieces:
                cursor.insertBlock(QTextBlockFormat(), QTextCharFormat())
            cursor.setBlockFormat(first.blockFormat())
        cursor.insertFragment(QTextDocumentFragment(source))
        cursor.endEditBlock()
        moved = self.characterCount() - source.characterCount()
        boxes = {number: (position + moved, length) for number, (position, length) in _box_places(source).items()}
        code = {
            lines[0].position() + moved: "\n".join(block.text() for block in lines) for lines in code_blocks(source)
        }
        self.pieces.append(Placed(piece, begin, ground, boxes, code))


def _box_places(document: QTextDocument) -> dict[int, tuple[int, int]]:
    if not any(look.isCharFormat() and look.toCharFormat().isAnchor() for look in document.allFormats()):
        return {}
    found = ((box_number(look.anchorHref()), at, length) for block in blocks(document)
             for at, length, _, look in fragments(block))  # fmt: skip
    return {number: (at, length) for number, at, length in found if number is not None}


def _fit_part(document: QTextDocument, piece: Piece) -> None:
    """Columns as wide as those of the other parts, and no second head."""
    for table in tables(document.rootFrame()):
        look = table.format()
        look.setWidth(QTextLength(QTextLength.Type.PercentageLength, 100))
        widths = (piece.columns + (1,) * table.columns())[: table.columns()]
        look.setColumnWidthConstraints([QTextLength(QTextLength.Type.PercentageLength, width) for width in widths])
        look.setBottomMargin(0)
        if piece.continues:
            look.setTopMargin(-4)  # its border lies on that of the part above
        table.setFormat(look)
        if piece.continues:
            table.removeRows(0, 1)


def _thin() -> QTextBlockFormat:
    """Of the paragraph that Qt wants between two tables."""
    look = QTextBlockFormat()
    look.setLineHeight(1, QTextBlockFormat.LineHeightTypes.FixedHeight.value)
    return look
