"""The tables, and the steps that bring an older database to them.

`PRAGMA user_version` counts the steps that a database has taken. A step that was released is never changed; a change
of the tables is one more step.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

APPLICATION_ID = 0x44535632
"""In the database's header, "DSV2": a database without it is not ours."""

Step = Sequence[str]
"""Statements of one transaction."""

FIRST: Step = (
    """CREATE TABLE conversations(
        row INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        title TEXT NOT NULL,
        folded_title TEXT NOT NULL,
        is_pinned INTEGER NOT NULL DEFAULT 0,
        created_at REAL NOT NULL,
        updated_at REAL NOT NULL,
        deleted_at REAL
    ) STRICT""",
    "CREATE INDEX conversations_by_time ON conversations(is_pinned DESC, updated_at DESC, row DESC)"
    " WHERE deleted_at IS NULL",
    "CREATE INDEX conversations_deleted ON conversations(deleted_at) WHERE deleted_at IS NOT NULL",
    """CREATE TABLE turns(
        row INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        conversation INTEGER NOT NULL REFERENCES conversations(row) ON DELETE CASCADE,
        question TEXT NOT NULL,
        answer TEXT NOT NULL,
        state TEXT NOT NULL,
        asked_at REAL NOT NULL,
        more TEXT NOT NULL,
        model TEXT NOT NULL,
        folded TEXT NOT NULL
    ) STRICT""",
    "CREATE INDEX turns_of_conversation ON turns(conversation, row)",
    """CREATE TABLE images(
        turn INTEGER NOT NULL REFERENCES turns(row) ON DELETE CASCADE,
        place INTEGER NOT NULL,
        name TEXT NOT NULL,
        sha256 TEXT NOT NULL,
        width INTEGER NOT NULL,
        height INTEGER NOT NULL,
        page INTEGER,
        document TEXT,
        PRIMARY KEY(turn, place)
    ) STRICT, WITHOUT ROWID""",
    "CREATE INDEX images_by_content ON images(sha256)",
    # Trigrams find any part of a word, in languages without spaces too. The text itself stays in `turns`.
    "CREATE VIRTUAL TABLE turn_texts USING fts5(folded, content='turns', content_rowid='row', tokenize='trigram')",
    """CREATE TRIGGER turn_added AFTER INSERT ON turns BEGIN
        INSERT INTO turn_texts(rowid, folded) VALUES (new.row, new.folded);
    END""",
    """CREATE TRIGGER turn_changed AFTER UPDATE OF folded ON turns WHEN old.folded IS NOT new.folded BEGIN
        INSERT INTO turn_texts(turn_texts, rowid, folded) VALUES ('delete', old.row, old.folded);
        INSERT INTO turn_texts(rowid, folded) VALUES (new.row, new.folded);
    END""",
    """CREATE TRIGGER turn_removed AFTER DELETE ON turns BEGIN
        INSERT INTO turn_texts(turn_texts, rowid, folded) VALUES ('delete', old.row, old.folded);
    END""",
)

STEPS: Sequence[Step] = (FIRST,)

Schema = frozenset[tuple[str, str, str]]
"""(type, name, SQL) of everything in a database, apart from FTS5's own tables, which another SQLite makes otherwise."""
FTS5_TABLES = frozenset(f"turn_texts_{name}" for name in ("data", "idx", "content", "docsize", "config"))


def version_of(connection: sqlite3.Connection) -> int:
    """How many steps a database has taken."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def schema_of(connection: sqlite3.Connection) -> Schema:
    """What a database has; it may hold more than tables, and SQLite would run that."""
    rows = connection.execute("SELECT type, name, coalesce(sql, '') FROM sqlite_schema").fetchall()
    ours = (row for row in rows if not (row[0] == "table" and row[1] in FTS5_TABLES))
    return frozenset((str(kind), str(name), str(sql)) for kind, name, sql in ours)


def expected_schema(steps: Sequence[Step]) -> Schema:
    """What a database has after these steps."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    try:
        take_steps(connection, steps, 0)
        return schema_of(connection)
    finally:
        connection.close()


def take_steps(connection: sqlite3.Connection, steps: Sequence[Step], done: int) -> None:
    """Run the steps that are left; for a caller that holds the transaction around it."""
    for step in steps[done:]:
        for statement in step:
            connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {len(steps)}")
