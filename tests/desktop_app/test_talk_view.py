"""The conversation as cards."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QAccessible, QAccessibleAnnouncementEvent, QAccessibleEvent, QFontMetrics, QGuiApplication
from PySide6.QtWidgets import QApplication, QPushButton, QWidget
from pytestqt.qtbot import QtBot

from dsvl2_app import texts
from dsvl2_app.state.session import ChatSession, Conversation
from dsvl2_app.state.turn import Turn
from dsvl2_app.texts.mnemonics import plain
from dsvl2_app.widgets import theme
from dsvl2_app.widgets.find_bar import FindBar
from dsvl2_app.widgets.talk_view import MOST_CARDS, TalkView
from dsvl2_app.widgets.turn_view import TurnView
from dsvl2_runtime.engine.client import EngineEnd
from dsvl2_runtime.engine.protocol import Failed, Finished, Prepared, Progressed, Wrote
from dsvl2_runtime.engine.wire_error import wire_error
from dsvl2_runtime.errors import ContextOverflowError, ImageError
from dsvl2_runtime.notices import Notice
from event_loop import LARGEST_SHARE, LONGEST_GAP, Watchdog
from sessions import image
from small_models import FIGURE
from windows import wait_for

pytestmark = pytest.mark.gui


@pytest.fixture
def talk(session: ChatSession, qtbot: QtBot) -> TalkView:
    theme.apply("light")
    made = TalkView(session)
    qtbot.addWidget(made)
    made.resize(500, 600)
    made.show()

    def show(change: str) -> None:
        if change == "turns":
            made.show_turns()
        elif change == "answer":
            made.refresh()
        elif change == "conversation":
            made.show_conversation()

    session.on_change = show
    return made


def answer(session: ChatSession, text: str) -> None:
    turn = session.asked_turn
    assert turn is not None
    session.take(Wrote(turn.number, text))
    session.take(Finished(turn.number, "stop", 5, 1.5, 0, 0.5))


def buttons(view: QWidget) -> dict[str, QPushButton]:
    found = view.findChildren(QPushButton)
    return {button.accessibleName(): button for button in found if button.isVisibleTo(view)}


def old_turns(count: int) -> tuple[Turn, ...]:
    end = Finished(0, "stop", 5, 1.5)
    return tuple(Turn(0, f"Question {number}", (), f"**Answer** {number}", "done", end) for number in range(count))


def tab_stops(talk: TalkView) -> list[QWidget]:
    return [
        child
        for child in talk.findChildren(QWidget)
        if child.focusPolicy() & Qt.FocusPolicy.TabFocus and child.isVisible()
    ]


def test_a_card_follows_its_turn(talk: TalkView, session: ChatSession) -> None:
    """Asked, step with the time left, text, figures; nothing of the progress stays."""
    session.ask("What is the total?")
    (view,) = talk.turn_views
    assert view.question.text() == "What is the total?"
    assert view._progress is not None
    assert view._progress.isVisibleTo(view)
    session.take(Wrote(0, "It is **5**"))
    answer(session, ".")
    assert view.answer.text() == "It is 5."
    assert not view._progress.isVisibleTo(view)
    assert view.remark.text() == "no picture · 5 tokens in 1.5 s · 4 tokens/s"
    assert {plain(texts.talk.copy_answer()), plain(texts.talk.ask_again()), texts.talk.more()} == set(buttons(view))


def test_questions_that_wait_say_so_and_can_be_taken_back(talk: TalkView, session: ChatSession, qtbot: QtBot) -> None:
    """The text goes back into the question box."""
    for text in ("a", "b", "c"):
        session.ask(text)
    qtbot.wait(1)
    rows = [view._queue for view in talk.turn_views[1:]]
    places = [row.label.text() for row in rows if row is not None and row.isVisibleTo(talk)]
    assert places == [texts.talk.queued(1), texts.talk.queued(2)]
    with qtbot.waitSignal(talk.edit_asked) as edited:
        buttons(talk.turn_views[1])[plain(texts.talk.take_back())].click()
    assert edited.args is not None
    assert edited.args[0].question == "b"
    assert [view.turn.question for view in talk.turn_views] == ["a", "c"]


def test_stopping_is_said_at_once(talk: TalkView, session: ChatSession) -> None:
    """In the same step of the event loop, whatever the engine is at."""
    session.ask("a")
    session.stop()
    (view,) = talk.turn_views
    assert view._progress is not None
    assert view._progress.step.text() == texts.talk.stopping()


def test_an_error_stands_in_a_bar_with_what_to_do(talk: TalkView, session: ChatSession, qtbot: QtBot) -> None:
    """Not among the figures; the question can be asked again as it was, or changed."""
    session.ask("What is it?")
    session.take(Failed(0, wire_error(ImageError("/x.png", "it is damaged", "save it again"))))
    (view,) = talk.turn_views
    assert "it is damaged" in view.error
    assert "damaged" not in view.remark.text()
    with qtbot.waitSignal(talk.edit_asked) as edited:
        buttons(view)[plain(texts.talk.edit_question())].click()
    assert edited.args == [session.turns[0]]
    buttons(view)[plain(texts.talk.ask_again())].click()
    assert [turn.question for turn in session.turns] == ["What is it?", "What is it?"]


def test_a_dead_engine_is_explained_in_its_turn(talk: TalkView, session: ChatSession) -> None:
    """With what it said last as details; what had come stays."""
    session.ask("a")
    session.take(Wrote(0, "half"))
    session.engine_ended(EngineEnd("exit", 7, last_lines=("out of paper",)))
    (view,) = talk.turn_views
    assert view.answer.text() == "half"
    assert "it ended with code 7" in view.error
    assert view._error is not None
    assert view._error.details.text() == "out of paper"


def test_a_conversation_that_is_too_long_has_its_own_choices(talk: TalkView, session: ChatSession) -> None:
    """Give up the oldest questions, or begin anew with the same pictures."""
    session.add_image(image())
    session.ask("a")
    answer(session, "1")
    session.ask("b")
    error = wire_error(ContextOverflowError(5336, 5300, 4096, earlier_turns=1))
    session.take(Failed(1, error))
    choices = buttons(talk.turn_views[1])
    assert plain(texts.talk.ask_again()) not in choices
    choices[plain(texts.talk.drop_oldest())].click()
    assert session.turns[0].is_dropped
    assert session.turns[2].question == "b"
    session.take(Failed(2, error))
    buttons(talk.turn_views[2])[plain(texts.talk.start_anew())].click()
    assert (session.turns, session.images) == ([], [image()])
    assert talk.turn_views == []


def test_one_line_for_each_kind_of_notice(talk: TalkView, session: ChatSession) -> None:
    """However many pictures it is about."""
    session.images = [image(str(number), f"{number:064x}") for number in range(4)]
    session.ask("a")
    values = {"width": 9, "height": 9, "seen_width": 3, "seen_height": 3, "most_tiled": 2}
    notices = [Notice("image.one_tile", values).of_image(number) for number in (1, 2, 3, 4)]
    session.take(Prepared(0, (*notices, Notice("image.first_page").of_image(2)), 9, 5, ((4, 3),) * 4))
    answer(session, "b")
    lines = talk.turn_views[0].remark.text().split("\n")
    assert lines == [
        "4 pictures are seen in less detail, because of more than 2 each gets one tile",
        "picture 2 has several pages; only the first one is shown",
        "4 pictures · 5 tokens in 1.5 s · 4 tokens/s",
    ]


@pytest.mark.parametrize("reason", ["length", "repetition", "timeout", "cancelled"])
def test_an_answer_that_was_cut_off_says_why(talk: TalkView, session: ChatSession, reason: str) -> None:
    session.ask("a")
    session.take(Wrote(0, "x"))
    session.take(Finished(0, reason, 5, 1.5))  # type: ignore[arg-type]
    words = {"length": "longest answer", "repetition": "in circles", "timeout": "time limit", "cancelled": "stopped"}
    assert words[reason] in talk.turn_views[0].remark.text()


def test_the_whole_conversation_is_one_stop_of_tab(talk: TalkView, session: ChatSession, qtbot: QtBot) -> None:
    """Up and down go from card to card; each has a name that tells question, answer and state."""
    for text in ("a", "b", "c"):
        session.ask(text)
        answer(session, text.upper())
    qtbot.wait(1)
    assert tab_stops(talk) == [talk.turn_views[-1]]
    assert talk.turn_views[1].accessibleName().startswith("Question: b. Answer: B. 5 tokens")
    assert talk.accessibleName()
    talk.activateWindow()
    talk.turn_views[-1].setFocus()
    wait_for(qtbot, talk.turn_views[-1].hasFocus)
    qtbot.keyClick(talk.turn_views[-1], Qt.Key.Key_Up)
    assert QApplication.focusWidget() is talk.turn_views[1]
    qtbot.keyClick(talk.turn_views[1], Qt.Key.Key_Home)
    assert QApplication.focusWidget() is talk.turn_views[0]
    assert talk.current_turn is session.turns[0]
    talk.copy_current()
    assert QGuiApplication.clipboard().text() == "A"
    QGuiApplication.clipboard().clear()
    qtbot.keyClick(talk.turn_views[0], Qt.Key.Key_Down)
    assert QApplication.focusWidget() is talk.turn_views[1]


def test_nothing_in_a_card_is_a_stop_of_its_own(talk: TalkView, session: ChatSession, qtbot: QtBot) -> None:
    """Neither the cards of a conversation that is opened, nor the buttons of folded, failed and waiting questions."""
    session.show_conversation(Conversation(turns=old_turns(3)))
    wait_for(qtbot, lambda: len(talk.turn_views) == 3)
    assert len(tab_stops(talk)) <= 1
    session.ask("word " * 3000)
    answer(session, "| a |\n|---|\n| 1 |\n\n```\ncode\n```\n")
    session.ask("b")
    session.take(Failed(1, wire_error(ImageError("/x.png", "it is damaged", "save it again"))))
    for text in ("c", "d"):
        session.ask(text)
    qtbot.wait(1)
    talk.refresh()
    names = {name for view in talk.turn_views for name in buttons(view)}
    assert {texts.talk.show_all(), plain(texts.talk.take_back()), plain(texts.talk.ask_again())} <= names
    assert tab_stops(talk) == [talk.turn_views[-1]]


def test_escape_on_a_card_stops(talk: TalkView, session: ChatSession, qtbot: QtBot) -> None:
    session.ask("a")
    qtbot.keyClick(talk.turn_views[0], Qt.Key.Key_Escape)
    assert session.turns[0].state == "stopping"


def test_a_screen_reader_hears_the_end_of_an_answer_once(
    talk: TalkView, session: ChatSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also of one that failed; not those of a conversation that is opened."""
    heard: list[str] = []

    def hear(event: QAccessibleEvent) -> None:
        assert isinstance(event, QAccessibleAnnouncementEvent)
        assert event.object() is talk
        heard.append(event.message())

    monkeypatch.setattr(QAccessible, "updateAccessibility", hear)
    session.ask("a")
    answer(session, "5")
    talk.refresh()
    session.ask("b")
    session.take(Failed(1, wire_error(ImageError("/x", "it is damaged", "save it again"))))
    session.show_conversation(Conversation(turns=old_turns(2)))
    assert len(heard) == 2
    assert heard[0] == "The answer is complete: 5"
    assert "it is damaged" in heard[1]


