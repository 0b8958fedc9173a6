"""The line at the bottom of the window."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from pytestqt.qtbot import QtBot

from dsvl2_app import texts
from dsvl2_app.state.session import ChatSession
from dsvl2_app.state.turn import Turn
from dsvl2_app.state.usage import context_used, last_speed, memory_used
from dsvl2_app.texts.mnemonics import plain
from dsvl2_app.widgets.privacy_card import PrivacyCard
from dsvl2_app.widgets.status_bar import ENOUGH, ROOMY, StatusBar
from dsvl2_runtime.engine.protocol import Finished, Progressed
from sessions import CONTEXT, KNOWN, LOADED, Sent

pytestmark = pytest.mark.gui


def answered() -> Turn:
    end = Finished(0, "stop", 11, 2.0, first_token_seconds=1.0)
    return Turn(0, "What is it?", (), "a bill", "done", end, prompt_tokens=600, image_tokens=400)


@pytest.fixture
def session() -> ChatSession:
    made = ChatSession(Sent())
    made.engine_state, made.model = "ready", KNOWN
    return made


@pytest.fixture
def bar(qtbot: QtBot) -> StatusBar:
    made = StatusBar()
    qtbot.addWidget(made)
    made.resize(1180, 36)
    made.show()
    return made


def test_what_is_used_is_that_of_the_last_answer(session: ChatSession) -> None:
    assert context_used(session) is None
    assert last_speed(session) is None
    session.turns.append(answered())
    assert context_used(session) == (611, CONTEXT)
    assert last_speed(session) == 10.0
    session.model = LOADED
    assert context_used(session) is None


def test_memory_is_that_of_both_processes_and_of_none_that_is_gone() -> None:
    own = memory_used(os.getpid())
    assert own > 10_000_000
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        assert memory_used(os.getpid(), child.pid) > memory_used(child.pid) > 0
    finally:
        child.kill()
        child.communicate()
    assert memory_used(child.pid, None) == 0


def test_figures_stand_in_the_bar(bar: StatusBar, session: ChatSession) -> None:
    session.turns.append(answered())
    bar.show_session(session, os.getpid())
    assert bar.context.text() == f"context 611 / {CONTEXT:,}"
    assert bar.speed.text() == "10 tokens/s"
    assert bar.memory.text().startswith("memory ")
    assert bar.phase.text() == texts.engine.ready()


def test_a_question_that_was_sent_is_not_called_ready(bar: StatusBar, session: ChatSession) -> None:
    """The engine opens a large picture for seconds before it tells how far it is."""
    session.ask("What is it?")
    bar.show_session(session)
    assert bar.phase.text() == texts.engine.preparing()
    session.take(Progressed("vision", 1, 4, turn=session.turns[0].number))
    bar.show_session(session)
    assert bar.phase.text() == texts.engine.phase("vision")
    assert bar.progress.isVisible()


def test_an_idle_window_does_not_look_at_the_memory(bar: StatusBar, session: ChatSession) -> None:
    session.ask("What is it?")
    bar.show_session(session)
    assert bar.looks_at_memory
    session.take(Finished(session.turns[0].number, "stop", 3, 0.5))
    bar.show_session(session)
    assert not bar.looks_at_memory


def test_a_narrow_window_shows_fewer_figures(bar: StatusBar, session: ChatSession) -> None:
    session.turns.append(answered())
    bar.show_session(session)
    bar.resize(ROOMY - 10, 36)
    assert bar.context.isVisible()
    assert not bar.memory.isVisible()
    bar.resize(ENOUGH - 10, 36)
    assert not bar.context.isVisible()
    assert bar.shield.text() == ""
    assert bar.shield.accessibleName() == plain(texts.window.offline())
    bar.resize(ROOMY, 36)
    assert bar.memory.isVisible()


def test_the_shield_says_what_is_kept_where(bar: StatusBar, qtbot: QtBot) -> None:
    card = bar.show_privacy()
    assert isinstance(card, PrivacyCard)
    assert card.isVisible()
    assert card.accessibleName() == texts.window.offline_title()
    card.close()


def test_loading_a_model_of_nine_gigabytes_is_told_in_bytes(bar: StatusBar) -> None:
    """More bytes than 31 bits count; how long it will take comes from how long it took so far."""
    session = ChatSession(Sent())
    session.loading.clock = lambda: 20.0
    session.loading._begun = 0.0
    session.take(Progressed("load", 4_500_000_000, 9_000_000_000))
    bar.show_session(session)
    assert bar.phase.text() == "Loading 4.5 of 9.0 GB, about 20 s"
    assert bar.progress.value() * 2 == bar.progress.maximum()
