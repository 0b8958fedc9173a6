"""The thread of the database: nobody waits for it, and it lives through every problem."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from dsvl2_app.state.history.database import FILE, open_database
from dsvl2_app.state.history.problems import Problem
from dsvl2_app.state.history.store import UNDO_SECONDS, Store
from dsvl2_app.state.history.worker import Worker
from histories import content, kept, new_id, turn, with_image
from waiting import PATIENCE, wait_until


class Running:
    """A worker and what it has said."""

    def __init__(self, folder: Path, **options: object) -> None:
        self.problems: queue.SimpleQueue[Problem | None] = queue.SimpleQueue()
        self.worker = Worker(folder, self.problems.put, **options)  # type: ignore[arg-type]

    def ask(self, work: Callable[[Store], object]) -> object:
        answers: queue.SimpleQueue[object] = queue.SimpleQueue()
        self.worker.do(work, answers.put)
        return answers.get(timeout=PATIENCE)

    def count(self) -> object:
        return self.ask(lambda store: len(store.page().summaries))

    def close(self) -> None:
        self.worker.close()
        self.worker.wait_until_gone(PATIENCE)


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    started: list[Running] = []

    def start(**options: object) -> Running:
        started.append(Running(tmp_path / "history", **options))
        return started[-1]

    yield start
    for one in started:
        one.close()


def test_turns_are_kept_in_order_and_the_last_state_counts(run: Callable[..., Running], tmp_path: Path) -> None:
    """A turn that changes many times before it is written is written once."""
    running = run()
    gate = threading.Event()
    running.worker.do(lambda store: gate.wait(PATIENCE))
    identity, first, second = new_id(), turn("first"), turn("second")
    writes: list[str] = []
    running.worker.save(identity, "t", replace(first, answer="a"), {})
    running.worker.save(identity, "t", second, {})
    for answer in ("ab", "abc"):
        running.worker.save(identity, "t", replace(first, answer=answer), {})
    running.worker.do(lambda store: store._connection.set_trace_callback(writes.append), key="trace")
    gate.set()
    loaded = running.ask(lambda store: store.load(identity))
    assert loaded is not None
    assert [one.answer for one in loaded.turns] == ["abc", "It is 12.80."]  # type: ignore[attr-defined]
    running.close()
    with Store(tmp_path / "history") as store:
        assert store.load(identity) == loaded


def test_waiting_work_is_replaced_by_newer_work_of_its_kind(run: Callable[..., Running]) -> None:
    running = run()
    gate = threading.Event()
    running.worker.do(lambda store: gate.wait(PATIENCE))
    done: list[int] = []
    for number in range(5):
        running.worker.do(lambda store, number=number: number, done.append, key="search")  # type: ignore[misc]
    gate.set()
    running.count()
    assert done == [4]


def test_private_mode_writes_nothing_at_all(run: Callable[..., Running], tmp_path: Path) -> None:
    path, digest = content(tmp_path, 1)
    running = run(is_private=True)
    running.worker.save(new_id(), "t", with_image(turn(), digest), {digest: path})
    running.worker.do(lambda store: store.page())
    running.close()
    assert not (tmp_path / "history").exists()


def test_private_mode_closes_the_database_and_keeps_what_there_is(run: Callable[..., Running], tmp_path: Path) -> None:
    """What was deleted and could be put back is gone; the log and its index are, too."""
    running = run()
    identity = new_id()
    running.worker.save(identity, "t", turn(), {})
    assert running.count() == 1
    other = running.ask(lambda store: kept(store, "deleted"))
    running.ask(lambda store: store.delete(str(other)))
    running.worker.set_private(True)
    running.worker.save(identity, "t", turn("private"), {})
    running.close()
    assert {path.name for path in (tmp_path / "history").iterdir()} == {FILE}
    with Store(tmp_path / "history") as store:
        loaded = store.load(identity)
        assert loaded is not None and len(loaded.turns) == 1
        assert not store.undelete(str(other))


def test_keeping_goes_on_after_private_mode(run: Callable[..., Running]) -> None:
    running = run(is_private=True)
    running.worker.save(new_id(), "t", turn(), {})
    running.worker.set_private(False)
    running.worker.save(new_id(), "t", turn(), {})
    assert running.count() == 1


def test_a_damaged_database_is_set_aside_and_keeping_goes_on(run: Callable[..., Running], tmp_path: Path) -> None:
    folder = tmp_path / "history"
    folder.mkdir()
    (folder / FILE).write_bytes(b"damaged " * 1000)
    running = run()
    running.worker.save(new_id(), "t", turn(), {})
    assert running.count() == 1
    problem = running.problems.get(timeout=PATIENCE)
    assert problem is not None and problem.kind == "damaged"
    assert problem.set_aside is not None
    assert problem.set_aside.read_bytes() == b"damaged " * 1000
    assert running.problems.empty()


def test_damage_that_only_the_check_finds_is_told(run: Callable[..., Running], tmp_path: Path) -> None:
    with Store(tmp_path / "history") as store:
        kept(store, "long", "word " * 30_000)
        identity = kept(store, "short")
    path = tmp_path / "history" / FILE
    data = bytearray(path.read_bytes())
    data[-4096 * 8 : -4096] = b"\xff" * 4096 * 7
    path.write_bytes(data)
    running = run()
    assert running.count() == 2
    problem = running.problems.get(timeout=PATIENCE)
    assert problem is not None and problem.kind == "damaged"
    assert running.ask(lambda store: store.load(identity)) is None


@pytest.mark.parametrize("error", ["full", "locked"])
def test_turns_that_could_not_be_kept_are_kept_later(
    run: Callable[..., Running], tmp_path: Path, error: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = run(open_store=lambda folder: Store(folder, busy_seconds=0.05))
    running.count()
    identity = new_id()
    if error == "full":
        running.ask(lambda store: store._connection.execute("PRAGMA max_page_count = 1").fetchone())
        running.worker.save(identity, "t", turn("first", "word " * 10_000, 1.0), {})
        problem = running.problems.get(timeout=PATIENCE)
        running.ask(lambda store: store._connection.execute("PRAGMA max_page_count = 100000").fetchone())
    else:
        other = open_database(tmp_path / "history")
        other.execute("BEGIN IMMEDIATE")
        running.worker.save(identity, "t", turn("first", "", 1.0), {})
        problem = running.problems.get(timeout=PATIENCE)
        other.close()
    assert problem is not None and problem.kind == error
    running.worker.save(identity, "t", turn("second", "", 2.0), {})
    assert running.problems.get(timeout=PATIENCE) is None
    loaded = running.ask(lambda store: store.load(identity))
    assert [one.question for one in loaded.turns] == ["first", "second"]  # type: ignore[attr-defined]


def test_a_newer_database_is_told_once_and_nothing_is_kept(run: Callable[..., Running], tmp_path: Path) -> None:
    with Store(tmp_path / "history") as store:
        store._connection.execute("PRAGMA user_version = 99")
    running = run()
    for _ in range(3):
        running.worker.save(new_id(), "t", turn(), {})
    problem = running.problems.get(timeout=PATIENCE)
    assert problem is not None and problem.kind == "newer"
    running.close()
    assert running.problems.empty()


def test_an_unforeseen_error_does_not_end_the_thread(run: Callable[..., Running]) -> None:
    running = run()

    def fail(store: Store) -> None:
        raise KeyError("lost")

    running.worker.do(fail)
    assert running.count() == 0


def test_deletion_is_final_when_its_time_is_over(run: Callable[..., Running], tmp_path: Path) -> None:
    """Nothing else has to happen; after a crash the next start does it."""
    with Store(tmp_path / "history") as store:  # of a process that was killed after it had deleted
        identity = kept(store, "old")
        store._clock = lambda: 100.0
        store.delete(identity)
        fresh = kept(store, "fresh")
        store._clock = lambda: 100.0 + UNDO_SECONDS
        store.delete(fresh)
    now = [100.0 + UNDO_SECONDS]
    running = run(open_store=lambda folder: Store(folder, clock=lambda: now[0]), clock=lambda: now[0])
    running.count()
    running.ask(lambda store: None)  # after which the chores come
    wait_until(lambda: rows(running) == 1)
    now[0] += UNDO_SECONDS
    running.ask(lambda store: None)  # a clock that jumps wakes nobody
    wait_until(lambda: rows(running) == 0)


def rows(running: Running) -> object:
    query = "SELECT count(*) FROM conversations"
    return running.ask(lambda store: store._connection.execute(query).fetchone()[0])


def test_closing_deletes_what_was_deleted(run: Callable[..., Running], tmp_path: Path) -> None:
    running = run()
    identity = running.ask(lambda store: kept(store, "old"))
    running.ask(lambda store: store.delete(str(identity)))
    running.close()
    with Store(tmp_path / "history") as store:
        assert not store.undelete(str(identity))
