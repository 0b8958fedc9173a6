"""Opens the database: new, of this version, of an older one, or none that can be used."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from dsvl2_app.state.history.problems import HistoryError, Problem, history_errors
from dsvl2_app.state.history.schema import (
    APPLICATION_ID,
    STEPS,
    Step,
    expected_schema,
    schema_of,
    take_steps,
    version_of,
)
from dsvl2_runtime.machine.files import new_file, only_writer

FILE = "history.sqlite"
BESIDE = ("", "-wal", "-shm")
"""Endings of the files that belong to a database."""
BUSY_SECONDS = 2.0
"""How long a write waits for another process."""
LEAST_SQLITE = (3, 37, 0)
"""The first with checked column types; trigrams came three releases earlier."""


def open_database(
    folder: Path, *, steps: Sequence[Step] = STEPS, busy_seconds: float = BUSY_SECONDS
) -> sqlite3.Connection:
    """The database in a folder, which is made if it is not there, for the thread that calls this.

    Raises:
        HistoryError: it cannot be used; nothing has been changed then.
    """
    path = folder / FILE
    if sqlite3.sqlite_version_info < LEAST_SQLITE:
        raise HistoryError(Problem("unavailable", path, f"SQLite {sqlite3.sqlite_version} is too old"))
    with history_errors(path):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK) or (path.exists() and not os.access(path, os.W_OK)):
            raise HistoryError(Problem("read_only", path, "it cannot be written"))
        path.touch(mode=0o600)
        connection = sqlite3.connect(path, timeout=busy_seconds, isolation_level=None)
        try:
            _prepare(connection, path, steps)
        except BaseException:
            connection.close()
            raise
        return connection


def open_to_read(folder: Path) -> sqlite3.Connection:
    """A database that cannot be written, as it is; what other processes write meanwhile is not seen.

    Raises:
        HistoryError: it cannot be read, or is not of this version.
    """
    path = folder / FILE
    with history_errors(path):
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?immutable=1", uri=True, isolation_level=None)
        try:
            connection.execute("PRAGMA trusted_schema = OFF")
            _require_ours(connection, path, STEPS)
            if version_of(connection) != len(STEPS):
                raise HistoryError(Problem("read_only", path, "it is of an older version and cannot be changed"))
        except BaseException:
            connection.close()
            raise
        return connection


def _prepare(connection: sqlite3.Connection, path: Path, steps: Sequence[Step]) -> None:
    # The database may come from elsewhere: nothing that its schema names is trusted until it is known to be ours.
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA secure_delete = ON")
    is_new = not schema_of(connection)
    if not is_new:
        _require_ours(connection, path, steps)
    connection.execute("PRAGMA trusted_schema = ON")  # else no trigger may write the index
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")  # in WAL mode a power cut loses the last seconds, nothing else
    done = 0 if is_new else version_of(connection)
    if done == len(steps):
        return
    if not is_new:
        _back_up(connection, path.with_name(f"history.before-{len(steps)}.sqlite"))
    with writing(connection):
        now = version_of(connection) if schema_of(connection) else 0
        if now < len(steps):  # another process may have been quicker
            take_steps(connection, steps, now)


def _require_ours(connection: sqlite3.Connection, path: Path, steps: Sequence[Step]) -> None:
    version = version_of(connection)
    identity = connection.execute("PRAGMA application_id").fetchone()[0]
    if identity == APPLICATION_ID and version > len(steps):
        detail = f"it is of version {version}, and this program knows {len(steps)}"
        raise HistoryError(Problem("newer", path, detail))
    if identity != APPLICATION_ID or schema_of(connection) != expected_schema(steps[:version]):
        raise HistoryError(Problem("damaged", path, "its tables are not those of this program"))


def _back_up(connection: sqlite3.Connection, out: Path) -> None:
    with only_writer(out), new_file(out, private=True) as unfinished, closing(sqlite3.connect(unfinished)) as copy:
        connection.backup(copy)


@contextmanager
def writing(connection: sqlite3.Connection) -> Iterator[None]:
    """A transaction that writes: all of it or nothing."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            with suppress(sqlite3.Error):  # the first error is the one to tell
                connection.execute("ROLLBACK")
        raise


def set_aside(folder: Path) -> Path:
    """Rename a damaged database, and what belongs to it, so that a new one can take its place.

    Returns:
        What the database is called now.

    Raises:
        HistoryError: it cannot be renamed, for instance because another process has it open.
    """
    path = folder / FILE
    with history_errors(path):
        day = time.strftime("%Y-%m-%d")
        names = (f"history.damaged-{day}-{number}.sqlite" for number in range(1, 1000))
        new = next(folder / name for name in names if not (folder / name).exists())
        for ending in BESIDE:
            with suppress(FileNotFoundError):
                path.with_name(path.name + ending).rename(new.with_name(new.name + ending))
        return new
