"""A second look that a user asks for: it waits like a question, can be taken back, and says why it failed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QPushButton
from pytestqt.qtbot import QtBot

from dsvl2_app import texts
from dsvl2_app.state.session import ChatSession, Turn
from dsvl2_app.widgets.main_window import MainWindow
from dsvl2_app.widgets.talk_view import MOST_CARDS, TalkView
from dsvl2_app.widgets.turn_view import TurnView
from dsvl2_runtime.engine.client import EngineEnd
from dsvl2_runtime.engine.protocol import (
    LONGEST_LINE,
    Failed,
    Finished,
    LoadFailed,
    LooksAgain,
    MessageTooLongError,
    Prepared,
    Replaced,
    Wrote,
)
from dsvl2_runtime.engine.wire_error import WireError
from sessions import DOUBTFUL, LOADED, NOT_FINITE, SHA256, Sent, image, other_image
from windows import ask, wait_for

pytestmark = pytest.mark.gui


def answered(session: ChatSession, question: str = "What?") -> Turn:
    """A doubtful answer about a picture, after one look."""
    session.looks_again = False
    session.add_image(image())
    session.ask(question)
    turn = session.turns[-1]
    sizes = ((4, 3),)
    for event in (Prepared(turn.number, (), 90, 80, sizes), Wrote(turn.number, "38"), end_of(turn)):
        session.take(event)
    return turn


def end_of(turn: Turn) -> Finished:
    return replace(DOUBTFUL, turn=turn.number)


def conversation(session: ChatSession, qtbot: QtBot) -> TalkView:
    talk = TalkView(session)
    qtbot.addWidget(talk)
    talk.resize(600, 800)
    talk.show()
    wait_for(qtbot, lambda: [view.isVisible() for view in talk.turn_views] == [True] * len(session.turns))
    talk.refresh()
    return talk


def card(session: ChatSession, qtbot: QtBot, turn: Turn) -> TurnView:
    """In a conversation that is shown."""
    view = conversation(session, qtbot).view_of(turn)
    assert view is not None
    return view


def button(view: TurnView, words: str) -> QPushButton:
    """The one that a user finds by its words."""
    (found,) = (each for each in view.findChildren(QPushButton) if each.text() == words and each.isVisible())
    return found


def visible_buttons(view: TurnView) -> set[str]:
    return {each.text() for each in view.findChildren(QPushButton) if each.text() and each.isVisible()}


def test_looks_and_questions_are_sent_in_the_order_in_which_they_were_asked_for(
    session: ChatSession, sent: Sent
) -> None:
    """Each when the one before is over; while it waits the answer is as it was."""
    first, second = answered(session, "a"), answered(session, "b")
    session.ask("c")
    session.look_closer(second)
    session.ask("d")
    session.look_closer(first)
    third, fourth = session.turns[2:]
    assert session.queued_turns == [second, fourth, first]
    assert (second.state, second.answer, second.waits, second.can_look, second.is_told) == (
        "done",
        "38",
        True,
        False,
        True,
    )
    session.look_closer(second)
    order = []
    for _ in range(4):
        asked = session.asked_turn
        assert asked is not None
        order.append((asked, sent.asks[-1].turn, sent.asks[-1].first is not None))
        session.take(end_of(asked))
    assert order == [
        (turn, turn.number, is_look)
        for turn, is_look in ((third, False), (second, True), (fourth, False), (first, True))
    ]
    assert session.open_turn is None
    assert len(sent.asks) == 6


def test_a_look_that_waits_says_so_and_can_be_taken_back(session: ChatSession, sent: Sent, qtbot: QtBot) -> None:
    """In its card, by words and by a button of its own; the question box stays as it is."""
    turn = answered(session)
    session.ask("Another?")
    talk = conversation(session, qtbot)
    view = talk.turn_views[0]
    edited: list[Turn] = []
    talk.edit_asked.connect(edited.append)
    qtbot.mouseClick(button(view, "Look closer"), Qt.MouseButton.LeftButton)
    assert view._queue is not None
    assert view._queue.isVisible()
    assert view._queue.label.text() == "Looks closer next"
    assert "Look closer" not in visible_buttons(view)
    assert "Looks closer next" in view.accessibleName()
    qtbot.mouseClick(button(view, "Take back"), Qt.MouseButton.LeftButton)
    talk.show_turns()
    assert not view._queue.isVisible()
    assert "Look closer" in visible_buttons(view)
    assert (turn.can_look, edited, len(sent.asks)) == (True, [], 2)
    session.take(end_of(session.turns[1]))
    assert session.open_turn is None


def test_stop_all_forgets_looks_too(session: ChatSession, sent: Sent, qtbot: QtBot) -> None:
    """And leaves their answers."""
    turn = answered(session)
    session.ask("b")
    session.look_closer(turn)
    session.ask("c")
    view = card(session, qtbot, turn)
    qtbot.wait(10)  # for the layout
    assert visible_buttons(view) == {"Take back", "Stop all (2 wait)"}
    for words in visible_buttons(view):  # of which none is cut
        assert button(view, words).width() >= button(view, words).sizeHint().width()
    session.stop_all()
    assert [one.question for one in session.turns] == ["What?", "b"]
    assert (turn.state, turn.answer, turn.can_look) == ("done", "38", True)
    assert sent.stops == [1]


@pytest.mark.parametrize("how", ["loading", "off", "failed"])
def test_a_look_waits_for_the_model_and_loads_it(session: ChatSession, sent: Sent, qtbot: QtBot, how: str) -> None:
    """As a question does."""
    turn = answered(session)
    if how == "failed":
        session.engine_ended(EngineEnd("signal", 9))
    else:
        session.engine_state = "loading" if how == "loading" else "off"
    session.look_closer(turn)
    view = card(session, qtbot, turn)
    assert (session.engine_state, len(sent.starts)) == ("loading", 0 if how == "loading" else 1)
    assert view._queue is not None
    assert view._queue.label.text() == "Looks closer when the model is there"
    assert session.open_turn is turn
    session.take(LOADED)
    assert (turn.is_looking, sent.asks[-1].first is not None) == (True, True)


def test_cancelling_the_load_or_leaving_the_conversation_forgets_a_look(session: ChatSession) -> None:
    """The first answer is what it was."""
    turn = answered(session)
    for leave in (session.cancel_loading, session.new_conversation):
        session.engine_state = "loading"
        session.look_closer(turn)
        assert turn.waits
        leave()
        assert (turn.waits, turn.state, turn.can_look) == (False, "done", True)


@pytest.mark.parametrize("how", ["its error", "no model", "engine", "unreadable", "too long"])
def test_a_failed_look_says_why_and_can_be_tried_again(
    session: ChatSession, sent: Sent, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """Where the error of a question stands; the answer, how sure the model was, and later prompts are as before."""
    turn = answered(session)
    if how == "no model":
        session.engine_state = "loading"
    elif how == "too long":
        monkeypatch.setattr(sent, "send", too_long)
    session.look_closer(turn)
    if how == "its error":
        session.take(LooksAgain(turn.number, DOUBTFUL))
        session.take(Failed(turn.number, NOT_FINITE))
    elif how == "no model":
        session.take(LoadFailed(NOT_FINITE))
    elif how == "unreadable":
        session.take(Failed(turn.number, WireError("ImageError", "/bill.png: gone", 5, 422)))
    elif how == "engine":
        session.engine_ended(EngineEnd("exit", 7, last_lines=("a last line",)))
    view = card(session, qtbot, turn)
    said = {
        "its error": "not finite",
        "no model": "not finite",
        "unreadable": "gone",
        "engine": "7",
        "too long": "bytes",
    }
    assert view.error.startswith("The second look failed, the first answer stays: ")
    assert said[how] in view.error
    assert view._error is not None
    assert view._error.details.isVisible() == (how == "engine")
    assert (turn.state, turn.answer, turn.confidence, turn.is_told) == ("done", "38", 0.25, True)
    assert view.answer.toPlainText() == "38"
    assert view.doubt.endswith("(25 %)")
    assert visible_buttons(view) == {"Look closer"}
    assert view.error in texts.talk.announced_end(turn)
    assert view.error in view.accessibleName()
    monkeypatch.undo()
    session.take(LOADED)
    session.look_closer(turn)
    view.show_turn()
    assert (turn.is_looking, view.error) == (True, "")


def too_long(_command: object) -> None:
    raise MessageTooLongError(5)


def test_a_look_that_shows_nothing_else_is_said_and_offered_once(session: ChatSession, qtbot: QtBot) -> None:
    """As at a picture that cannot be enlarged: it ends with one look."""
    turn = answered(session)
    view = card(session, qtbot, turn)
    assert "larger" not in view.remark.text()
    session.look_closer(turn)
    session.take(replace(end_of(turn), seconds=9.0))
    view.show_turn()
    assert (turn.state, turn.looks, turn.can_look, turn.end) == ("done", 1, False, end_of(turn))
    assert view.remark.text().startswith("the pictures cannot be seen larger · 1 picture · ")
    assert "Look closer" not in visible_buttons(view)


def test_pictures_that_are_never_seen_larger_are_offered_no_look(session: ChatSession, qtbot: QtBot) -> None:
    """Of more than two each is one tile at any size, which is known before."""
    for number in range(2):
        session.add_image(other_image(number))
    turn = answered(session)
    turn.image_sizes = ((4, 3),) * 3
    view = card(session, qtbot, turn)
    assert (turn.can_look, turn.saw_nothing_larger) == (False, True)
    assert view.remark.text().startswith("the pictures cannot be seen larger · 3 pictures · ")
    turn.image_sizes = ((4, 3),) * 2
    assert (turn.can_look, turn.saw_nothing_larger) == (True, False)


def test_an_answer_that_is_asked_for_again_is_not_looked_at(session: ChatSession) -> None:
    """The new answer counts in its place."""
    turn = answered(session)
    session.ask("Another?")
    session.look_closer(turn)
    assert session.ask_again(turn)
    assert (turn.waits, turn.is_dropped) == (False, True)
    assert session.queued_turns == [session.turns[2]]


def test_an_answer_stays_where_it_cannot_be_asked_for_again(session: ChatSession) -> None:
    """Such as with a question that has become too long for the engine."""
    turn = answered(session)
    turn.question = "a" * LONGEST_LINE
    with pytest.raises(MessageTooLongError):
        session.ask_again(turn)
    assert (turn.is_dropped, turn.is_told, turn.can_look) == (False, True, True)


def test_an_early_answer_is_looked_at_as_a_late_one(
    session: ChatSession, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its card says how far that is, and the end of it is announced."""
    turn = answered(session)
    for _ in range(MOST_CARDS):
        session.ask("And?")
        session.take(end_of(session.turns[-1]))
    talk = TalkView(session)
    qtbot.addWidget(talk)
    talk.show()
    view = talk.show_turn(turn)
    assert view is not None
    announced: list[str] = []
    monkeypatch.setattr(talk, "announce", announced.append)
    session.look_closer(turn)
    session.take(LooksAgain(turn.number, DOUBTFUL))
    talk.refresh()
    assert view._progress is not None
    assert view._progress.step.text() == "Looking closer…"
    assert talk._progress.isActive()
    session.take(Replaced(turn.number, "47"))
    session.take(replace(end_of(turn), looks=2, confidence=0.875))
    talk.refresh()
    assert announced == ["The answer is complete: 47"]
    assert not talk._progress.isActive()


