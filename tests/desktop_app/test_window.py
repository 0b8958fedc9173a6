"""The window with its real engine process and a real, small bundle."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from dsvl2_app import texts
from dsvl2_app.state.answer_text import shown_markdown
from dsvl2_app.state.session import Change
from dsvl2_app.widgets.answer_document import answer_document
from dsvl2_app.widgets.answer_view import AnswerView
from dsvl2_app.widgets.main_window import MainWindow
from dsvl2_runtime.answers.sampling import GenerationOptions
from dsvl2_runtime.engine.client import EngineEnd
from dsvl2_runtime.engine.protocol import LONGEST_LINE, Finished
from dsvl2_runtime.engine.wire_error import WireError
from dsvl2_runtime.errors import ResourceError
from small_models import MakeBundle
from windows import PATIENCE, OpenWindow, ask, wait_for

pytestmark = pytest.mark.gui

TRY_AGAIN = "The next question tries again."


def test_stop_ends_an_answer_and_keeps_its_text(slow_window: MainWindow, qtbot: QtBot) -> None:
    """Escape while text is coming; the window is ready for the next question."""
    window = slow_window
    ask(window, qtbot, "Tell me everything.")
    turn = window.session.turns[0]
    wait_for(qtbot, lambda: turn.answer != "")
    qtbot.keyClick(window.prompt.edit, Qt.Key.Key_Escape)
    wait_for(qtbot, lambda: not turn.is_open)
    assert turn.state == "stopped"
    assert turn.answer
    assert isinstance(turn.end, Finished)
    assert turn.end.tokens > 0
    assert window.prompt.button.text() == texts.prompt.ask()
    assert window.session.can_ask("And now?")


def test_an_answer_is_shown_whole_when_the_next_question_comes_at_once(window: MainWindow, qtbot: QtBot) -> None:
    """Answers are drawn a moment late; the next question must not take that moment away."""
    wait_for(qtbot, lambda: window.session.engine_state == "ready")
    window.session.options = GenerationOptions(max_new_tokens=20)  # so that both answers fit into the context
    window.session.ask("First")

    def show_and_ask(change: Change) -> None:
        show(change)
        if change == "answer" and window.session.open_turn is None and len(window.session.turns) == 1:
            window.session.on_change = show
            window.session.ask("Second")

    show = window.session.on_change
    window.session.on_change = show_and_ask
    wait_for(qtbot, lambda: len(window.session.turns) == 2 and window.session.open_turn is None)
    answer = answer_document(shown_markdown(window.session.turns[0])).toPlainText()
    assert window.talk.turn_views[0].answer.whole_text() == answer
    assert "tokens in" in window.talk.turn_views[0].remark.text()


def test_a_killed_engine_is_replaced(slow_window: MainWindow, qtbot: QtBot) -> None:
    """The process dies in the middle: the turn says so, nothing is lost, and the next question is answered."""
    window = slow_window
    ask(window, qtbot, "First")
    turn = window.session.turns[0]
    wait_for(qtbot, lambda: turn.answer != "")
    first = window.engine.process_id
    assert first
    os.kill(first, signal.SIGTERM if sys.platform == "win32" else signal.SIGKILL)
    wait_for(qtbot, lambda: not turn.is_open)
    assert turn.state == "failed"
    assert turn.answer
    assert isinstance(turn.end, EngineEnd)
    assert turn.end.reason == "signal"
    assert window.session.engine_state == "failed"
    assert "ended" in window.note.text()
    ask(window, qtbot, "Second")
    second = window.session.turns[1]
    wait_for(qtbot, lambda: second.answer != "")
    assert turn.question == "First"
    assert window.engine.process_id not in (None, first)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="mapped files behave differently elsewhere")
def test_a_model_that_is_cut_while_it_is_used_ends_no_window(
    open_window: OpenWindow, qtbot: QtBot, folder: Path
) -> None:
    """A copy is made over a file of the bundle: the window says what happened, and goes on when the file is back."""
    window = open_window(folder)
    wait_for(qtbot, lambda: window.session.engine_state == "ready")
    weights = folder / "decoder.data"
    content = weights.read_bytes()
    os.truncate(weights, 0)
    ask(window, qtbot, "First")
    wait_for(qtbot, lambda: window.session.open_turn is None)
    end = window.session.turns[0].end
    assert isinstance(end, EngineEnd)
    assert (end.reason, end.code) == ("exit", ResourceError.exit_code)
    assert "decoder.data was cut, replaced or taken away while it was in use" in window.note.text()
    ask(window, qtbot, "Second")
    wait_for(qtbot, lambda: window.session.open_turn is None)
    error = window.session.turns[1].end
    assert isinstance(error, WireError)
    assert error.name == "ModelCorruptError"
    assert "decoder.data" in window.note.text()
    weights.write_bytes(content)
    ask(window, qtbot, "Third")
    wait_for(qtbot, lambda: window.session.open_turn is None)
    assert window.session.turns[2].state == "done", window.session.turns[2].end


def test_a_model_that_cannot_be_loaded_is_explained_and_tried_again(
    open_window: OpenWindow, qtbot: QtBot, tmp_path: Path, bundle: MakeBundle
) -> None:
    """The note names the folder and what to do; each question tries again, until the model is there."""
    folder = tmp_path / "nowhere"
    window = open_window(folder)
    wait_for(qtbot, lambda: window.session.engine_state == "failed")
    ask(window, qtbot, "Anybody there?")
    assert window.status.phase.text() == texts.engine.loading()
    wait_for(qtbot, lambda: window.session.open_turn is None)
    assert window.session.turns[0].state == "failed"
    end = window.session.turns[0].end
    assert isinstance(end, WireError)
    assert (end.name, end.values["found"]) == ("ModelNotFoundError", "no such folder")
    assert window.status.phase.text() == texts.engine.no_model()
    assert window.note.isVisible()
    for part in ("nowhere", "no such folder", TRY_AGAIN):
        assert part in window.note.text()
    shutil.copytree(bundle("small", "int4"), folder)
    ask(window, qtbot, "And now?")
    wait_for(qtbot, lambda: window.session.open_turn is None)
    assert window.session.turns[1].state == "done", window.session.turns[1].end
    assert TRY_AGAIN not in window.note.text()


def test_a_long_error_does_not_widen_the_window(open_window: OpenWindow, qtbot: QtBot, tmp_path: Path) -> None:
    """A path without a space is cut off at the edge."""
    window = open_window(tmp_path / ("folder" * 40))
    width = window.minimumSizeHint().width()
    wait_for(qtbot, lambda: window.session.engine_state == "failed")
    ask(window, qtbot, "Anybody there?")
    wait_for(qtbot, lambda: "folder" in window.talk.turn_views[0].error)
    assert window.minimumSizeHint().width() <= width
    qtbot.wait(1)  # the conversation is laid out anew
    assert window.talk.horizontalScrollBar().maximum() == 0


def test_a_question_that_is_too_long_stays_where_it_was_typed(window: MainWindow, qtbot: QtBot) -> None:
    """The status says why, the text is kept, and the window goes on."""
    text = ("x" * 80 + "\n") * (LONGEST_LINE // 80)
    window.prompt.edit.setPlainText(text)
    qtbot.keyClick(window.prompt.edit, Qt.Key.Key_Return)
    assert str(LONGEST_LINE) in window.toasts.texts()[-1]
    assert window.prompt.edit.toPlainText() == text
    window.prompt.clear()
    ask(window, qtbot, "Hello?")
    wait_for(qtbot, lambda: window.session.open_turn is None)
    assert window.session.turns[0].state == "done"


def test_modules_in_the_folder_of_the_user_are_not_imported(
    open_window: OpenWindow, qtbot: QtBot, tmp_path: Path, bundle: MakeBundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The window may be opened anywhere, also where a file has the name of a module."""
    (tmp_path / "queue.py").write_text("raise SystemExit('imported')")
    monkeypatch.chdir(tmp_path)
    window = open_window(bundle("small", "int4"))
    wait_for(qtbot, lambda: window.session.engine_state != "loading")
    assert window.session.engine_state == "ready", window.session.failure


