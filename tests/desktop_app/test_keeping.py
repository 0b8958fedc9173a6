"""What a session holds is kept, and comes back."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from PIL import Image
from pytestqt.qtbot import QtBot

from dsvl2_app import texts
from dsvl2_app.history_client import History
from dsvl2_app.state.history.database import FILE, open_database
from dsvl2_app.state.history.keeper import WRITING_SECONDS, Keeper
from dsvl2_app.state.history.records import SavedConversation, SavedEnd, SavedImage, SavedNotice, SavedTurn
from dsvl2_app.state.history.store import Store
from dsvl2_app.state.history.turns import restored, saved_turn
from dsvl2_app.state.session import Attachment, ChatSession, Conversation
from dsvl2_app.state.turn import Turn
from dsvl2_app.widgets.keeping import Keeping
from dsvl2_app.widgets.main_window import MainWindow
from dsvl2_runtime.answers.sampling import GenerationOptions
from dsvl2_runtime.engine.client import EngineEnd
from dsvl2_runtime.engine.image_store import KeptImage
from dsvl2_runtime.engine.protocol import Finished, Wrote
from dsvl2_runtime.engine.wire_error import WireError
from dsvl2_runtime.notices import Notice
from histories import content, kept, new_id, turn
from sessions import LOADED, Sent
from windows import PATIENCE, ask, wait_for


class Written:
    """A place where turns are kept that only remembers."""

    def __init__(self) -> None:
        self.turns: list[tuple[str, str, SavedTurn]] = []
        self.removed: list[str] = []
        self.renamed: list[tuple[str, str]] = []
        self.now = 0.0

    def save(self, conversation: str, title: str, turn: SavedTurn, contents: Mapping[str, Path]) -> None:
        self.turns.append((conversation, title, turn))

    @property
    def states(self) -> list[tuple[str, str, str]]:
        return [(turn.question, turn.state, turn.answer) for _, _, turn in self.turns]


@pytest.fixture
def written() -> Written:
    return Written()


@pytest.fixture
def session(written: Written) -> ChatSession:
    made = ChatSession(Sent())
    keeper = Keeper(
        made, written, written.removed.append, lambda *names: written.renamed.append(names), lambda: written.now
    )
    made.on_change = lambda change: (keeper.take(change), None)[1]
    made.take(LOADED)
    return made


def test_a_turn_is_written_when_it_begins_now_and_then_and_when_it_ends(session: ChatSession, written: Written) -> None:
    session.ask("What?")
    del written.turns[:-1]  # of the states before the first text
    for text in ("a", "b", "c"):
        session.take(Wrote(0, text))
    written.now = WRITING_SECONDS
    for text in ("d", "e"):
        session.take(Wrote(0, text))
    session.take(Finished(0, "stop", 5, 1.0))
    assert written.states == [
        ("What?", "open", ""),
        ("What?", "open", "a"),
        ("What?", "open", "abcd"),
        ("What?", "done", "abcde"),
    ]
    assert written.turns[-1][2].end == SavedEnd("stop", 5, 1.0)
    assert written.turns[-1][2].model == "m, int4"
    assert {(conversation, title) for conversation, title, _ in written.turns} == {(session.id, "What?")}


def test_a_question_that_is_taken_back_is_forgotten(session: ChatSession, written: Written) -> None:
    session.ask("first")
    session.ask("second")
    waiting = session.turns[1]
    session.take_back(waiting)
    assert written.removed == [waiting.id]


def test_what_was_opened_is_not_written_again(session: ChatSession, written: Written) -> None:
    session.show_conversation(Conversation(title="t", turns=(Turn(0, "old", (), "answer", "done"),)))
    assert written.turns == []
    session.ask("new")
    assert {question for question, _, _ in written.states} == {"new"}
    assert {title for _, title, _ in written.turns} == {"t"}


def test_an_answer_ends_in_its_own_conversation(session: ChatSession, written: Written) -> None:
    session.ask("first")
    first = session.id
    session.take(Wrote(0, "half"))
    session.new_conversation()
    assert written.states[-1] == ("first", "stopped", "half")
    assert {conversation for conversation, _, _ in written.turns} == {first}


def test_a_new_title_is_written(session: ChatSession, written: Written) -> None:
    session.ask("first")
    session.rename("better")
    assert written.renamed == [(session.id, "better")]


@pytest.mark.parametrize(
    "end",
    [
        None,
        Finished(0, "repetition", 3, 1.5, 2, 0.5),
        Finished(0, "stop", 3, 1.5, 2, 0.5, confidence=0.25),
        WireError("ImageError", "it is broken", 1, 500),
        EngineEnd("signal"),
    ],
)
def test_a_turn_survives_being_kept(tmp_path: Path, end: Finished | WireError | EngineEnd | None) -> None:
    path, digest = content(tmp_path, 1)
    image = Attachment("/bill.pdf", KeptImage(path, digest), (40, 30), Image.new("RGB", (4, 3)), 2, "/bill.pdf")
    turn = Turn(
        number=0,
        question="Where?",
        images=(image,),
        answer="<|ref|>total<|/ref|><|det|>[[1, 2, 3, 4]]<|/det|>",
        state="done",
        end=end,
        notices=(Notice("image.first_page", {"image": 1}), Notice("image.ground", {"image": 1, "ground": "black"})),
        task="locate",
        image_sizes=((40, 30),),
    )
    identity = new_id()
    with Store(tmp_path / "history") as store:
        store.save_turn(identity, "t", saved_turn(turn, LOADED), {digest: path})
        loaded = store.load(identity)
        assert loaded is not None
        back = restored(loaded, store.pictures)
        (again,) = back.turns
        assert (again.id, again.question, again.answer, again.state) == (turn.id, "Where?", turn.answer, "done")
        assert (again.end, again.notices, again.task, again.boxes) == (end, turn.notices, "locate", turn.boxes)
        assert again.boxes
        (shown,) = again.images
        assert (shown.name, shown.size, shown.page, shown.document) == ("/bill.pdf", (40, 30), 2, "/bill.pdf")
        assert shown.content.path.read_bytes() == path.read_bytes()
        assert (shown.content.sha256, shown.thumbnail.size) == (digest, (40, 30))
        assert back.images == again.present == again.images


def test_a_page_that_was_asked_about_alone_comes_back_alone(tmp_path: Path) -> None:
    """So that it is asked about again without the other pages."""
    identity = new_id()
    with Store(tmp_path / "history") as store:
        for number in (1, 2):
            path, digest = content(tmp_path, number)
            page = Attachment(
                "/bill.pdf", KeptImage(path, digest), (40, 30), Image.new("RGB", (4, 3)), number, "d" * 64
            )
            turn = Turn(number, "total?", (page,), str(number), "done", None, present=(page,), is_alone=True)
            store.save_turn(identity, "t", saved_turn(turn, LOADED), {digest: path})
        loaded = store.load(identity)
        assert loaded is not None
        session = ChatSession(sent := Sent())
        session.take(LOADED)
        session.show_conversation(restored(loaded, store.pictures))
    assert session.ask_again(session.turns[1])
    assert [turn.page for turn in session.turns] == [1, 2, 2]
    assert len(sent.asks) == 1


def test_what_another_version_has_kept_is_read_as_far_as_it_is_known(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        turn = SavedTurn(
            new_id(), "q", 1.0, "a", "open", (SavedImage("lost.png", "a" * 64, 1, 1),), task="sing",
            notices=(
                SavedNotice("image.sung"), SavedNotice("image.ground", {"image": 1}),
                SavedNotice("image.read_in_part", {"image": 1, "left": "far", "top": 0, "right": 9, "bottom": 9}),
                SavedNotice("image.first_page", {"image": 1}),
            ),
            end=SavedEnd("singing", message="la"),
        )  # fmt: skip
        back = restored(SavedConversation(new_id(), "t", 1.0, 1.0, (turn,)), store.pictures).turns[0]
    assert (back.state, back.task, back.images) == ("stopped", "question", ())
    assert back.notices == (Notice("image.first_page", {"image": 1}),)  # the one that can be said
    assert back.end == WireError("singing", "la", 1, 500)


@pytest.fixture
def history(tmp_path: Path) -> Iterator[History]:
    made = History(tmp_path / "history")
    yield made
    made.close()
    made.wait_until_gone(PATIENCE / 1000)


@pytest.fixture
def keeping(window: MainWindow, history: History) -> Iterator[Keeping]:
    made = Keeping(window, history)
    yield made
    made.close()


def stored(history: History, qtbot: QtBot) -> list[SavedConversation]:
    """What the database has by now."""
    found: list[list[SavedConversation]] = []

    def read(store: Store) -> list[SavedConversation]:
        loaded = (store.load(summary.id) for summary in store.page().summaries)
        return [conversation for conversation in loaded if conversation is not None]

    history.ask(read, found.append)
    wait_for(qtbot, lambda: bool(found))
    return found[0]


def answered(window: MainWindow, count: int) -> Callable[[], bool]:
    return lambda: len(window.session.turns) == count and not any(turn.is_open for turn in window.session.turns)


def test_a_conversation_is_kept_listed_and_opened_again(
    window: MainWindow, keeping: Keeping, history: History, image_file: Path, qtbot: QtBot
) -> None:
    """With its picture, which the engine reads from where it is kept."""
    window.session.options = GenerationOptions(max_new_tokens=3)  # the context of the small model is short
    window.add_images([image_file])
    wait_for(qtbot, lambda: bool(window.session.images))
    ask(window, qtbot, "What is the total?")
    wait_for(qtbot, answered(window, 1))
    first, answer = window.session.id, window.session.turns[0].answer
    model = window.sidebar.list.model()
    wait_for(qtbot, lambda: model.rowCount() == 2)
    window.sidebar.new_button.click()
    assert window.session.turns == [] and window.session.id != first
    image_file.unlink()
    window.sidebar.opened.emit(first, "")
    wait_for(qtbot, lambda: window.session.id == first)
    assert [turn.answer for turn in window.session.turns] == [answer]
    assert [image.name for image in window.session.images] == [str(image_file)]
    ask(window, qtbot, "And again?")
    wait_for(qtbot, answered(window, 2))
    assert window.session.turns[1].end.__class__ is Finished
    (conversation,) = stored(history, qtbot)
    assert [turn.question for turn in conversation.turns] == ["What is the total?", "And again?"]


def test_a_hit_brings_its_turn_into_view(window: MainWindow, keeping: Keeping, history: History, qtbot: QtBot) -> None:
    identity = new_id()
    turns = [turn(f"question {number}", "word " * 300, float(number)) for number in range(12)]

    def keep(store: Store) -> None:
        for one in turns:
            store.save_turn(identity, "long", one)

    history.ask(keep)
    window.sidebar.opened.emit(identity, turns[1].id)
    wait_for(qtbot, lambda: window.session.id == identity)
    wait_for(qtbot, lambda: not window.talk.view_of(window.session.turns[1]).visibleRegion().isEmpty())  # type: ignore[union-attr]
    window.sidebar.opened.emit(identity, turns[10].id)
    wait_for(qtbot, lambda: not window.talk.view_of(window.session.turns[10]).visibleRegion().isEmpty())  # type: ignore[union-attr]
    assert window.talk.view_of(window.session.turns[1]).visibleRegion().isEmpty()  # type: ignore[union-attr]


def test_deleting_the_open_conversation_begins_a_new_one(
    window: MainWindow, keeping: Keeping, history: History, qtbot: QtBot
) -> None:
    ask(window, qtbot, "What?")
    wait_for(qtbot, answered(window, 1))
    first = window.session.id
    wait_for(qtbot, lambda: window.sidebar.list.model().rowCount() == 2)
    window.sidebar.list.delete_asked.emit(window.sidebar.list.model().index(1, 0))
    wait_for(qtbot, lambda: window.session.id != first)
    assert stored(history, qtbot) == []


def test_a_conversation_is_exported(
    window: MainWindow, keeping: Keeping, history: History, tmp_path: Path, qtbot: QtBot
) -> None:
    ask(window, qtbot, "What?")
    wait_for(qtbot, answered(window, 1))
    for form, out in (("json", tmp_path / "out.json"), ("markdown", tmp_path / "out")):
        keeping.export_to(window.session.id, form, out)
        wait_for(qtbot, lambda out=out: texts.history.exported(out) in window.toasts.texts())  # type: ignore[misc]
    assert json.loads((tmp_path / "out.json").read_text("utf-8"))["conversation"]["title"] == "What?"
    assert "> What?" in (tmp_path / "out" / "conversation.md").read_text("utf-8")
    keeping.export_to(window.session.id, "markdown", tmp_path / "out")
    wait_for(qtbot, lambda: any("was not written" in text for text in window.toasts.texts()))


def test_closing_keeps_what_has_come_of_an_answer(slow_window: MainWindow, history: History, qtbot: QtBot) -> None:
    keeping = Keeping(slow_window, history)
    ask(slow_window, qtbot, "What?")
    wait_for(qtbot, lambda: any(turn.answer for turn in slow_window.session.turns))
    come = slow_window.session.turns[0].answer
    slow_window.close()
    keeping.close()
    keeping.wait_until_gone(PATIENCE / 1000)
    with Store(history.worker.folder) as store:
        (summary,) = store.page().summaries
        saved = store.load(summary.id)
        assert saved is not None
        assert saved.turns[0].answer.startswith(come)


def test_nothing_is_written_in_private_mode(window: MainWindow, tmp_path: Path, qtbot: QtBot) -> None:
    """Also no log of the database, no picture, no folder."""
    history = History(tmp_path / "private", is_private=True)
    keeping = Keeping(window, history)
    ask(window, qtbot, "What?")
    wait_for(qtbot, answered(window, 1))
    keeping.close()
    keeping.wait_until_gone(PATIENCE / 1000)
    assert not (tmp_path / "private").exists()


@pytest.mark.parametrize("state", ["locked", "damaged", "newer", "no folder"])
def test_the_window_answers_whatever_is_wrong_with_the_database(
    window: MainWindow, tmp_path: Path, state: str, qtbot: QtBot
) -> None:
    folder = tmp_path / "history"
    other = None
    if state == "no folder":
        folder.write_text("a file")
    elif state == "damaged":
        folder.mkdir()
        (folder / FILE).write_bytes(b"damaged " * 1000)
    else:
        other = open_database(folder)
        other.execute("PRAGMA user_version = 99" if state == "newer" else "BEGIN IMMEDIATE")
    history = History(folder)
    keeping = Keeping(window, history)
    ask(window, qtbot, "What?")
    wait_for(qtbot, answered(window, 1))
    wait_for(qtbot, lambda: bool(window.sidebar.problem.text()))
    keeping.close()
    keeping.wait_until_gone(PATIENCE / 1000)
    if other is not None:
        other.close()


def test_the_window_starts_with_the_last_conversation_if_that_is_wanted(
    window: MainWindow, tmp_path: Path, qtbot: QtBot
) -> None:
    with Store(tmp_path / "history") as store:
        kept(store, "old", at=1.0)
        newest = kept(store, "new", at=2.0)
    history = History(tmp_path / "history")
    keeping = Keeping(window, history, opens_last=True)
    wait_for(qtbot, lambda: window.session.id == newest)
    assert window.session.title == "new"
    keeping.close()
    keeping.wait_until_gone(PATIENCE / 1000)


ANOTHER = """
import sys, time, uuid
from pathlib import Path
from dsvl2_app.state.history.records import SavedTurn
from dsvl2_app.state.history.worker import Worker

worker = Worker(Path(sys.argv[1]), print)
for number in range(20):
    turn = SavedTurn(uuid.uuid4().hex, f"of another {number}", time.time(), "answer", "done")
    worker.save(uuid.uuid4().hex, turn.question, turn, {})
worker.close()
worker.wait_until_gone(60)
"""


def test_two_processes_keep_their_conversations_in_one_database(
    window: MainWindow, history: History, tmp_path: Path, qtbot: QtBot
) -> None:
    """What the other keeps is there when the list is read again, and nothing of either is lost."""
    keeping = Keeping(window, history)
    window.session.options = GenerationOptions(max_new_tokens=3)
    with subprocess.Popen([sys.executable, "-c", ANOTHER, str(tmp_path / "history")]) as other:
        ask(window, qtbot, "of this")
        wait_for(qtbot, answered(window, 1))
        wait_for(qtbot, lambda: other.poll() is not None)
    assert other.returncode == 0
    window.sidebar.read_again()
    titles = {conversation.title for conversation in stored(history, qtbot)}
    assert titles == {"of this", *(f"of another {number}" for number in range(20))}
    wait_for(qtbot, lambda: window.sidebar.list.model().rowCount() == 22)  # with one heading
    keeping.close()
