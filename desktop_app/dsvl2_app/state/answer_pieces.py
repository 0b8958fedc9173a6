"""An answer cut into pieces of Markdown, which can be laid out one after the other as if they had come together."""

from __future__ import annotations

import re
from dataclasses import dataclass

MOST_ROWS = 12
"""Of a table that is laid out as a whole."""
LEAST_LETTERS, MOST_LETTERS = 4, 40
"""Of a column's width."""
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})(.*)")
_RULE = re.compile(r"\s*\|?\s*:?-+:?\s*(?:\|\s*:?-+:?\s*)*\|?\s*")
_LIST_ITEM = re.compile(r"(?:[-+*]|\d{1,9}[.)])(?:\s|$)")


@dataclass(frozen=True, slots=True)
class Piece:
    """Markdown that stands for itself, or a part of a long table."""

    markdown: str
    columns: tuple[int, ...] = ()
    """Of a part of a table: the widths of the columns in hundredths, the same in all parts."""
    continues: bool = False
    """It is not the first part; its head is there for the Markdown and not to be shown."""


def pieces(markdown: str) -> list[Piece]:
    """Paragraphs, headings, tables, lists and blocks of code, without the empty lines between them.

    A piece ends with empty lines, where what follows neither stands further in nor is the next item of a list, and
    never inside a block of code. So more text at the end of an answer changes its last piece alone. A table ends a
    piece after `MOST_ROWS` as well, because all of a table is laid out whenever a row comes.
    """
    return [piece for text in _paragraphs(markdown) for piece in _table_parts(text)]


def _paragraphs(markdown: str) -> list[str]:
    found: list[str] = []
    lines: list[str] = []
    fence = ""
    after_empty = is_list = False
    for line in markdown.splitlines(keepends=True):
        text = line.strip()
        is_flush = bool(text) and not line[0].isspace()
        is_item = bool(_LIST_ITEM.match(line))
        if lines and after_empty and is_flush and not fence and not (is_list and is_item):
            found.append("".join(lines).rstrip())
            lines, is_list = [], False
        is_list = is_list or (is_item and not fence)
        lines.append(line)
        fence = _fence_after(line, fence)
        after_empty = not text
    last = "".join(lines).rstrip()
    return [*found, last] if last else found


def _fence_after(line: str, fence: str) -> str:
    """The fence of the block of code that is open after a line, given the one that was open before it."""
    found = _FENCE.match(line)
    if found is None:
        return fence
    marks, rest = found[1], found[2].strip()
    if not fence:
        return "" if marks[0] == "`" and "`" in rest else marks
    return "" if marks.startswith(fence) and not rest else fence


def _table_parts(text: str) -> list[Piece]:
    lines = text.split("\n")
    rows = lines[2:]
    is_table = len(rows) > MOST_ROWS and "|" in lines[0] and _RULE.fullmatch(lines[1]) is not None
    if not is_table or not all("|" in row for row in rows):
        return [Piece(text)]
    columns = _column_widths([lines[0], *rows[:MOST_ROWS]])
    return [
        Piece("\n".join([*lines[:2], *rows[begin : begin + MOST_ROWS]]), columns, begin > 0)
        for begin in range(0, len(rows), MOST_ROWS)
    ]


def _column_widths(rows: list[str]) -> tuple[int, ...]:
    """By the longest cell of each column; none is so narrow or so wide that others cannot be read."""
    cells = [row.strip().strip("|").split("|") for row in rows]
    longest = [max((len(row[column].strip()) for row in cells if column < len(row)), default=0)
               for column in range(len(cells[0]))]  # fmt: skip
    wanted = [min(max(length, LEAST_LETTERS), MOST_LETTERS) for length in longest]
    return tuple(100 * length // sum(wanted) for length in wanted)
