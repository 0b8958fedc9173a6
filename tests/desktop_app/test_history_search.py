"""Search: any part of a word, any language, any length; and what it costs, by the plan that SQLite makes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsvl2_app.state.history.folding import EXCERPT, excerpt, find, fold, words_of
from dsvl2_app.state.history.records import SavedImage
from dsvl2_app.state.history.rows import SUMMARY
from dsvl2_app.state.history.search import READ_TURNS, turns_query
from dsvl2_app.state.history.store import Store
from histories import kept, new_id, turn


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path) as opened:
        yield opened


@pytest.mark.parametrize(
    "query",
    [
        "total",
        "TOTAL",
        "ota",
        "to",
        "t",
        "总",
        "总金",
        "总金额",
        "１２",
        "12.80",
        "strasse",
        "total 12.80",
        "额 ot",
        '"',
        "5%",
    ],
)
def test_any_part_of_a_text_is_found(store: Store, query: str) -> None:
    identity = kept(store, 'What is the "Total"?', "12.80 (5%) 总金额, Straße")
    kept(store, "Nowhere", "elsewhere")
    hits = store.search(query)
    assert [hit.summary.id for hit in hits] == [identity]
    for hit in hits:
        marked = [fold(hit.excerpt[begin:end]) for begin, end in hit.marks]
        assert marked
        assert any(word in "".join(marked) for word in words_of(query))


@pytest.mark.parametrize("query", ["", "  ", "absent", "zz", "总金额 absent", "%", "_", "OR", "NEAR(a b)", "*"])
def test_nothing_is_found_by_what_is_not_there(store: Store, query: str) -> None:
    """No character of a query means anything but itself."""
    kept(store, "What is the Total?", "12.80 总金额")
    assert store.search(query) == []


def test_each_word_has_to_be_there_and_the_newest_comes_first(store: Store) -> None:
    old = kept(store, "rent and tax", at=1.0)
    kept(store, "rent alone", at=2.0)
    new = kept(store, "tax of the rent", at=3.0)
    assert [hit.summary.id for hit in store.search("rent tax")] == [new, old]
    assert store.search("rent", limit=2)[0].summary.id == new


def test_names_of_pictures_and_titles_are_searched(store: Store) -> None:
    identity = new_id()
    question = turn("What?", "This.")
    image = SavedImage("page 2", "a" * 64, 1, 1, 2, "Mietvertrag.pdf")
    store.save_turn(identity, "t", type(question)(question.id, "What?", 1.0, images=(image,)))
    assert [hit.excerpt for hit in store.search("vertrag")] == ["Mietvertrag.pdf"]
    store.rename(identity, "The flat")
    (hit,) = store.search("flat")
    assert (hit.excerpt, hit.turn) == ("The flat", None)


def test_one_conversation_is_one_hit(store: Store) -> None:
    identity = new_id()
    turns = [turn(f"tax {number}", at=float(number)) for number in range(5)]
    for one in turns:
        store.save_turn(identity, "t", one)
    (hit,) = store.search("tax")
    assert hit.turn == turns[-1].id
    assert hit.summary.turns == 5


def test_a_search_reads_a_bounded_number_of_turns(store: Store) -> None:
    """However many turns hold the words: the newest are enough."""
    identity, other = new_id(), new_id()
    store.save_turn(other, "t", turn("tax"))
    with store._writing():
        for number in range(READ_TURNS + 5):
            row = store._conversation_row(identity, "t", turn())
            store._save_turn(row, turn(f"tax {number}"))
    assert [hit.summary.id for hit in store.search("tax")] == [identity]
    assert [hit.summary.id for hit in store.search("ta")] == [identity]


def plan(store: Store, statement: str, values: list[object]) -> list[str]:
    rows = store._connection.execute(f"EXPLAIN QUERY PLAN {statement}", values).fetchall()
    return [str(row[3]) for row in rows]


def test_long_words_go_through_the_index_and_nothing_is_sorted(store: Store) -> None:
    statement, values = turns_query(["total", "ta"])
    steps = plan(store, statement, [*values, READ_TURNS])
    assert steps[0].startswith("SCAN x VIRTUAL TABLE INDEX")
    assert "M" in steps[0].rpartition(":")[2]  # MATCH
    assert [step.split(" USING ")[1] for step in steps[1:]] == ["INTEGER PRIMARY KEY (rowid=?)"] * 2
    assert not any("TEMP B-TREE" in step for step in steps)


def test_short_words_read_the_turns_from_the_newest_and_nothing_is_sorted(store: Store) -> None:
    statement, values = turns_query(["总"])
    steps = plan(store, statement, [*values, READ_TURNS])
    assert steps[0] == "SCAN t"
    assert steps[1].startswith("SEARCH c USING INTEGER PRIMARY KEY")
    assert not any("TEMP B-TREE" in step for step in steps)


def test_a_page_of_the_list_comes_from_an_index(store: Store) -> None:
    order = "ORDER BY c.is_pinned DESC, c.updated_at DESC, c.row DESC LIMIT 60"
    for condition, values in (("", []), ("AND (c.is_pinned, c.updated_at, c.row) < (?, ?, ?)", [0, 1.0, 1])):
        steps = plan(store, f"{SUMMARY} WHERE c.deleted_at IS NULL {condition} {order}", list(values))
        assert any("c USING INDEX conversations_by_time" in step for step in steps)
        assert not any(step.startswith("SCAN t") or step.startswith("SCAN i") for step in steps)
        assert not any("USE TEMP B-TREE FOR ORDER BY" in step and "c." in step for step in steps)


def test_an_excerpt_shows_the_first_place_in_one_line() -> None:
    text = "x" * 200 + "\nthe total\tis 12 " + "y" * 200
    line, marks = excerpt(text, ["total"]) or ("", ())
    assert "\n" not in line and "\t" not in line
    assert [line[begin:end] for begin, end in marks] == ["total"]
    assert line.startswith("…") and line.endswith("…")
    assert len(line) == EXCERPT + 2


def test_marks_are_places_in_the_original() -> None:
    """Folding may make a character longer."""
    assert [("ẞẞ-Straße"[begin:end]) for begin, end in find("ẞẞ-Straße", ["strass"])] == ["Straß"]
    assert find("abab", ["ab", "ba"]) == [(0, 4)]


@given(st.text(max_size=60), st.integers(0, 59), st.integers(1, 5))
def test_every_part_of_a_text_is_marked_in_it(text: str, begin: int, length: int) -> None:
    part = text[begin : begin + length]
    words = words_of(part)
    places = find(text, words)
    assert bool(places) == bool(words)
    assert all(0 <= left < right <= len(text) for left, right in places)
    folded = fold("".join(text[left:right] for left, right in places))
    assert all(any(character in folded for character in word) for word in words)