def test_only_the_newest_of_many_turns_have_cards(
    talk: TalkView, session: ChatSession, qtbot: QtBot, record_property: Callable[[str, object], None]
) -> None:
    """Made one after the other; a button brings earlier ones, and nothing holds up the window."""
    watchdog = Watchdog()
    session.show_conversation(Conversation(turns=old_turns(500)))
    wait_for(qtbot, lambda: len(talk.turn_views) == MOST_CARDS)
    record_property(FIGURE, watchdog.figure("a conversation of 500 turns is opened"))
    assert watchdog.longest_own < LONGEST_GAP
    assert watchdog.longest_work < LARGEST_SHARE * watchdog.work
    assert [view.turn.question for view in talk.turn_views][-2:] == ["Question 498", "Question 499"]
    bar = talk.verticalScrollBar()
    wait_for(qtbot, lambda: bar.value() == bar.maximum() > 0)
    watchdog = Watchdog()
    for width in range(500, 560, 10):
        talk.resize(width, 600)
        qtbot.wait(5)
    record_property(FIGURE, watchdog.figure("a conversation of 500 turns is resized"))
    assert watchdog.longest_own < LONGEST_GAP
    assert watchdog.longest_work < watchdog.work / 2  # of six widths
    watchdog = Watchdog()
    talk.show_earlier()
    wait_for(qtbot, lambda: len(talk.turn_views) == 2 * MOST_CARDS)
    assert talk.turn_views[0].turn.question == f"Question {500 - 2 * MOST_CARDS}"
    assert bar.value() > bar.maximum() // 3  # what was in view is below what came
    for position in range(bar.maximum(), -1, -200):
        bar.setValue(position)
        qtbot.wait(1)
    record_property(FIGURE, watchdog.figure("earlier turns are shown and scrolled through"))
    assert watchdog.longest_work < LARGEST_SHARE * watchdog.work


