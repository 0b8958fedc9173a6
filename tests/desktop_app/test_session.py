"""The state of the window, without a window."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from dsvl2_app.state.history.records import MORE
from dsvl2_app.state.history.rows import turn_values
from dsvl2_app.state.history.turns import saved_turn
from dsvl2_app.state.session import Attachment, Change, ChatSession, Turn
from dsvl2_runtime.engine.client import EngineEnd
from dsvl2_runtime.engine.prompt_parts import ImagePart, TextPart
from dsvl2_runtime.engine.protocol import (
    LONGEST_LINE,
    BadMessage,
    Failed,
    Finished,
    Loaded,
    LoadFailed,
    MessageTooLongError,
    Prepared,
    Progressed,
    Stop,
    Wrote,
    to_line,
)
from dsvl2_runtime.engine.wire_error import wire_error
from dsvl2_runtime.errors import ImageError, ModelNotFoundError
from dsvl2_runtime.notices import Notice
from sessions import KNOWN, LOADED, SHA256, Sent, image, other_image, question

IMAGE = image()
NO_FOLDER = wire_error(ModelNotFoundError(Path("m"), "no such folder", "make it"))


def test_a_question_takes_the_pictures_that_are_there(session: ChatSession, sent: Sent) -> None:
    """A picture removed later stays with the question that was asked about it; one added twice counts once."""
    session.add_image(IMAGE)
    session.add_image(IMAGE)
    assert session.ask("  What is it? ")
    session.set_images(session.images[1:])
    assert sent == [question(0, "What is it?", ImagePart("/kept", "/bill.png", SHA256))]
    assert session.turns[0].images == (IMAGE,)
    assert session.images == []


def test_an_image_is_its_content(session: ChatSession) -> None:
    """The same file with another content is another image; another file with the same content is not."""
    for added in (IMAGE, image("/bill.png", SHA256[::-1]), image("/copy of bill.png")):
        session.add_image(added)
    assert [(added.name, added.content.sha256) for added in session.images] == [
        ("/bill.png", SHA256),
        ("/bill.png", SHA256[::-1]),
    ]


def test_an_answer_grows_and_ends(session: ChatSession) -> None:
    """Waiting, streaming, done."""
    changes: list[Change] = []
    session.on_change = changes.append
    session.ask("a")
    turn = session.turns[0]
    states = [turn.state]
    session.take(Wrote(0, "12"))
    session.take(Wrote(0, ".50"))
    assert turn.answer == "12.50"
    states.append(turn.state)
    session.take(Finished(0, "stop", 3, 1.25))
    assert [*states, turn.state] == ["waiting", "streaming", "done"]
    assert turn.end == Finished(0, "stop", 3, 1.25)
    assert changes[:2] == ["turns", "answer"]
    assert changes.count("answer") == 4


def test_empty_questions_are_not_asked(session: ChatSession, sent: Sent) -> None:
    """White space is no question."""
    assert not session.can_ask(" \n")
    assert not session.ask(" \n")
    assert sent == []
    assert session.turns == []
    assert session.can_ask("a")


def test_stop_keeps_what_has_come(session: ChatSession, sent: Sent) -> None:
    """The turn says at once that it is stopping; the rest follows the engine's word. A second stop sends nothing."""
    session.stop()
    assert sent == []
    session.ask("a")
    session.take(Wrote(0, "half"))
    session.stop()
    session.stop()
    assert sent[1:] == [Stop(0)]
    assert session.turns[0].state == "stopping"
    session.take(Wrote(0, " and a word"))
    assert session.turns[0].state == "stopping"
    session.take(Finished(0, "cancelled", 1, 0.1))
    assert (session.turns[0].answer, session.turns[0].state) == ("half and a word", "stopped")


def test_an_engine_that_was_ended_because_it_did_not_stop_is_started_again(session: ChatSession, sent: Sent) -> None:
    """The turn is stopped, not failed; what was asked in the meantime is asked of the new engine."""
    session.ask("a")
    session.stop()
    session.ask("b")
    session.engine_ended(EngineEnd("closed"))
    assert [turn.state for turn in session.turns] == ["stopped", "queued"]
    assert (session.engine_state, session.failure, sent.starts) == ("loading", None, [None])
    session.take(LOADED)
    assert sent.asks[1:] == [question(1, "b")]


