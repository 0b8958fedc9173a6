"""One open database with its folder of pictures, for one thread."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from dsvl2_app.state.history.database import BESIDE, BUSY_SECONDS, FILE, open_database, open_to_read, writing
from dsvl2_app.state.history.folding import fold, words_of
from dsvl2_app.state.history.pictures import Pictures
from dsvl2_app.state.history.problems import HistoryError, Problem, history_errors
from dsvl2_app.state.history.records import Hit, SavedConversation, SavedTurn, Summary
from dsvl2_app.state.history.rows import SUMMARY, image_values, read_conversation, summary_of, turn_values
from dsvl2_app.state.history.schema import STEPS, Step
from dsvl2_app.state.history.search import LARGEST_QUERY, find_turns
from dsvl2_runtime.machine.files import bytes_in

UNDO_SECONDS = 10.0
PAGE = 60
"""Summaries that are read at a time."""
LONGEST_TITLE = 120
"""Characters."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page of the list ended."""

    is_pinned: bool
    updated_at: float
    row: int


@dataclass(frozen=True, slots=True)
class Page:
    """A part of the list, pinned conversations first, then the newest."""

    summaries: tuple[Summary, ...]
    next: Place | None
    """Where to go on; None at the end."""


class Store:
    """Keeps conversations; every method may raise a `HistoryError`, after which nothing of it was done."""

    def __init__(
        self,
        folder: Path,
        *,
        steps: Sequence[Step] = STEPS,
        busy_seconds: float = BUSY_SECONDS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.folder = folder
        self.path = folder / FILE
        self.pictures = Pictures(folder)
        self.problem: Problem | None = None
        """Why conversations are only read: the database cannot be written."""
        self._clock = clock
        self._gone: set[str] = set()
        """Conversations that were deleted for good, whose answers may still come."""
        try:
            self._connection = open_database(folder, steps=steps, busy_seconds=busy_seconds)
        except HistoryError as error:
            if error.problem.kind != "read_only":
                raise
            try:
                self._connection = open_to_read(folder)
            except HistoryError:
                raise error from None
            self.problem = error.problem

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the database; its log goes into it."""
        with suppress(sqlite3.Error):
            self._connection.close()

    def save_turn(
        self, conversation: str, title: str, turn: SavedTurn, contents: Mapping[str, Path] | None = None
    ) -> None:
        """Keep a turn, new or changed, and its conversation if it is new.

        Args:
            conversation: id of the conversation.
            title: of a new conversation; a later one changes nothing, see `rename`.
            turn: its id decides whether it is new.
            contents: where the contents of its images are, by their hash; those that are kept need not be there.

        Raises:
            ImageError: a content is not what it is named after.
            ResourceError: a picture cannot be read or written.
        """
        if conversation in self._gone:
            return
        digests = {image.sha256 for image in turn.images}
        with self._writing():
            try:
                # Inside the transaction, so that no other process takes the new files for left ones.
                for digest in digests & set(contents or {}):
                    self.pictures.keep((contents or {})[digest], digest)
                self._save_turn(self._conversation_row(conversation, title, turn), turn)
            except BaseException:
                self.pictures.remove(digest for digest in digests if not self._is_used(digest))
                raise

    def _conversation_row(self, identity: str, title: str, turn: SavedTurn) -> int:
        title = _title(title)
        now = max(turn.asked_at, 0.0)
        (row,) = self._connection.execute(
            "INSERT INTO conversations(id, title, folded_title, created_at, updated_at) VALUES (?, ?, ?, ?, ?) "
            "ON CONFLICT(id) DO UPDATE SET updated_at = max(updated_at, excluded.updated_at) RETURNING row",
            (identity, title, fold(title), now, now),
        ).fetchall()[0]
        return int(row)

    def _save_turn(self, conversation: int, turn: SavedTurn) -> None:
        (row,) = self._connection.execute(
            "INSERT INTO turns(id, conversation, question, answer, state, asked_at, more, model, folded) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT(id) DO UPDATE SET question = excluded.question, "
            "answer = excluded.answer, state = excluded.state, more = excluded.more, model = excluded.model, "
            "folded = excluded.folded RETURNING row",
            (turn.id, conversation, *turn_values(turn)),
        ).fetchall()[0]
        self._connection.execute("DELETE FROM images WHERE turn = ?", (row,))
        self._connection.executemany(
            "INSERT INTO images(turn, place, name, sha256, width, height, page, document) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            image_values(row, turn.images),
        )

    def remove_turn(self, turn: str) -> None:
        """Delete one turn at once, such as a question that was taken back; a conversation needs one to exist."""
        with self._writing():
            digests = self._digests("t.id = ?", turn)
            rows = self._connection.execute("DELETE FROM turns WHERE id = ? RETURNING conversation", (turn,)).fetchall()
            self._connection.executemany(
                "DELETE FROM conversations WHERE row = ? AND row NOT IN (SELECT conversation FROM turns)", rows
            )
            unused = [digest for digest in digests if not self._is_used(digest)]
        self.pictures.remove(unused)

    def page(self, after: Place | None = None, limit: int = PAGE) -> Page:
        """One page of the list."""
        condition, values = "", []
        if after is not None:
            condition = "AND (c.is_pinned, c.updated_at, c.row) < (?, ?, ?)"
            values = [int(after.is_pinned), after.updated_at, after.row]
        order = "ORDER BY c.is_pinned DESC, c.updated_at DESC, c.row DESC LIMIT ?"
        with history_errors(self.path):
            rows = self._connection.execute(
                f"{SUMMARY} WHERE c.deleted_at IS NULL {condition} {order}", [*values, limit]
            ).fetchall()
        last = rows[-1] if len(rows) == limit else None
        place = Place(bool(last[3]), last[2], last[-1]) if last is not None else None
        return Page(tuple(summary_of(self.path, row) for row in rows), place)

    def search(self, query: str, limit: int = PAGE) -> list[Hit]:
        """Conversations that hold each word of a query, anywhere in a word, the newest first."""
        words = words_of(query[:LARGEST_QUERY])
        if not words:
            return []
        with history_errors(self.path):
            return find_turns(self._connection, self.path, words, limit)

    def load(self, conversation: str) -> SavedConversation | None:
        """A conversation with all of its turns; None if there is none."""
        with history_errors(self.path):
            return read_conversation(self._connection, self.path, conversation)

    def newest(self) -> str | None:
        """Id of the conversation with the last question; None if there is none."""
        query = "SELECT id FROM conversations WHERE deleted_at IS NULL ORDER BY updated_at DESC, row DESC LIMIT 1"
        with history_errors(self.path):
            row = self._connection.execute(query).fetchone()
        return None if row is None else str(row[0])

    def rename(self, conversation: str, title: str) -> None:
        """Give a conversation another title; an empty one changes nothing."""
        if title := _title(title):
            self._change(conversation, "title = ?, folded_title = ?", title, fold(title))

    def pin(self, conversation: str, is_pinned: bool) -> None:
        """Keep a conversation at the top of the list, or not."""
        self._change(conversation, "is_pinned = ?", int(is_pinned))

    def delete(self, conversation: str) -> None:
        """Take a conversation out of the list; `UNDO_SECONDS` later, or at the next start, it is deleted for good."""
        self._change(conversation, "deleted_at = ?", self._clock())

    def undelete(self, conversation: str) -> bool:
        """Put a deleted conversation back; False if it is too late."""
        return self._change(conversation, "deleted_at = ?", None) > 0

    def _change(self, conversation: str, assignments: str, *values: object) -> int:
        with self._writing():
            return self._connection.execute(
                f"UPDATE conversations SET {assignments} WHERE id = ?",
                (*values, conversation),
            ).rowcount

    def next_purge(self) -> float | None:
        """When the next deleted conversation has to be deleted for good, in seconds since the epoch."""
        with history_errors(self.path):
            (first,) = self._connection.execute("SELECT min(deleted_at) FROM conversations").fetchone()
        return None if first is None else float(first) + UNDO_SECONDS

    def purge(self, *, at_once: bool = False) -> int:
        """Delete for good what was deleted long enough ago, with the pictures that nothing else uses.

        Returns:
            How many conversations.
        """
        latest = float("inf") if at_once else self._clock() - UNDO_SECONDS
        with history_errors(self.path):
            due = self._connection.execute("SELECT id FROM conversations WHERE deleted_at <= ?", (latest,)).fetchall()
        if not due:
            return 0
        with self._writing():
            digests = self._digests("c.deleted_at <= ?", latest)
            self._connection.execute("DELETE FROM conversations WHERE deleted_at <= ?", (latest,))
            # The index keeps the texts of deleted rows until its parts are merged.
            self._connection.execute("INSERT INTO turn_texts(turn_texts) VALUES ('optimize')")
            unused = [digest for digest in digests if not self._is_used(digest)]
        self._gone |= {identity for (identity,) in due}
        self.pictures.remove(unused)
        self._empty_log()
        return len(due)

    def _digests(self, condition: str, value: object) -> list[str]:
        rows = self._connection.execute(
            "SELECT DISTINCT i.sha256 FROM images i JOIN turns t ON t.row = i.turn "
            f"JOIN conversations c ON c.row = t.conversation WHERE {condition}",
            (value,),
        )
        return [str(digest) for (digest,) in rows]

    def _is_used(self, digest: str) -> bool:
        query = "SELECT 1 FROM images WHERE sha256 = ? LIMIT 1"
        return self._connection.execute(query, (digest,)).fetchone() is not None

    def _empty_log(self) -> None:
        # The log holds earlier contents of pages; another process that reads may keep it for a while.
        with history_errors(self.path):
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def remove_left_pictures(self) -> None:
        """Delete pictures that no turn uses, which a killed process has left."""
        with self._writing():
            self.pictures.remove_others(self._is_used)

    def check(self) -> None:
        """Look for damage.

        Raises:
            HistoryError: the database is damaged.
        """
        with history_errors(self.path):
            found = self._connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if found != "ok":
            raise HistoryError(Problem("damaged", self.path, str(found)))

    def size(self) -> int:
        """Bytes of everything that is kept."""
        return bytes_in(self.folder)

    def delete_everything(self) -> None:
        """Delete all conversations and pictures, earlier copies of the database included; nothing can be undone."""
        with self._writing():
            rows = self._connection.execute("SELECT id FROM conversations").fetchall()
            self._gone |= {identity for (identity,) in rows}
            self._connection.execute("DELETE FROM conversations")
            self._connection.execute("INSERT INTO turn_texts(turn_texts) VALUES ('rebuild')")
        with history_errors(self.path):
            self._connection.execute("VACUUM")
            self._empty_log()
            self.pictures.remove_all()
            kept = {self.path.with_name(self.path.name + ending) for ending in BESIDE}
            for copy in set(self.folder.glob("history.*")) - kept:
                copy.unlink()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        if self.problem is not None:
            raise HistoryError(self.problem)
        with history_errors(self.path), writing(self._connection):
            yield


def _title(title: str) -> str:
    line = " ".join(title.encode("utf-8", "replace").decode("utf-8").split())
    return line if len(line) <= LONGEST_TITLE else line[: LONGEST_TITLE - 1] + "…"
