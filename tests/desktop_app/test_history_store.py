"""Conversations are kept, listed, changed and deleted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path

import pytest

from dsvl2_app.state.history.days import group_of
from dsvl2_app.state.history.place import data_folder
from dsvl2_app.state.history.problems import HistoryError
from dsvl2_app.state.history.records import SavedBox, SavedEnd, SavedImage, SavedNotice, Summary
from dsvl2_app.state.history.store import LONGEST_TITLE, UNDO_SECONDS, Store
from dsvl2_runtime.errors import ImageError
from histories import content, kept, new_id, turn, with_image


class Clock:
    now = 5000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> Iterator[Store]:
    with Store(tmp_path / "history", clock=clock) as opened:
        yield opened


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*") if path.is_file()}


def test_a_turn_comes_back_as_it_was(store: Store, tmp_path: Path) -> None:
    path, digest = content(tmp_path, 1)
    first = replace(
        turn("Wie heißt das?\nZeile 2", "Es ist **grün** 账单"),
        images=(SavedImage("contract.pdf", digest, 40, 30, 2, "contract.pdf"),),
        boxes=(SavedBox("total", 1, (1, 2, 300, 999)),),
        end=SavedEnd("stop", 12, 0.5, 3),
        model="demo, int4",
        task="locate",
        image_sizes=((40, 30), (7, 9)),
        notices=(SavedNotice("image.ground", {"image": 1, "colour": "white"}),),
        is_dropped=True,
        confidence=0.5,
    )
    second = turn("And then?", at=2000.0)
    identity = new_id()
    store.save_turn(identity, "A title", first, {digest: path})
    store.save_turn(identity, "Another title", second)
    loaded = store.load(identity)
    assert loaded is not None
    assert loaded.turns == (first, second)
    assert (loaded.title, loaded.created_at, loaded.updated_at) == ("A title", 1000.0, 2000.0)
    assert store.pictures.path(digest).read_bytes() == path.read_bytes()
    assert store.load(new_id()) is None


def test_a_changed_turn_replaces_itself_and_keeps_its_place(store: Store) -> None:
    identity = new_id()
    first, second = turn("first", "", 1.0), turn("second", "", 2.0)
    for one in (first, second, replace(first, answer="late", state="stopped")):
        store.save_turn(identity, "t", one)
    loaded = store.load(identity)
    assert loaded is not None
    assert [(one.question, one.answer) for one in loaded.turns] == [("first", "late"), ("second", "")]
    assert [hit.turn for hit in store.search("late")] == [first.id]
    store.remove_turn(second.id)
    assert [summary.turns for summary in store.page().summaries] == [1]
    store.remove_turn(first.id)
    assert store.page().summaries == ()


def test_names_that_have_no_utf8_are_kept_readable(store: Store) -> None:
    """Names of files may hold lone surrogates."""
    identity = new_id()
    store.save_turn(identity, "bill \udcff", turn("bill \udcff"))
    loaded = store.load(identity)
    assert loaded is not None
    assert (loaded.title, loaded.turns[0].question) == ("bill ?", "bill ?")


def test_the_list_comes_in_pages_pinned_first_then_the_newest(store: Store) -> None:
    identities = [kept(store, f"question {number}", at=1000.0 + number // 2) for number in range(7)]
    store.pin(identities[2], True)
    pages = [store.page(limit=3)]
    while pages[-1].next is not None:
        pages.append(store.page(pages[-1].next, limit=3))
    listed = [summary.id for page in pages for summary in page.summaries]
    assert listed == [identities[number] for number in (2, 6, 5, 4, 3, 1, 0)]
    assert [len(page.summaries) for page in pages] == [3, 3, 1]


def test_a_summary_names_the_first_picture(store: Store, tmp_path: Path) -> None:
    path, digest = content(tmp_path, 1)
    identity = new_id()
    store.save_turn(identity, "  two\nlines  ", turn())
    store.save_turn(identity, "t", with_image(turn(), digest), {digest: path})
    (summary,) = store.page().summaries
    assert store.newest() == identity
    assert summary == Summary(identity, "two lines", 1000.0, False, 2, "bill.png", digest)


def test_titles_are_one_short_line(store: Store) -> None:
    identity = kept(store, "word " * 100)
    (summary,) = store.page().summaries
    assert len(summary.title) == LONGEST_TITLE
    store.rename(identity, " the\nnew one ")
    store.rename(identity, "  ")
    assert [summary.title for summary in store.page().summaries] == ["the new one"]
    assert [hit.excerpt for hit in store.search("new one")] == ["the new one"]


def test_what_is_deleted_can_be_put_back_until_it_is_too_late(store: Store, clock: Clock, tmp_path: Path) -> None:
    path, digest = content(tmp_path, 1)
    identity = new_id()
    store.save_turn(identity, "secret", with_image(turn("secret"), digest), {digest: path})
    store.delete(identity)
    assert store.page().summaries == ()
    assert store.search("secret") == []
    assert store.load(identity) is None
    clock.now += UNDO_SECONDS - 1
    assert store.purge() == 0
    assert store.undelete(identity)
    assert [summary.id for summary in store.page().summaries] == [identity]
    store.delete(identity)
    assert store.next_purge() == clock.now + UNDO_SECONDS
    clock.now += UNDO_SECONDS
    assert store.purge() == 1
    assert not store.undelete(identity)
    assert store.next_purge() is None
    assert not store.pictures.holds(digest)


def test_nothing_of_a_deleted_conversation_is_left_in_any_file(store: Store, clock: Clock, tmp_path: Path) -> None:
    """Neither in free pages, nor in the index, nor in the log."""
    kept(store, "something else")
    identity = kept(store, "xylophonist", "marzipankartoffel")
    store.delete(identity)
    clock.now += UNDO_SECONDS
    store.purge()
    for path in (tmp_path / "history").rglob("*"):
        if path.is_file():
            assert b"marzipan" not in path.read_bytes()
            assert b"xyl" not in path.read_bytes()
    assert len(store.search("something")) == 1


def test_an_answer_that_comes_after_its_conversation_was_deleted_is_not_kept(store: Store, clock: Clock) -> None:
    identity = new_id()
    late = turn()
    store.save_turn(identity, "t", late)
    store.delete(identity)
    store.purge(at_once=True)
    store.save_turn(identity, "t", replace(late, answer="late"))
    assert store.page().summaries == ()


def test_a_picture_lives_as_long_as_one_turn_uses_it(store: Store, tmp_path: Path) -> None:
    path, digest = content(tmp_path, 1)
    one, two = new_id(), new_id()
    for identity in (one, two):
        store.save_turn(identity, "t", with_image(turn(), digest), {digest: path})
    thumbnail = store.pictures.thumbnail(digest)
    assert thumbnail is not None and thumbnail.is_file()
    store.delete(one)
    store.purge(at_once=True)
    assert store.pictures.holds(digest)
    store.delete(two)
    store.purge(at_once=True)
    assert not store.pictures.holds(digest)
    assert not thumbnail.exists()


def test_a_turn_whose_kept_picture_is_lost_is_kept_without_it(store: Store, tmp_path: Path) -> None:
    """Its answer has changed, as by a second look; the picture would be copied from where it was kept."""
    path, digest = content(tmp_path, 1)
    identity, asked = new_id(), with_image(turn(), digest)
    store.save_turn(identity, "t", asked, {digest: path})
    kept_path = store.pictures.path(digest)
    kept_path.unlink()
    store.save_turn(identity, "t", replace(asked, answer="It is 13."), {digest: kept_path})
    loaded = store.load(identity)
    assert loaded is not None
    assert [one.answer for one in loaded.turns] == ["It is 13."]
    path.unlink()
    with pytest.raises(HistoryError):
        store.save_turn(identity, "t", with_image(turn(), digest), {digest: path})


def test_a_picture_with_another_content_is_refused_and_leaves_nothing(store: Store, tmp_path: Path) -> None:
    path, _ = content(tmp_path, 1)
    before = files(store.folder)
    with pytest.raises(ImageError, match="not the one that was added"):
        store.save_turn(new_id(), "t", with_image(turn(), "0" * 64), {"0" * 64: path})
    assert files(store.folder) == before
    assert store.page().summaries == ()


def test_pictures_that_a_killed_process_left_are_deleted(store: Store, tmp_path: Path) -> None:
    path, used = content(tmp_path, 1)
    store.save_turn(new_id(), "t", with_image(turn(), used), {used: path})
    left = store.pictures.path("a" * 64)
    left.write_bytes(b"left")
    half = left.with_name(f".{'b' * 64}.partial")
    half.write_bytes(b"half")
    foreign = left.with_name("notes.txt")
    foreign.write_text("mine")
    store.remove_left_pictures()
    assert files(left.parent) == {used, "notes.txt"}


def test_deleting_everything_leaves_an_empty_database_alone(store: Store, tmp_path: Path) -> None:
    path, digest = content(tmp_path, 1)
    identity = new_id()
    store.save_turn(identity, "t", with_image(turn("xylophonist"), digest), {digest: path})
    store.pictures.thumbnail(digest)
    (store.folder / "history.damaged-2026-01-01-1.sqlite").write_bytes(b"xylophonist")
    store.delete_everything()
    assert store.page().summaries == ()
    assert files(store.folder) <= {"history.sqlite", "history.sqlite-wal", "history.sqlite-shm"}
    assert all(b"xyl" not in path.read_bytes() for path in store.folder.iterdir() if path.is_file())
    store.save_turn(identity, "t", turn("late"))
    assert store.page().summaries == ()
    kept(store, "new")
    assert len(store.search("new")) == 1


def test_the_database_is_readable_by_its_user_alone(store: Store) -> None:
    assert store.folder.stat().st_mode & 0o077 == 0
    assert store.path.stat().st_mode & 0o077 == 0
    assert store.size() >= store.path.stat().st_size > 0


@pytest.mark.parametrize(
    ("day", "group"),
    [(17, "today"), (18, "today"), (16, "yesterday"), (15, "week"), (10, "week"), (9, "month"), (1, "month")],
)
def test_conversations_are_grouped_by_days_of_the_calendar(day: int, group: str) -> None:
    when = datetime(2026, 5, day, 23, 59).timestamp()
    assert group_of(Summary(new_id(), "t", when), date(2026, 5, 17)) == group
    assert group_of(Summary(new_id(), "t", when, is_pinned=True), date(2026, 5, 17)) == "pinned"


def test_old_conversations_are_in_one_group() -> None:
    when = datetime(2025, 1, 1).timestamp()
    assert group_of(Summary(new_id(), "t", when), date(2026, 5, 17)) == "older"


def test_a_variable_names_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert data_folder().parts[-2:] != (tmp_path.name, "history")
    monkeypatch.setenv("DSVL2_DATA", str(tmp_path))
    assert data_folder() == tmp_path / "history"
