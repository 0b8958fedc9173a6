"""Databases that cannot be used, and files beside them that should not be followed."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from dsvl2_app.state.history.database import FILE, open_database, set_aside
from dsvl2_app.state.history.problems import HistoryError, Problem, ProblemKind
from dsvl2_app.state.history.schema import STEPS
from dsvl2_app.state.history.store import Store
from histories import content, kept, new_id, turn, with_image

MORE = ("CREATE TABLE later(row INTEGER PRIMARY KEY) STRICT",)
"""A step of a future version."""
BUSY = 0.05
"""Seconds."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """With a database that holds one conversation."""
    with Store(tmp_path / "history") as store:
        kept(store, "What is the total?", "word " * 3000)
    return tmp_path / "history"


def problem(work: Callable[[], object]) -> Problem:
    with pytest.raises(HistoryError) as caught:
        work()
    return caught.value.problem


def execute(folder: Path, *statements: str) -> None:
    with closing(sqlite3.connect(folder / FILE, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


def test_an_older_database_is_copied_then_changed(folder: Path) -> None:
    with Store(folder, steps=(*STEPS, MORE)) as store:
        assert len(store.page().summaries) == 1
    copy = folder / "history.before-2.sqlite"
    copy.rename(folder / FILE)
    with Store(folder) as store:
        assert len(store.page().summaries) == 1


def test_a_step_that_fails_leaves_the_database_as_it_was(folder: Path) -> None:
    wrong = (*MORE, "CREATE TABLE turns(row INTEGER)")
    assert problem(lambda: Store(folder, steps=(*STEPS, wrong))).kind == "unavailable"
    with Store(folder) as store:
        assert len(store.page().summaries) == 1


def test_a_newer_database_is_left_alone(folder: Path) -> None:
    with Store(folder, steps=(*STEPS, MORE)):
        pass
    before = (folder / FILE).read_bytes()
    assert problem(lambda: Store(folder)).kind == "newer"
    assert (folder / FILE).read_bytes() == before


@pytest.mark.parametrize("damage", ["no database", "cut short", "page lost"])
def test_a_damaged_database_is_found(folder: Path, damage: str) -> None:
    path = folder / FILE
    data = bytearray(path.read_bytes())
    if damage == "no database":
        data[:] = b"not a database, but longer than its header would be" * 200
    elif damage == "cut short":
        del data[len(data) // 2 :]
    else:
        data[4096 * 4 : 4096 * 20] = b"\xff" * 4096 * 16
    path.write_bytes(data)

    def use() -> None:
        with Store(folder) as store:
            store.check()

    assert problem(use).kind == "damaged"
    aside = set_aside(folder)
    assert aside.read_bytes() == data
    with Store(folder) as store:
        assert store.page().summaries == ()


def test_two_damaged_databases_of_one_day_are_both_there(folder: Path) -> None:
    (folder / FILE).write_bytes(b"one")
    first = set_aside(folder)
    (folder / FILE).write_bytes(b"two")
    second = set_aside(folder)
    assert (first.read_bytes(), second.read_bytes()) == (b"one", b"two")


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TRIGGER t AFTER INSERT ON turns BEGIN DELETE FROM turns; END",
        "CREATE VIEW v AS SELECT 1",
        "DROP TRIGGER turn_removed",
        "PRAGMA application_id = 7",
        "ALTER TABLE turns ADD COLUMN x INTEGER",
    ],
)
def test_a_database_with_other_tables_is_not_used(folder: Path, statement: str) -> None:
    """SQLite would run what a schema holds."""
    execute(folder, statement)
    assert problem(lambda: Store(folder)).kind == "damaged"


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE conversations SET id = '../../x'",
        "UPDATE turns SET more = '[1'",
        """UPDATE turns SET more = '{"end": {}}'""",
        "UPDATE turns SET state = 'wild'",
        "UPDATE images SET sha256 = '../../../etc/passwd'",
        "UPDATE images SET width = -5",
    ],
)
def test_records_that_do_not_fit_are_damage(tmp_path: Path, statement: str) -> None:
    path, digest = content(tmp_path, 1)
    identity = new_id()
    with Store(tmp_path / "history") as store:
        store.save_turn(identity, "t", with_image(turn(), digest), {digest: path})
    execute(tmp_path / "history", statement)
    with Store(tmp_path / "history") as store:

        def read() -> None:
            store.page()
            assert store.load(identity) is None

        assert problem(read).kind == "damaged"


def test_no_name_leads_out_of_the_folder(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    with Store(tmp_path / "history") as store:
        for name in ("../../secret", "a" * 63, "A" * 64, "", "a" * 64 + "/../../secret"):
            with pytest.raises(ValueError, match="64 hexadecimal"):
                store.pictures.path(name)
        digest = "a" * 64
        store.pictures.path(digest).parent.mkdir()
        store.pictures.path(digest).symlink_to(secret)
        assert not store.pictures.holds(digest)
        assert store.pictures.thumbnail(digest) is None
        store.remove_left_pictures()
    assert secret.read_text() == "secret"


def test_a_folder_of_pictures_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / ("b" * 64)).write_text("mine")
    path, digest = content(tmp_path, 1)
    with Store(tmp_path / "history") as store:
        (store.folder / "pictures").symlink_to(elsewhere)
        with pytest.raises(HistoryError, match="link to another folder"):
            store.save_turn(new_id(), "t", with_image(turn(), digest), {digest: path})
        store.remove_left_pictures()
        store.delete_everything()
    assert [path.name for path in elsewhere.iterdir()] == ["b" * 64]


HOLD = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute(sys.argv[2])
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def hold() -> Iterator[Callable[[Path, str], subprocess.Popen[bytes]]]:
    """Holds a lock of a database in another process."""
    processes: list[subprocess.Popen[bytes]] = []

    def start(folder: Path, statement: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-c", HOLD, str(folder / FILE), statement], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        processes.append(process)
        assert process.stdout is not None
        assert process.stdout.readline().strip() == b"held"
        return process

    yield start
    for process in processes:
        process.communicate()


def test_a_lock_of_another_process_is_told_and_over_when_it_ends(
    folder: Path, hold: Callable[[Path, str], subprocess.Popen[bytes]]
) -> None:
    with Store(folder, busy_seconds=BUSY) as store:
        process = hold(folder, "BEGIN IMMEDIATE")
        assert problem(lambda: kept(store, "locked")).kind == "locked"
        assert len(store.page().summaries) == 1  # reading goes on, and can begin
        with Store(folder, busy_seconds=BUSY) as other:
            assert len(other.page().summaries) == 1
        process.communicate()
        kept(store, "free")
        assert len(store.page().summaries) == 2


def test_two_processes_see_what_the_other_keeps(folder: Path) -> None:
    with Store(folder) as one, Store(folder) as two:
        identity = kept(one, "first")
        assert two.load(identity) is not None
        two.rename(identity, "other")
        assert [hit.summary.title for hit in one.search("other")] == ["other"]


def test_a_full_disk_is_told_and_nothing_is_half_kept(tmp_path: Path) -> None:
    """SQLite fails at a number of pages as it does on a full disk."""
    path, digest = content(tmp_path, 1)
    with Store(tmp_path / "history") as store:
        pages = store._connection.execute("PRAGMA page_count").fetchone()[0]
        store._connection.execute(f"PRAGMA max_page_count = {pages + 1}")
        large = with_image(turn("long", "word " * 5000), digest)
        assert problem(lambda: store.save_turn(new_id(), "t", large, {digest: path})).kind == "full"
        assert store.page().summaries == ()
        assert not store.pictures.holds(digest)
        store._connection.execute("PRAGMA max_page_count = 100000")
        store.save_turn(new_id(), "t", large, {digest: path})
        assert store.pictures.holds(digest)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows has neither fork nor these permissions")
@pytest.mark.parametrize("what", ["file", "folder"])
def test_a_database_that_cannot_be_written_is_read(what: str) -> None:
    """By an ordinary user, since root may write everywhere."""
    base = Path(tempfile.mkdtemp())
    base.chmod(0o755)
    try:
        with Store(base / "history") as store:
            kept(store, "What is the total?")
        (base / "history" / FILE).chmod(0o444)
        (base / "history").chmod(0o555 if what == "folder" else 0o777)
        assert as_ordinary_user(lambda: _reads_only(base / "history")) == "read_only"
    finally:
        (base / "history").chmod(0o755)
        for path in (*(base / "history").iterdir(), base / "history", base):
            path.rmdir() if path.is_dir() else path.unlink()


def _reads_only(folder: Path) -> ProblemKind:
    with Store(folder) as store:
        assert store.problem is not None
        assert [hit.summary.turns for hit in store.search("total")] == [1]
        assert problem(lambda: kept(store, "new")) == store.problem
        return store.problem.kind


def as_ordinary_user(work: Callable[[], str]) -> str:
    """What a function says in a process without root's rights."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:  # everything is imported already, so that the user need not be able to read the checkout
        try:
            if os.geteuid() == 0:
                os.setgid(65534)
                os.setuid(65534)
            os.write(writing, work().encode())
        except BaseException as error:
            os.write(writing, repr(error).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    return said


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a file")
    assert problem(lambda: Store(tmp_path / "file" / "history")).kind == "unavailable"


def test_an_old_sqlite_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 30, 0))
    assert problem(lambda: open_database(tmp_path)).kind == "unavailable"
    assert list(tmp_path.iterdir()) == []
