"""Rows of the database to records and back. What does not fit a record is damage."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from dsvl2_app.state.history.folding import fold
from dsvl2_app.state.history.problems import HistoryError, Problem
from dsvl2_app.state.history.records import (
    MORE,
    More,
    SavedConversation,
    SavedImage,
    SavedTurn,
    Summary,
)

SUMMARY = """
    SELECT c.id, c.title, c.updated_at, c.is_pinned,
        (SELECT count(*) FROM turns t WHERE t.conversation = c.row) AS turns,
        i.name, i.sha256, c.row
    FROM conversations c LEFT JOIN images i ON (i.turn, i.place) = (
        SELECT i2.turn, i2.place FROM turns t2 JOIN images i2 ON i2.turn = t2.row
        WHERE t2.conversation = c.row ORDER BY t2.row, i2.place LIMIT 1)
"""
"""Of conversations; a condition follows."""


def searched_text(turn: SavedTurn) -> str:
    """All that a search finds a turn by."""
    names = (text for image in turn.images for text in (image.name, image.document or ""))
    return fold("\n".join(filter(None, (turn.question, turn.answer, *names))))


def turn_values(turn: SavedTurn) -> tuple[object, ...]:
    """The columns of a turn after its conversation."""
    more = More(
        turn.boxes, turn.end, turn.task, turn.image_sizes, turn.notices, turn.is_dropped, turn.is_alone,
        turn.confidence, turn.looks, turn.first_answer,
    )  # fmt: skip
    text = MORE.dump_json(more, ensure_ascii=True).decode()
    columns = (turn.question, turn.answer, turn.state, turn.asked_at, text, turn.model, searched_text(turn))
    return tuple(_storable(value) if isinstance(value, str) else value for value in columns)


def image_values(turn_row: int, images: Iterable[SavedImage]) -> list[tuple[object, ...]]:
    """The rows of the images of a turn."""
    return [
        (
            turn_row,
            place,
            _storable(image.name),
            image.sha256,
            image.width,
            image.height,
            image.page,
            None if image.document is None else _storable(image.document),
        )
        for place, image in enumerate(images)
    ]


def _storable(text: str) -> str:
    """Without lone surrogates, which have no UTF-8 and come from names of files."""
    return text.encode("utf-8", "replace").decode("utf-8")


def summary_of(path: Path, row: Sequence[Any]) -> Summary:
    """From a row of `SUMMARY`."""
    try:
        return Summary(
            id=row[0],
            title=row[1],
            updated_at=row[2],
            is_pinned=bool(row[3]),
            turns=row[4],
            picture=row[5] or "",
            picture_sha256=row[6],
        )
    except ValidationError as error:
        raise _damaged(path, error) from error


def read_conversation(connection: sqlite3.Connection, path: Path, identity: str) -> SavedConversation | None:
    """A conversation with its turns; None if there is none of this name."""
    columns = "row, id, title, created_at, updated_at, is_pinned"
    head = connection.execute(
        f"SELECT {columns} FROM conversations WHERE id = ? AND deleted_at IS NULL",
        (identity,),
    ).fetchone()
    if head is None:
        return None
    images: dict[int, list[SavedImage]] = defaultdict(list)
    try:
        for turn, *values in connection.execute(
            "SELECT i.turn, i.name, i.sha256, i.width, i.height, i.page, i.document FROM images i "
            "JOIN turns t ON t.row = i.turn WHERE t.conversation = ? ORDER BY i.turn, i.place",
            (head[0],),
        ):
            images[turn].append(SavedImage(*values))
        turns = connection.execute(
            "SELECT row, id, question, answer, state, asked_at, more, model FROM turns "
            "WHERE conversation = ? ORDER BY row",
            (head[0],),
        )
        saved = tuple(_turn(row, tuple(images[row[0]])) for row in turns)
        return SavedConversation(head[1], head[2], head[3], head[4], saved, bool(head[5]))
    except ValidationError as error:
        raise _damaged(path, error) from error


def _turn(row: Sequence[Any], images: tuple[SavedImage, ...]) -> SavedTurn:
    _, identity, question, answer, state, asked_at, more, model = row
    found = MORE.validate_json(more)
    return SavedTurn(
        id=identity,
        question=question,
        asked_at=asked_at,
        answer=answer,
        state=state,
        images=images,
        model=model,
        boxes=found.boxes,
        end=found.end,
        task=found.task,
        image_sizes=found.image_sizes,
        notices=found.notices,
        is_dropped=found.is_dropped,
        is_alone=found.is_alone,
        confidence=found.confidence,
        looks=found.looks,
        first_answer=found.first_answer,
    )


def _damaged(path: Path, error: ValidationError) -> HistoryError:
    return HistoryError(Problem("damaged", path, f"a record is not as it was written ({error.error_count()} faults)"))