def test_a_look_that_was_stopped_can_be_asked_for_again(session: ChatSession, sent: Sent) -> None:
    """Nothing says that it had led to nothing. A stop that came too late changes nothing."""
    turn = answered(session)
    session.look_closer(turn)
    session.take(LooksAgain(turn.number, DOUBTFUL))
    session.stop()
    session.take(replace(end_of(turn), looks=2, seconds=2.0))
    assert (turn.state, turn.looks, turn.can_look, texts.second_look.looked_tip(turn)) == ("done", 1, True, "")
    session.look_closer(turn)
    assert sent.asks[-1].first == sent.asks[-2].first


def test_the_pictures_of_a_turn_that_was_given_up_are_looked_at_all_the_same(session: ChatSession, sent: Sent) -> None:
    """A later question about the same picture leaves it out of its own message, as long as the earlier one has it."""
    first, second = answered(session, "a"), answered(session, "b")
    assert (len(first.images), len(second.images)) == (1, 0)
    first.is_dropped = True
    session.look_closer(second)
    (message,) = sent.asks[-1].messages
    assert [getattr(part, "sha256", None) for part in message.content] == [SHA256, None]


def test_the_button_is_obeyed_in_a_window_where_another_question_is_answered(
    fake_window: MainWindow, qtbot: QtBot
) -> None:
    """The engine is a process; the look begins when the other answer is stopped."""
    window, session = fake_window, fake_window.session
    wait_for(qtbot, lambda: session.engine_state == "ready")
    session.add_image(image())
    ask(window, qtbot, "doubt")
    wait_for(qtbot, lambda: bool(session.turns) and session.open_turn is None)
    (turn,) = session.turns
    ask(window, qtbot, "wait")
    wait_for(qtbot, lambda: session.turns[1].state == "streaming")
    window.talk.refresh()
    view = window.talk.view_of(turn)
    assert view is not None
    qtbot.mouseClick(button(view, "Look closer"), Qt.MouseButton.LeftButton)
    assert (turn.waits, turn.is_looking) == (True, False)
    qtbot.keyClick(window.prompt.edit, Qt.Key.Key_Escape)
    wait_for(qtbot, lambda: session.open_turn is None)
    assert (session.turns[1].state, turn.answer, turn.first_answer, turn.looks) == ("stopped", "47", "38", 2)
