"""Finds turns by parts of words, the newest first.

The index of trigrams finds words of three letters or more. Shorter ones, which are whole words in Chinese, are looked
for in the text itself, from its end; that ends as soon as there are enough.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from dsvl2_app.state.history.folding import excerpt
from dsvl2_app.state.history.records import Hit
from dsvl2_app.state.history.rows import SUMMARY, summary_of

TRIGRAM = 3
READ_TURNS = 400
"""Turns that one search reads at most; several may be of one conversation."""
LARGEST_QUERY = 400
"""Characters."""


def turns_query(words: Sequence[str]) -> tuple[str, list[str]]:
    """The statement that finds turns, and its parameters; a limit follows."""
    long = [word for word in words if len(word) >= TRIGRAM]
    short = [word for word in words if len(word) < TRIGRAM]
    tables, conditions, values = "turns t", [], []
    if long:
        # In an FTS5 string a quotation mark is doubled and nothing else is special. CROSS keeps the index first.
        tables = "turn_texts x CROSS JOIN turns t ON t.row = x.rowid"
        conditions.append("turn_texts MATCH ?")
        values.append(" ".join('"' + word.replace('"', '""') + '"' for word in long))
    conditions += ["instr(t.folded, ?) > 0"] * len(short)
    values += short
    order = "x.rowid" if long else "t.row"
    statement = (
        "SELECT c.row, t.id, t.question, t.answer, t.row "
        f"FROM {tables} CROSS JOIN conversations c ON c.row = t.conversation "
        f"WHERE {' AND '.join(conditions)} AND c.deleted_at IS NULL ORDER BY {order} DESC LIMIT ?"
    )
    return statement, values


def find_turns(connection: sqlite3.Connection, path: Path, words: Sequence[str], limit: int) -> list[Hit]:
    """The conversations whose turns or titles hold all the words, each once; those with turns come first."""
    found: dict[int, tuple[str | None, str, tuple[tuple[int, int], ...]]] = {}
    statement, values = turns_query(words)
    for conversation, turn, question, answer, row in connection.execute(statement, [*values, READ_TURNS]):
        if conversation not in found:
            shown = excerpt(question, words) or excerpt(answer, words) or _of_images(connection, row, words)
            found[conversation] = (turn, *(shown or (question, ())))
        if len(found) == limit:
            break
    titles = " AND ".join(["instr(folded_title, ?) > 0"] * len(words))
    for conversation, title in connection.execute(
        f"SELECT row, title FROM conversations WHERE {titles} AND deleted_at IS NULL ORDER BY updated_at DESC LIMIT ?",
        [*words, limit],
    ):
        if conversation not in found and len(found) < limit:
            found[conversation] = (None, *(excerpt(title, words) or (title, ())))
    places = ", ".join("?" * len(found))
    summaries = {
        row[-1]: summary_of(path, row)
        for row in connection.execute(f"{SUMMARY} WHERE c.row IN ({places})", list(found))
    }
    return [Hit(summaries[row], line, marks, turn) for row, (turn, line, marks) in found.items()]


def _of_images(
    connection: sqlite3.Connection, turn_row: int, words: Sequence[str]
) -> tuple[str, tuple[tuple[int, int], ...]] | None:
    names = connection.execute("SELECT name, document FROM images WHERE turn = ? ORDER BY place", (turn_row,))
    return next(filter(None, (excerpt(text, words) for row in names for text in row if text)), None)