@pytest.mark.parametrize(("what", "rows"), [("with tables", 40), ("of one table", 400)])
def test_streaming_holds_up_nothing(
    talk: TalkView,
    session: ChatSession,
    qtbot: QtBot,
    record_property: Callable[[str, object], None],
    what: str,
    rows: int,
) -> None:
    """An answer of 2,000 tokens, as fast as they come."""
    session.on_change = lambda change: talk.show_turns() if change == "turns" else talk.refresh_soon()
    session.ask("a")
    qtbot.wait(20)
    watchdog = Watchdog()
    row = "| some words of an item | 12.50 | **total** |\n"
    for number in range(400):
        session.take(Wrote(0, "\n\n| A | B | C |\n|---|---|---|\n" if number % rows == 0 else row))
        session.take(Progressed("decode", number * 5, 2048, 0))
        qtbot.wait(1)
    session.take(Finished(0, "stop", 2000, 10.0))
    view = talk.turn_views[0].answer
    wait_for(qtbot, lambda: view._is_final and view.is_whole)
    record_property(FIGURE, watchdog.figure(f"an answer of 18 kB {what} streams"))
    assert watchdog.longest_own < LONGEST_GAP
    assert watchdog.longest_work < LARGEST_SHARE * watchdog.work


def test_a_conversation_of_long_answers_is_opened_piece_by_piece(
    talk: TalkView, session: ChatSession, qtbot: QtBot, record_property: Callable[[str, object], None]
) -> None:
    """Cards that grow above what is looked at move nothing."""
    table = "| A | B | C |\n|---|---|---|\n" + "| some words of an item | 12.50 | **total** |\n" * 200
    end = Finished(0, "stop", 5, 1.5)
    turns = tuple(Turn(0, f"Question {number}", (), table, "done", end) for number in range(12))
    watchdog = Watchdog()
    session.show_conversation(Conversation(turns=turns))
    wait_for(qtbot, lambda: len(talk.turn_views) == 12 and all(view.answer.is_whole for view in talk.turn_views))
    bar = talk.verticalScrollBar()
    wait_for(qtbot, lambda: bar.value() == bar.maximum() > 0)
    record_property(FIGURE, watchdog.figure("a conversation of twelve answers of 9 kB is opened"))
    assert watchdog.longest_work < LARGEST_SHARE * watchdog.work