def test_a_dead_engine_loses_nothing(session: ChatSession, sent: Sent) -> None:
    """The half answer stays and says so; late events change nothing; the next question starts a new engine."""
    end = EngineEnd("signal", 9)
    session.ask("a")
    session.take(Wrote(0, "half"))
    session.engine_ended(end)
    assert (session.turns[0].answer, session.turns[0].state) == ("half", "failed")
    assert session.turns[0].end == end
    assert (session.engine_state, session.failure, sent.starts) == ("failed", end, [])
    session.take(Wrote(0, " more"))
    assert session.turns[0].answer == "half"
    assert session.ask("b")
    assert (session.engine_state, session.failure, sent.starts) == ("loading", None, [None])
    session.take(LOADED)
    assert sent.asks[1:] == [question(1, "b")]


def test_a_dead_engine_is_started_again_for_what_waits(session: ChatSession, sent: Sent) -> None:
    """One question may have killed it; the others are asked all the same. Without a model none of them can be."""
    for text in ("a", "b", "c"):
        session.ask(text)
    session.engine_ended(EngineEnd("signal", 9))
    assert [turn.state for turn in session.turns] == ["failed", "queued", "queued"]
    assert (session.engine_state, sent.starts) == ("loading", [None])
    session.engine_ended(EngineEnd("signal", 9))
    assert [turn.state for turn in session.turns] == ["failed"] * 3
    assert (session.engine_state, sent.starts) == ("failed", [None])


def test_a_failed_turn_is_not_a_failed_engine(session: ChatSession) -> None:
    """A broken image ends its question alone; a failed load is the engine's."""
    damaged = wire_error(ImageError("/x", "it is damaged", "save it again"))
    session.take(Loaded("m", "int4", "random weights"))
    assert session.model == Loaded("m", "int4", "random weights")
    session.ask("a")
    session.take(Failed(0, damaged))
    assert (session.turns[0].state, session.turns[0].end) == ("failed", damaged)
    assert (session.engine_state, session.failure) == ("ready", None)
    session.take(LoadFailed(NO_FOLDER))
    assert (session.engine_state, session.failure) == ("failed", NO_FOLDER)


def test_a_failed_load_ends_what_waits(sent: Sent) -> None:
    """What was asked while the model was loading fails with it, with the reason; the next question loads again."""
    session = ChatSession(sent)
    session.ask("a")
    session.take(LoadFailed(NO_FOLDER))
    assert (session.turns[0].state, session.turns[0].end) == ("failed", NO_FOLDER)
    assert session.engine_state == "failed"
    assert session.ask("b")
    assert (session.engine_state, session.failure) == ("loading", None)
    assert (sent, sent.starts) == ([], [None])


@pytest.mark.parametrize("number", [0, None], ids=["that names it", "that nobody could read"])
def test_a_refused_line_fails_its_question_and_no_engine(session: ChatSession, number: int | None) -> None:
    """The model is still there: only this question must not wait for ever."""
    error = wire_error(ValueError("not a message"))
    session.ask("a")
    session.take(BadMessage(error, number))
    assert (session.turns[0].state, session.turns[0].end) == ("failed", error)
    assert (session.engine_state, session.failure) == ("ready", None)


def test_a_refused_line_of_another_turn_changes_nothing(session: ChatSession) -> None:
    """Such as a stop of a turn that is over."""
    session.ask("a")
    session.take(Finished(0, "stop", 1, 0.1))
    session.ask("b")
    session.take(BadMessage(NO_FOLDER, 0))
    assert [turn.state for turn in session.turns] == ["done", "waiting"]


def test_what_the_model_does_not_see_is_kept_with_the_turn_that_brought_it(session: ChatSession) -> None:
    """As data; its sentence is made where it is shown, and not again under each later question."""
    notes = tuple(Notice("image.scaled_down").of_image(number) for number in (1, 2))
    session.add_image(IMAGE)
    session.ask("a")
    session.take(Prepared(0, notes[:1], 9, 5, ((4, 3),)))
    session.take(Wrote(0, "b"))
    session.take(Finished(0, "stop", 1, 0.1))
    session.add_image(image("/c", SHA256[::-1]))
    session.ask("c")
    session.take(Prepared(1, notes, 9, 5, ((4, 3), (4, 3))))
    assert [turn.notices for turn in session.turns] == [notes[:1], notes[1:]]


