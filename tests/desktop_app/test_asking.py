"""Asking in the window: what waits, what stops, what is typed and what is ready-made."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtCore import QMimeData, QPointF, Qt
from PySide6.QtGui import QDropEvent, QGuiApplication
from pytestqt.qtbot import QtBot

from dsvl2_app import texts
from dsvl2_app.state.cost import Cost
from dsvl2_app.state.examples import EXAMPLES
from dsvl2_app.state.presets import PRESETS, QUESTIONS, task_options
from dsvl2_app.state.session import ChatSession
from dsvl2_app.state.turn import Turn
from dsvl2_app.widgets.drop_zone import example_path
from dsvl2_app.widgets.main_window import MainWindow
from dsvl2_runtime.answers.sampling import GenerationOptions
from dsvl2_runtime.engine.client import EngineEnd
from dsvl2_runtime.engine.protocol import Finished, Wrote
from event_loop import LONGEST_GAP, Watchdog
from sessions import CONTEXT, KNOWN, image, other_image
from small_models import FIGURE
from windows import FAKE_ENGINE, OpenWindow, ask, some_image, wait_for

pytestmark = pytest.mark.gui

Record = Callable[[str, object], None]


@pytest.fixture
def window(fake_window: MainWindow, qtbot: QtBot) -> MainWindow:
    wait_for(qtbot, lambda: fake_window.session.engine_state == "ready")
    return fake_window


@pytest.fixture
def loading_window(open_window: OpenWindow, tmp_path: Path) -> MainWindow:
    """Its engine loads for ever."""
    return open_window(tmp_path / "slow", FAKE_ENGINE)


def press(window: MainWindow, qtbot: QtBot, key: Qt.Key) -> None:
    qtbot.keyClick(window.prompt.edit, key)


def test_a_stop_acts_also_where_the_engine_does_not_hear_it(
    window: MainWindow, qtbot: QtBot, record_property: Record
) -> None:
    """As in a long chunk of the prompt: it is said at once, the engine is started again, and the talk goes on."""
    ask(window, qtbot, "deaf")
    (turn,) = window.session.turns
    wait_for(qtbot, lambda: turn.answer == "half")
    first, watchdog = window.engine.process_id, Watchdog()
    press(window, qtbot, Qt.Key.Key_Escape)
    assert turn.state == "stopping"
    view = window.talk.turn_views[0]  # it says so in the same turn of the event loop
    assert view._progress is not None
    assert view._progress.step.text() == texts.talk.stopping()
    wait_for(qtbot, lambda: not turn.is_open)
    record_property(FIGURE, watchdog.figure("an engine that does not stop is ended"))
    assert watchdog.longest_own < LONGEST_GAP
    assert (turn.state, turn.answer, turn.end) == ("stopped", "half", EngineEnd("closed"))
    assert window.session.failure is None
    ask(window, qtbot, "And now?")
    wait_for(qtbot, lambda: window.session.turns[1].state == "done")
    assert window.session.turns[1].answer == "And now?"
    assert window.engine.process_id not in (None, first)


def test_a_stop_while_the_model_loads_acts_at_once(loading_window: MainWindow, qtbot: QtBot) -> None:
    """Nobody works for the question yet; its text can be asked again."""
    window = loading_window
    ask(window, qtbot, "What is it?")
    (turn,) = window.session.turns
    assert turn.state == "queued"
    assert window.prompt.button.text() == texts.prompt.stop()
    press(window, qtbot, Qt.Key.Key_Escape)
    assert turn.state == "stopped"
    assert window.session.engine_state == "loading"


def test_loading_can_be_cancelled(loading_window: MainWindow, qtbot: QtBot) -> None:
    """From the menu; its process is gone, and the next question begins it again."""
    window = loading_window
    wait_for(qtbot, lambda: bool(window.engine.process_id))
    cancel = next(
        action for action in window.menu("conversation").actions() if action.text() == texts.talk.cancel_loading()
    )
    cancel.trigger()
    assert (window.session.engine_state, window.engine.process_id) == ("off", None)
    ask(window, qtbot, "What is it?")
    assert window.session.engine_state == "loading"
    wait_for(qtbot, lambda: bool(window.engine.process_id))


@pytest.mark.parametrize("is_answering", [True, False])
def test_a_killed_engine_is_started_again(window: MainWindow, qtbot: QtBot, is_answering: bool) -> None:
    """In the middle of an answer and while it has nothing to do; what was said is told to the new one."""
    ask(window, qtbot, "first")
    wait_for(qtbot, lambda: window.session.turns[0].state == "done")
    if is_answering:
        ask(window, qtbot, "wait")
        wait_for(qtbot, lambda: window.session.turns[1].answer == "waiting")
    process_id = window.engine.process_id
    assert process_id
    os.kill(process_id, signal.SIGTERM if sys.platform == "win32" else signal.SIGKILL)
    wait_for(qtbot, lambda: window.session.engine_state == "failed")
    assert [turn.state for turn in window.session.turns][1:] == (["failed"] if is_answering else [])
    ask(window, qtbot, "last")
    wait_for(qtbot, lambda: window.session.turns[-1].state == "done")
    assert [turn.question for turn in window.session.turns if turn.is_told] == ["first", "last"]
    if is_answering:
        assert "ended from outside" in window.talk.turn_views[1].error


def test_enter_while_an_answer_comes_puts_the_question_behind_it(window: MainWindow, qtbot: QtBot) -> None:
    """Escape stops the answer, and what waits is asked; with something typed the button says so."""
    ask(window, qtbot, "wait")
    wait_for(qtbot, lambda: window.session.turns[0].answer == "waiting")
    window.prompt.edit.setPlainText("two")
    assert window.prompt.button.text() == texts.prompt.queue()
    press(window, qtbot, Qt.Key.Key_Return)
    assert [turn.state for turn in window.session.turns] == ["streaming", "queued"]
    assert window.prompt.text() == ""
    press(window, qtbot, Qt.Key.Key_Escape)
    wait_for(qtbot, lambda: window.session.turns[1].state == "done")
    assert window.session.turns[0].state == "stopped"


def test_a_question_that_failed_is_kept_and_can_be_changed(window: MainWindow, qtbot: QtBot) -> None:
    ask(window, qtbot, "refuse")
    wait_for(qtbot, lambda: window.session.turns[0].state == "failed")
    wait_for(qtbot, lambda: window.talk.turn_views[0].error != "")
    window.talk.turn_views[0].act("edit")
    assert window.prompt.text() == "refuse"
    window.prompt.clear()
    press(window, qtbot, Qt.Key.Key_Up)
    assert window.prompt.text() == "refuse"


def test_ready_made_questions_are_asked_by_button_and_key(window: MainWindow, qtbot: QtBot) -> None:
    """What is typed stays; without a picture nothing is asked, and it is said why."""
    window.prompt.edit.setPlainText("my own")
    window.prompt.pills["ocr"].click()
    assert window.session.turns == []
    window.session.add_image(image())
    for number, task in enumerate(PRESETS, 1):
        window.prompt.press_preset(task) if number % 2 else window.prompt.pills[task].click()
        if task in QUESTIONS:
            turn = window.session.turns[-1]
            assert (turn.task, turn.question) == (task, QUESTIONS[task])
            assert window.prompt.text() == "my own"
        else:
            assert window.prompt.task == task
            assert window.prompt.pills[task].isChecked()


def test_a_thing_to_find_and_names_of_fields_are_typed(window: MainWindow, qtbot: QtBot) -> None:
    """The pill says what the box is for; Enter asks it, and the box is for questions again. Escape gives it up."""
    window.session.add_image(image())
    window.prompt.pills["locate"].click()
    assert window.prompt.edit.placeholderText() == texts.prompt.hint("locate")
    ask(window, qtbot, "the total")
    assert (window.session.turns[0].task, window.session.turns[0].question) == ("locate", "the total")
    assert window.prompt.task == "question"
    wait_for(qtbot, lambda: not window.session.turns[0].is_open)
    window.prompt.pills["fields"].click()
    press(window, qtbot, Qt.Key.Key_Escape)
    assert window.prompt.task == "question"
    options = task_options("fields", "date, total", GenerationOptions())
    assert '"required": ["date", "total"]' in options.json_schema
    assert task_options("ocr", "", GenerationOptions()).max_new_tokens == 2048


def test_what_it_costs_stands_there_before_it_is_asked(window: MainWindow, qtbot: QtBot) -> None:
    """Tokens of the context and tiles; too many pictures are refused with the number that fits."""
    window.session.take(KNOWN)
    window.session.add_image(image())
    window.prompt.edit.setPlainText("What is it?")
    assert f"of {CONTEXT} tokens" in window.picture_pane.cost.text()
    assert window.prompt.button.isEnabled()
    for number in range(30):
        window.session.add_image(other_image(number))
    assert "31 pictures need" in window.prompt.line.text()
    assert "choose up to 19." in window.prompt.line.text()
    assert not window.prompt.button.isEnabled()
    assert window.prompt.button.toolTip() == window.prompt.line.text()
    press(window, qtbot, Qt.Key.Key_Return)
    assert (window.session.turns, window.prompt.text()) == ([], "What is it?")


def test_text_is_dropped_on_the_question_and_pictures_are_pasted_anywhere(window: MainWindow, qtbot: QtBot) -> None:
    """Whatever has the focus: a picture is added, a text goes where questions are typed."""
    data = QMimeData()
    data.setText("dropped")
    edit = window.prompt.edit
    no_keys, no_buttons = Qt.KeyboardModifier.NoModifier, Qt.MouseButton.NoButton
    edit.dropEvent(QDropEvent(QPointF(3, 3), Qt.DropAction.CopyAction, data, no_buttons, no_keys))
    assert window.prompt.text() == "dropped"
    window.activateWindow()
    window.prompt.button.setFocus()
    QGuiApplication.clipboard().setImage(some_image())
    try:
        qtbot.keyClick(window, Qt.Key.Key_V, Qt.KeyboardModifier.ControlModifier)
        wait_for(qtbot, lambda: len(window.session.images) == 1)
    finally:
        QGuiApplication.clipboard().clear()


def test_the_box_grows_with_the_question(window: MainWindow, qtbot: QtBot) -> None:
    """Shift+Enter breaks the line; a very long one scrolls."""
    low = window.prompt.edit.height()
    for _ in range(3):
        qtbot.keyClick(window.prompt.edit, Qt.Key.Key_Return, Qt.KeyboardModifier.ShiftModifier)
    assert window.prompt.edit.height() > 2 * low
    window.prompt.edit.setPlainText("line\n" * 100)
    assert window.prompt.edit.height() < 12 * low
    window.prompt.clear()
    assert window.prompt.edit.height() == low


def test_a_box_is_marked_in_answer_and_picture(window: MainWindow, qtbot: QtBot, image_file: Path) -> None:
    """The pointer on one marks the other."""
    window.add_images([image_file])
    wait_for(qtbot, lambda: len(window.session.images) == 1)
    ask(window, qtbot, "box")
    wait_for(qtbot, lambda: window.session.turns[0].state == "done")
    view = window.talk.turn_views[0]
    wait_for(qtbot, lambda: "total" in view.answer.text())
    marked: list[int | None] = []
    window.picture_pane.highlight_box = marked.append  # type: ignore[method-assign, assignment]
    view.answer.box_hovered.emit(0)
    view.answer.box_hovered.emit(None)
    assert marked == [0, None]
    window.picture_pane.box_hovered.emit(0)
    assert len(view.answer.extraSelections()) == 1
    window.picture_pane.box_hovered.emit(None)
    assert view.answer.extraSelections() == []


def test_the_demonstration_answers_and_goes_on_from_what_it_has_read(open_window: OpenWindow, qtbot: QtBot) -> None:
    """The suggested question on the suggested picture; the second question reads only itself."""
    window = open_window(Path("demo"))
    example = EXAMPLES[0]
    window.add_images([example_path(example)])
    wait_for(qtbot, lambda: len(window.session.images) == 1)
    ask(window, qtbot, example.question)
    wait_for(qtbot, lambda: not window.session.turns[0].is_open)
    assert example.answer in window.session.turns[0].answer
    ask(window, qtbot, "What is the date?")
    wait_for(qtbot, lambda: not window.session.turns[1].is_open)
    first, second = window.session.turns
    assert second.answer == "2026-05-17"
    assert isinstance(second.end, Finished)
    assert second.end.cached_tokens >= first.prompt_tokens
    wait_for(qtbot, lambda: texts.talk.from_memory() in window.talk.turn_views[1].remark.text())
    ask(window, qtbot, "Describe it.")
    press(window, qtbot, Qt.Key.Key_Escape)
    wait_for(qtbot, lambda: not window.session.turns[2].is_open)
    assert window.session.turns[2].state == "stopped"


def test_the_cost_of_the_next_question_is_not_counted_for_each_token(
    window: MainWindow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counting it looks at all pictures and turns; a token changes none of them, and the end of an answer does."""
    session = window.session
    session.take(KNOWN)
    session.add_image(image())
    session.ask("a")
    counted: list[str] = []
    count = ChatSession.cost

    def cost(counting: ChatSession, question: str = "", turn: Turn | None = None) -> Cost | None:
        counted.append(question)
        return count(counting, question, turn)

    monkeypatch.setattr(ChatSession, "cost", cost)
    number = session.turns[-1].number
    for _ in range(3):
        session.take(Wrote(number, "word "))
    assert counted == []
    session.take(Finished(number, "stop", 3, 1.0))
    assert counted