def test_a_long_question_is_folded(talk: TalkView, session: ChatSession, qtbot: QtBot) -> None:
    """It would fill the conversation; all of it is one click away."""
    session.ask("word " * 3000)
    (view,) = talk.turn_views
    qtbot.wait(1)
    folded = view.question.height()
    assert folded < 200
    buttons(view)[texts.talk.show_all()].click()
    assert view.question.height() > 5 * folded
    buttons(view)[texts.talk.show_less()].click()
    assert view.question.height() == folded


def test_words_are_found_in_all_turns(talk: TalkView, session: ChatSession, qtbot: QtBot) -> None:
    """From the newest to the oldest, also where no card was yet; Escape ends it."""
    session.show_conversation(Conversation(turns=old_turns(80)))
    turns = session.turns
    turns[3].answer = "A rare **word** 😀 and a rare word"
    bar = FindBar(talk)
    qtbot.addWidget(bar)
    bar.begin()
    qtbot.keyClicks(bar.field, "RARE")
    assert bar.place.text() == "2 of 2"
    view = next(view for view in talk.turn_views if view.turn is turns[3])
    assert [mark.cursor.selectedText() for mark in view.answer.extraSelections()] == ["rare", "rare"]
    qtbot.keyClick(bar.field, Qt.Key.Key_Return)
    assert bar.place.text() == "1 of 2"
    qtbot.keyClicks(bar.field, "st")
    assert bar.place.text() == texts.find.place(0, 0)
    qtbot.keyClick(bar, Qt.Key.Key_Escape)
    assert not bar.isVisible()
    assert view.answer.extraSelections() == []


def test_the_theme_changes_what_is_there(talk: TalkView, session: ChatSession) -> None:
    session.ask("a")
    answer(session, "| a |\n|---|\n| b |")
    theme.apply("dark")
    try:
        grounds = {look.background().color().name() for look in talk.turn_views[0].answer.document().allFormats()}
        assert theme.colour("sunken").name() in grounds
    finally:
        theme.apply("light")


def test_no_line_of_an_answer_is_longer_than_can_be_followed(
    talk: TalkView, session: ChatSession, qtbot: QtBot
) -> None:
    """72 letters, however wide the window is."""
    talk.resize(1800, 400)
    session.ask("a")
    session.take(Wrote(0, "word " * 200))
    session.take(Finished(0, "stop", 200, 0.5))
    talk.refresh()
    answer = talk.turn_views[0].answer
    metrics = QFontMetrics(answer.font())
    wait_for(qtbot, lambda: talk.turn_views[0].width() > 1500)
    assert 60 * metrics.averageCharWidth() < answer.width() < 80 * metrics.averageCharWidth()


def test_a_card_names_what_is_searched_for(qtbot: QtBot) -> None:
    """The question of a task is shown in words."""
    view = TurnView(Turn(0, "the total", (), task="locate"))
    qtbot.addWidget(view)
    assert view.question.text() == "Where is: the total"
