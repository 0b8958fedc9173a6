"""The one thread that uses the database; whoever asks it goes on at once."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from dsvl2_app.state.history.database import set_aside
from dsvl2_app.state.history.problems import HistoryError, Problem
from dsvl2_app.state.history.records import SavedTurn
from dsvl2_app.state.history.store import Store
from dsvl2_runtime.errors import Dsvl2Error

T = TypeVar("T")
MOST_UNSAVED = 1000
"""Turns that wait until they can be written; the oldest are given up first."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Job:
    """Something to do with the database."""

    run: Callable[[Store], None]
    key: str | None = None
    """A job takes the place of one with the same key that has not begun."""
    is_save: bool = False


class Worker:
    """Opens the database with the first job, keeps it in order while nothing else is to do, and closes it."""

    def __init__(
        self,
        folder: Path,
        on_problem: Callable[[Problem | None], None],
        *,
        is_private: bool = False,
        open_store: Callable[[Path], Store] = Store,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.folder = folder
        self._on_problem = on_problem
        """Called on the thread, with what is wrong now, or None when it is over."""
        self._open_store = open_store
        self._clock = clock
        self._is_private = is_private
        self._jobs: deque[Job] = deque()
        self._changed = threading.Condition()
        self._closed = False
        # These belong to the thread alone.
        self._store: Store | None = None
        self._problem: Problem | None = None
        self._unsaved: dict[str, Job] = {}
        self._chores: list[Callable[[Store], object]] = []
        self._next_purge: float | None = None
        self._thread = threading.Thread(target=self._work, name="history", daemon=True)
        self._thread.start()

    @property
    def is_private(self) -> bool:
        """Whether nothing is written, and no database is open."""
        return self._is_private

    def do(
        self, work: Callable[[Store], T], then: Callable[[T], object] = lambda result: None, *, key: str | None = None
    ) -> None:
        """Do something with the store; in private mode nothing happens.

        Args:
            work: called on the thread.
            then: called there with the result; not at all if it failed, which `on_problem` hears.
            key: takes the place of waiting work with the same key.
        """
        if not self._is_private:
            self._put(Job(lambda store: (then(work(store)), None)[1], key))

    def save(self, conversation: str, title: str, turn: SavedTurn, contents: Mapping[str, Path]) -> None:
        """Keep a turn, see `Store.save_turn`. One that cannot be kept is tried again with the next one."""
        if not self._is_private:
            kept = dict(contents)
            job = Job(lambda store: store.save_turn(conversation, title, turn, kept), f"turn {turn.id}", is_save=True)
            self._put(job)

    def set_private(self, is_private: bool) -> None:
        """Close the database and keep nothing more, or keep again; what was kept stays."""
        if is_private != self._is_private:
            if is_private:
                self._put(Job(self._forget_all))
            self._is_private = is_private

    def close(self) -> None:
        """Do what waits, close the database and end, without waiting for it."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def wait_until_gone(self, seconds: float) -> None:
        """Wait until the database is closed; for a program that shows nothing more."""
        self._thread.join(seconds)

    def _put(self, job: Job) -> None:
        with self._changed:
            if self._closed:
                return
            for index, waiting in enumerate(self._jobs):
                if job.key is not None and waiting.key == job.key:
                    self._jobs[index] = job
                    break
            else:
                self._jobs.append(job)
            self._changed.notify()

    def _work(self) -> None:
        while (job := self._next()) is not None:
            self._attempt(job)
        if self._store is not None:
            with suppress(HistoryError):
                self._store.purge(at_once=True)
            self._store.close()

    def _next(self) -> Job | None:
        """The next job; a chore where there is none; None at the end."""
        with self._changed:
            while True:
                if self._jobs:
                    return self._jobs.popleft()
                if self._closed:
                    return None
                if self._store is not None and self._chores:
                    return Job(self._chores.pop(0))  # type: ignore[arg-type]
                left = None if self._next_purge is None else self._next_purge - self._clock()
                if self._store is not None and left is not None and left <= 0:
                    return Job(lambda store: (store.purge(), None)[1])
                self._changed.wait(left)

    def _attempt(self, job: Job) -> None:
        """Do a job; a damaged database is set aside, and the job is done with a new one."""
        if job.is_save and job.key is not None:
            self._unsaved[job.key] = job
            while len(self._unsaved) > MOST_UNSAVED:
                del self._unsaved[next(iter(self._unsaved))]
        for _ in range(2):
            try:
                self._do(job)
                return
            except HistoryError as error:
                again = self._failed(error.problem)
            except Exception as error:  # the thread has to live: the next job may be fine
                log.exception("a conversation was not kept")
                self._unsaved.pop(job.key or "", None)
                if isinstance(error, Dsvl2Error):
                    self._tell(Problem("unavailable", self.folder, str(error)))
                return
            if not again:
                return

    def _do(self, job: Job) -> None:
        store = self._opened()
        if job.is_save:
            for key, unsaved in list(self._unsaved.items()):
                unsaved.run(store)
                self._unsaved.pop(key, None)
            if self._problem is not None and self._problem.set_aside is None:
                self._tell(None)
        else:
            job.run(store)
        self._next_purge = self._store.next_purge() if self._store is not None else None

    def _opened(self) -> Store:
        if self._store is None:
            self._store = self._open_store(self.folder)
            if self._store.problem is not None:
                self._tell(self._store.problem)
            else:
                self._chores = [Store.purge, Store.check, Store.remove_left_pictures]
        return self._store

    def _failed(self, problem: Problem) -> bool:
        """Tell; whether the job should be tried again."""
        self._next_purge = None
        if problem.kind == "damaged":
            self._close_store()
            try:
                self._tell(replace(problem, set_aside=set_aside(self.folder)))
                return True
            except HistoryError as error:
                problem = error.problem
        self._tell(problem)
        return False

    def _forget_all(self, store: Store) -> None:
        with suppress(HistoryError):
            store.purge(at_once=True)
        self._close_store()
        self._unsaved.clear()

    def _close_store(self) -> None:
        self._chores.clear()
        self._next_purge = None
        if self._store is not None:
            self._store.close()
            self._store = None

    def _tell(self, problem: Problem | None) -> None:
        if problem != self._problem:
            self._problem = problem
            self._on_problem(problem)
