"""Keeps what a session holds, while it changes."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from dsvl2_app.state.history.records import SavedTurn
from dsvl2_app.state.history.turns import saved_turn
from dsvl2_app.state.session import Change, ChatSession, Turn

WRITING_SECONDS = 2.0
"""Between two writings of an answer that is still coming; a crash costs so much of it."""

Mark = tuple[str, int, bool]


class Keeping(Protocol):
    """Where turns are kept; a `Worker`, or a list in a test."""

    def save(self, conversation: str, title: str, turn: SavedTurn, contents: Mapping[str, Path]) -> None:
        """Keep a turn, new or changed."""


class Keeper:
    """Writes each turn when it begins, now and then while it is answered, and when it ends."""

    def __init__(
        self,
        session: ChatSession,
        worker: Keeping,
        remove_turn: Callable[[str], object],
        rename: Callable[[str, str], object],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._session = session
        self._worker = worker
        self._remove_turn, self._rename = remove_turn, rename
        self._clock = clock
        self._marks: dict[str, Mark] = {}
        """Of the turns of the conversation, as they were written last."""
        self._title = ""
        self._written_at = 0.0

    def take(self, change: Change) -> bool:
        """Look at what has changed; whether the list of conversations is another one now."""
        session = self._session
        if change == "conversation":
            self._marks = {turn.id: _mark(turn) for turn in session.turns}
            self._title = session.title
            return False
        if change not in ("turns", "answer"):
            return False
        is_new = False
        for turn in session.turns:
            known, mark = self._marks.get(turn.id), _mark(turn)
            if known != mark and (known is None or known[0] != turn.state or self._is_time()):
                self._write(turn, mark)
                is_new = is_new or known is None or not turn.is_open
        for gone in self._marks.keys() - {turn.id for turn in session.turns}:
            del self._marks[gone]
            self._remove_turn(gone)
            is_new = True
        if self._marks and session.title != self._title:
            if self._title:
                self._rename(session.id, session.title)
                is_new = True
            self._title = session.title
        return is_new

    def write_open_turns(self) -> None:
        """Before the end of the window: what has come of an answer."""
        for turn in self._session.turns:
            if turn.is_open:
                self._write(turn, _mark(turn))

    def _is_time(self) -> bool:
        return self._clock() - self._written_at >= WRITING_SECONDS

    def _write(self, turn: Turn, mark: Mark) -> None:
        session = self._session
        contents = {image.content.sha256: image.content.path for image in turn.images}
        self._worker.save(session.id, session.title or turn.question, saved_turn(turn, session.model), contents)
        self._marks[turn.id] = mark
        self._written_at = self._clock()


def _mark(turn: Turn) -> Mark:
    return turn.state, len(turn.answer), turn.is_dropped