def test_a_question_that_the_engine_would_not_read_is_not_sent(session: ChatSession, sent: Sent) -> None:
    """The longest line goes; one byte more is an error that says how much it is and how much goes, and no turn."""
    room = LONGEST_LINE - len(to_line(question(0, "")))
    with pytest.raises(MessageTooLongError) as caught:
        session.ask("a" * (room + 2))  # the number of this question has two digits less than that of the next one
    assert (caught.value.size, caught.value.limit) == (LONGEST_LINE + 2, LONGEST_LINE)
    assert (sent, session.turns) == ([], [])
    assert session.ask("a" * room)
    assert len(to_line(sent[0])) == LONGEST_LINE


def test_progress_belongs_to_the_work_at_hand(sent: Sent) -> None:
    """It is shown while something is done, and gone afterwards."""
    session = ChatSession(sent)
    session.take(Progressed("load", 1, 4))
    assert session.progress is not None
    session.take(LOADED)
    assert session.progress is None
    session.ask("a")
    session.take(Progressed("prefill", 100, 400, 0))
    assert session.progress == Progressed("prefill", 100, 400, 0)
    session.take(Finished(0, "stop", 0, 0.1))
    session.take(Progressed("prefill", 200, 400, 0))
    assert session.progress is None


def test_state_and_engine_process_know_no_widgets() -> None:
    """Importing them brings in no Qt: the state can be tested, and the engine started, without it."""
    code = (
        "import sys, dsvl2_app.state.session, dsvl2_runtime.engine.process, dsvl2_app.cli;"
        "print([name for name in sys.modules if name.startswith('PySide6')])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True)
    assert found.stdout.strip() == "[]"


def pages(count: int, size: tuple[int, int] = (4, 3)) -> list[Attachment]:
    return [replace(other_image(number, size), page=number, document=SHA256) for number in range(1, count + 1)]


def test_each_page_gets_a_question_that_knows_nothing_of_the_others(session: ChatSession, sent: Sent) -> None:
    """Nor of what was said before; and the questions after it know nothing of them. A picture beside is left out."""
    session.ask("before")
    session.take(Wrote(0, "yes"))
    session.take(Finished(0, "stop", 3, 0.5))
    for added in (IMAGE, *pages(2)):
        session.add_image(added)
    session.ask_each_page(True)
    assert session.ask(" total? ", "ocr")
    assert [(turn.page, turn.question, turn.task, turn.state) for turn in session.turns[1:]] == [
        (1, "total?", "ocr", "waiting"),
        (2, "total?", "ocr", "queued"),
    ]
    for number in (1, 2):
        assert sent.asks[-1] == question(number, "total?", session.turns[number].images[0].part)
        session.take(Wrote(number, str(number)))
        session.take(Finished(number, "stop", 3, 0.5))
    session.ask_each_page(False)
    session.set_images([])
    session.ask("after")
    assert [message.content for message in sent.asks[-1].messages] == [
        (TextPart("before"),),
        (TextPart("yes"),),
        (TextPart("after"),),
    ]


def test_a_question_for_each_page_is_asked_again_for_that_page_alone(session: ChatSession, sent: Sent) -> None:
    for added in pages(3):
        session.add_image(added)
    session.ask_each_page(True)
    session.ask("a")
    for number in range(3):
        session.take(Wrote(number, "b"))
        session.take(Finished(number, "stop", 3, 0.5))
    session.ask_each_page(False)
    assert session.ask_again(session.turns[1])
    assert sent.asks[-1] == question(3, "a", session.images[1].part)
    session.take(Finished(3, "stop", 3, 0.5))
    assert not session.asks_each_page
    session.ask("all")
    session.ask_each_page(True)
    assert session.ask_again(session.turns[-1])
    assert [turn.present for turn in session.turns[-2:]] == [tuple(session.images)] * 2
    assert session.asks_each_page


def test_more_pages_than_fit_together_can_be_asked_about_one_by_one(session: ChatSession) -> None:
    session.take(KNOWN)
    for added in pages(9, (1654, 2339)):
        session.add_image(added)
    for number in range(40):
        session.add_image(other_image(100 + number))
    assert not session.can_ask("total?")
    session.ask_each_page(True)
    assert session.can_ask("total?")
    cost = session.cost("total?")
    assert cost is not None
    assert (cost.num_images, cost.new_images, cost.obstacle) == (1, 1, None)


def test_a_question_for_each_page_is_kept_as_one() -> None:
    turn = Turn(0, "total?", tuple(pages(1)), answer="1", state="done", is_alone=True)
    saved = saved_turn(turn, None)
    more = turn_values(saved)[4]
    assert saved.is_alone
    assert isinstance(more, str)
    assert MORE.validate_json(more).is_alone
    assert not MORE.validate_json("{}").is_alone