def test_the_engine_ends_with_the_window(window: MainWindow, qtbot: QtBot) -> None:
    """No process is left behind."""
    import psutil

    wait_for(qtbot, lambda: window.session.engine_state == "ready")
    process_id = window.engine.process_id
    assert process_id is not None
    assert psutil.pid_exists(process_id)
    window.close()
    qtbot.waitUntil(lambda: not psutil.pid_exists(process_id), timeout=PATIENCE)


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="there is always a screen")
def test_without_a_screen_the_verb_says_so() -> None:
    """Qt itself would abort the process."""
    hidden = {"DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"}
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    command = [sys.executable, "-c", "from dsvl2_runtime.cli.main import main; main()", "app", "--model", "."]
    found = subprocess.run(command, capture_output=True, encoding="utf-8", env=environment, check=False)
    assert found.returncode == 2
    assert "no screen" in found.stderr


def test_text_of_the_model_is_never_markup(window: MainWindow, qtbot: QtBot) -> None:
    """Angle brackets are shown as they are."""
    ask(window, qtbot, "<b>bold</b>")
    wait_for(qtbot, lambda: window.session.open_turn is None)
    assert window.talk.turn_views[0].question.text() == "<b>bold</b>"
    answer = AnswerView()  # that of the window would still be refreshed with what the model said
    qtbot.addWidget(answer)
    for text in ("<i>total</i> and", "<i>total</i> and <img src='x'>"):  # growing takes another way than replacing
        answer.show_answer(text, is_final=False)
        wait_for(qtbot, lambda text=text: answer.text() == text)  # type: ignore[misc]
    answer.show_answer("<i>total</i> and <img src='x'>", is_final=True)
    assert answer.text() == "<i>total</i> and <img src='x'>"
