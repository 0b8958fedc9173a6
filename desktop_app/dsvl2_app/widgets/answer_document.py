"""Markdown of a model as a document that is only shown: no markup of HTML, no picture, no link that leads anywhere.

An answer is a stranger's text. A picture that it names would be read from the disk or asked of another computer, which
on Windows may hand over a login; a link would leave the window with one click. So pictures become their names in words
and links become their text with the address beside it, before anything is laid out; and a document that is asked for a
file all the same gives one transparent pixel, because Qt opens the file itself where it is given nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

from PySide6.QtCore import QObject, Qt, QUrl
from PySide6.QtGui import (
    QBrush,
    QFont,
    QFontDatabase,
    QImage,
    QTextBlock,
    QTextBlockFormat,
    QTextCharFormat,
    QTextCursor,
    QTextDocument,
    QTextFormat,
    QTextFrame,
    QTextFrameFormat,
    QTextOption,
    QTextTable,
)

from dsvl2_app import texts
from dsvl2_app.state.answer_text import MARKS, marked_number
from dsvl2_app.widgets import theme

BOX_SCHEME = "box:"
"""Of the only links that a document has: to a place on the picture, by its number from 0."""
LONGEST_ADDRESS = 200
"""Characters of a link's address that are shown."""
FEATURES = (
    QTextDocument.MarkdownFeature.MarkdownDialectGitHub | QTextDocument.MarkdownFeature.MarkdownNoHTML
)  # fmt: skip
CELL_PADDING = 5


class ShownDocument(QTextDocument):
    """A document that reads nothing."""

    def loadResource(self, _kind: int, _name: QUrl | str) -> object:  # noqa: N802 - Qt's name
        """One transparent pixel, whatever is asked for."""
        pixel = QImage(1, 1, QImage.Format.Format_ARGB32)
        pixel.fill(Qt.GlobalColor.transparent)
        return pixel


def answer_document(markdown: str, parent: QObject | None = None) -> ShownDocument:
    """A document of an answer (`answer_text.shown_markdown`)."""
    document = ShownDocument(parent)
    prepare(document)
    document.setMarkdown(markdown, FEATURES)
    _make_harmless(document)
    _style_blocks(document)
    for table in tables(document.rootFrame()):
        _style_table(table)
    _place_marks(document)
    document.clearUndoRedoStacks()
    return document


def prepare(document: QTextDocument) -> None:
    """Typeface, margins and how lines are broken: one without spaces is broken rather than cut off."""
    document.setUndoRedoEnabled(False)
    document.setDefaultFont(theme.font("body"))
    document.setDocumentMargin(0)
    option = document.defaultTextOption()
    option.setWrapMode(QTextOption.WrapMode.WrapAtWordBoundaryOrAnywhere)
    document.setDefaultTextOption(option)


def blocks(document: QTextDocument) -> Iterator[QTextBlock]:
    """All paragraphs, those in tables among them."""
    block = document.begin()
    while block.isValid():
        yield block
        block = block.next()


def tables(frame: QTextFrame) -> Iterator[QTextTable]:
    """All tables, however deep."""
    for child in frame.childFrames():
        if isinstance(child, QTextTable):
            yield child
        yield from tables(child)


def is_code(block: QTextBlock) -> bool:
    """Whether a paragraph is a line of a block of code."""
    found = block.blockFormat()
    return any(
        found.hasProperty(int(kind.value))
        for kind in (QTextFormat.Property.BlockCodeFence, QTextFormat.Property.BlockCodeLanguage)
    )


def code_blocks(document: QTextDocument) -> list[list[QTextBlock]]:
    """The lines of each block of code."""
    found: list[list[QTextBlock]] = []
    inside = False
    for block in blocks(document):
        if is_code(block):
            if not inside:
                found.append([])
            found[-1].append(block)
        inside = is_code(block)
    return found


def fragments(block: QTextBlock) -> Iterator[tuple[int, int, str, QTextCharFormat]]:
    """(position, length, text, look) of each run of a paragraph."""
    iterator = block.begin()
    while not iterator.atEnd():
        fragment = iterator.fragment()
        if fragment.isValid():
            yield fragment.position(), fragment.length(), fragment.text(), fragment.charFormat()
        iterator += 1


def _leads_away(look: QTextCharFormat) -> bool:
    return look.isImageFormat() or look.isAnchor()


