"""What a step of the engine, a key and the first card leave undone, because nothing of it has changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from PySide6.QtWidgets import QLabel, QStyle
from pytestqt.qtbot import QtBot

from dsvl2_app.state import session as session_module
from dsvl2_app.state.turn import Turn
from dsvl2_app.widgets import controls, status_bar, theme
from dsvl2_app.widgets.icons_ahead import ICONS, IconsAhead
from dsvl2_app.widgets.main_window import MainWindow
from dsvl2_app.widgets.picture_tools import PictureTools
from dsvl2_app.widgets.turn_view import TurnView
from dsvl2_runtime.bundle.releases import official_config
from dsvl2_runtime.engine.protocol import Finished, Measured, Progressed
from dsvl2_runtime.machine.speeds import Speeds
from sessions import LOADED, image
from windows import ask, wait_for

pytestmark = pytest.mark.gui

Count = Callable[[object, str], list[int]]


@pytest.fixture
def count(monkeypatch: pytest.MonkeyPatch) -> Count:
    """Counts the calls of a function, which goes on to work."""

    def counted(owner: object, name: str) -> list[int]:
        calls, function = list[int](), getattr(owner, name)

        def call(*arguments: object, **named: object) -> object:
            calls.append(len(calls))
            return function(*arguments, **named)

        monkeypatch.setattr(owner, name, call)
        return calls

    return counted


@pytest.fixture
def window(fake_window: MainWindow, qtbot: QtBot) -> MainWindow:
    """With a model of known sizes, a picture and an answer that comes."""
    session = fake_window.session
    wait_for(qtbot, lambda: session.engine_state == "ready")
    session.take(replace(LOADED, config=official_config("small")))
    session.add_image(image())
    ask(fake_window, qtbot, "wait")
    wait_for(qtbot, lambda: session.turns[0].state == "streaming")
    return fake_window


def test_a_step_of_the_engine_counts_nothing(window: MainWindow, count: Count) -> None:
    """Neither what the question in the box costs nor the memory; other speeds do."""
    session = window.session
    costs, readings = count(session_module, "question_cost"), count(status_bar, "memory_used")
    steps = 5
    for step in range(steps):
        session.take(Progressed("prefill", step, steps, session.turns[0].number))
    assert window.status.progress.value() == status_bar.PROGRESS_STEPS * (steps - 1) // steps
    assert (costs, readings) == ([], [])
    session.take(Measured(Speeds()))
    assert (len(costs), readings) == (1, [])
    session.take(Finished(session.turns[0].number, "stop", 3, 0.5))
    assert len(readings) == 1


def test_a_key_counts_the_question_once_and_lays_out_no_tools(window: MainWindow, qtbot: QtBot, count: Count) -> None:
    costs, layouts = count(session_module, "question_cost"), count(PictureTools, "fit_into")
    before = window.picture_pane.cost.text()
    qtbot.keyClicks(window.prompt.edit, "What is it?")
    assert len(costs) == len("What is it?")
    assert layouts == []
    assert window.picture_pane.cost.text() != before


def test_the_line_below_the_pictures_comes_and_goes_without_a_layout(window: MainWindow) -> None:
    """With its text and with the room for it."""
    pane = window.picture_pane
    assert pane.cost.isVisible()
    pane.show_cost("")
    assert not pane.cost.isVisible()
    pane.show_cost("much")
    assert pane.cost.isVisible()
    window.resize(window.width(), 300)
    assert not pane.cost.isVisible()
    pane.show_cost("more")
    assert not pane.cost.isVisible()


@pytest.mark.parametrize("choice", ["light", "dark"])
def test_the_first_card_and_the_first_doubt_find_their_icons_drawn(qtbot: QtBot, choice: theme.Choice) -> None:
    theme.apply(choice)
    theme._icon.cache_clear()
    owner = QLabel()
    qtbot.addWidget(owner)
    ahead = IconsAhead(owner)
    wait_for(qtbot, lambda: ahead.is_done)
    drawn = theme._icon.cache_info().misses
    assert drawn == len(ICONS)
    doubtful = Finished(0, "stop", 2, 0.5, confidence=0.25)
    turn = Turn(0, "What?", (image(),), "38", "done", doubtful, look_number=1)
    view = TurnView(turn)
    qtbot.addWidget(view)
    view.show_place("", 2)
    assert view.doubt
    theme.icon("square", "on_accent")
    assert theme._icon.cache_info().misses == drawn
    theme.apply("light")


class Watched(QLabel):
    """Counts how often its style is asked for, which is for polishing alone."""

    asked = 0

    def style(self) -> QStyle:
        self.asked += 1
        return super().style()


def test_a_look_that_is_there_is_not_given_again(qtbot: QtBot) -> None:
    label = Watched()
    qtbot.addWidget(label)
    controls.restyle(label, tone="error")
    polished = label.asked
    assert polished > 0
    controls.restyle(label, tone="error")
    assert label.asked == polished
    controls.restyle(label, tone="muted")
    assert label.asked == 2 * polished