def _make_harmless(document: QTextDocument) -> None:
    """Pictures become words, links become text."""
    if not any(look.isCharFormat() and _leads_away(look.toCharFormat()) for look in document.allFormats()):
        return
    found = [
        (position, length, text, look)
        for block in blocks(document)
        for position, length, text, look in fragments(block)
        if _leads_away(look)
    ]
    cursor = QTextCursor(document)
    for position, length, text, look in reversed(found):
        cursor.setPosition(position)
        cursor.setPosition(position + length, QTextCursor.MoveMode.KeepAnchor)
        plain = QTextCharFormat()
        plain.setFontWeight(look.fontWeight())
        plain.setFontItalic(look.fontItalic())
        if look.isImageFormat():
            plain.setFontItalic(True)
            name = look.toImageFormat().property(int(QTextFormat.Property.ImageAltText.value)) or ""
            cursor.insertText(texts.talk.picture_in_answer(str(name)), plain)
            continue
        address = look.anchorHref()
        shown = text if address in (text, f"mailto:{text}", f"http://{text}") else texts.talk.link(text, address)
        cursor.insertText(shown[: len(text) + LONGEST_ADDRESS], plain)


def _style_blocks(document: QTextDocument) -> None:
    """Headings no larger than those of the window; code with a ground of its own, broken at the edge."""
    cursor = QTextCursor(document)
    mono = QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont).family()
    for block in blocks(document):
        look = block.blockFormat()
        cursor.setPosition(block.position())
        if look.headingLevel():
            cursor.select(QTextCursor.SelectionType.BlockUnderCursor)
            heading = QTextCharFormat()
            heading.setFontWeight(QFont.Weight.DemiBold)
            heading.setFontPointSize(theme.points("heading" if look.headingLevel() == 1 else "body"))
            heading.setProperty(int(QTextFormat.Property.FontSizeAdjustment.value), 0)
            cursor.mergeCharFormat(heading)
        elif is_code(block):
            code = QTextBlockFormat()
            code.setBackground(theme.colour("sunken"))
            code.setNonBreakableLines(False)
            code.setLeftMargin(theme.SMALL)
            code.setRightMargin(theme.SMALL)
            cursor.mergeBlockFormat(code)
            cursor.select(QTextCursor.SelectionType.BlockUnderCursor)
            letters = QTextCharFormat()
            letters.setFontFamilies([mono])
            cursor.mergeCharFormat(letters)


def _style_table(table: QTextTable) -> None:
    look = table.format()
    look.setBorder(1)
    look.setBorderBrush(QBrush(theme.colour("line")))
    look.setBorderStyle(QTextFrameFormat.BorderStyle.BorderStyle_Solid)
    look.setBorderCollapse(True)
    look.setCellPadding(CELL_PADDING)
    look.setCellSpacing(0)
    look.setTopMargin(theme.TINY)
    look.setBottomMargin(theme.TINY)
    table.setFormat(look)
    for column in range(table.columns()):
        cell = table.cellAt(0, column)
        ground = cell.format()
        ground.setBackground(QBrush(theme.colour("sunken")))
        cell.setFormat(ground)


def _place_marks(document: QTextDocument) -> None:
    """Chips with the numbers of boxes, linked to them."""
    cursor = QTextCursor(document)
    for position, number in reversed(box_marks(document)):
        cursor.setPosition(position)
        cursor.setPosition(position + 1, QTextCursor.MoveMode.KeepAnchor)
        chip = QTextCharFormat()
        chip.setAnchor(True)
        chip.setAnchorHref(f"{BOX_SCHEME}{number}")
        chip.setBackground(QBrush(theme.box_colour(number + 1)))
        chip.setForeground(QBrush(Qt.GlobalColor.white))
        chip.setFontWeight(QFont.Weight.Bold)
        chip.setToolTip(texts.talk.box_tip(number + 1))
        cursor.insertText("\u2009", QTextCharFormat())
        cursor.insertText(f"\u00a0{number + 1}\u00a0", chip)


def box_marks(document: QTextDocument) -> list[tuple[int, int]]:
    """(position, number) of each mark of a box, in the order of the text."""
    text = document.toPlainText()
    return [(utf16_length(text[: mark.start()]), marked_number(mark[0])) for mark in MARKS.finditer(text)]


def utf16_length(text: str) -> int:
    """Of a text as Qt counts positions."""
    return len(text) + sum(character > "\uffff" for character in text)


def box_number(address: str) -> int | None:
    """The number of the box that a link of the document leads to."""
    number = address.removeprefix(BOX_SCHEME)
    return int(number) if address.startswith(BOX_SCHEME) and number.isdecimal() else None
