"""The window with its real engine process and a real, small bundle."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QMimeData, QPointF, Qt, QThreadPool, QUrl
from PySide6.QtGui import QClipboard, QDropEvent, QGuiApplication, QImage
from pytestqt.qtbot import QtBot

from dsvl2_app import texts
from dsvl2_app.engine_client import Engine
from dsvl2_app.widgets import image_panel
from dsvl2_app.widgets.main_window import MainWindow
from dsvl2_runtime.engine.protocol import LONGEST_LINE, Load
from small_models import MakeBundle, picture

pytestmark = pytest.mark.gui

PATIENCE = 60_000
"""Milliseconds: nothing here takes more than a few seconds on an idle machine."""

OpenWindow = Callable[[Path], MainWindow]


@pytest.fixture
def open_window(qtbot: QtBot) -> Iterator[OpenWindow]:
    """Opens windows and closes them at the end."""
    windows: list[MainWindow] = []

    def make(model: Path) -> MainWindow:
        window = MainWindow(Engine(Load(str(model), 1)))
        windows.append(window)
        qtbot.addWidget(window)
        window.show()
        return window

    yield make
    for window in windows:
        window.close()


@pytest.fixture
def window(open_window: OpenWindow, bundle: MakeBundle) -> MainWindow:
    return open_window(bundle("small", "int4"))


@pytest.fixture
def picture_file(tmp_path: Path) -> Path:
    path = tmp_path / "bill.png"
    picture(170, 90, 1).save(path)
    return path


@pytest.fixture
def clipboard(window: MainWindow) -> Iterator[QClipboard]:
    """Empty afterwards: what it held is deleted before Qt ends."""
    yield QGuiApplication.clipboard()
    QGuiApplication.clipboard().clear()


def ask(window: MainWindow, qtbot: QtBot, question: str) -> None:
    """As a user: type, then press Enter."""
    window.prompt.edit.setFocus()
    qtbot.keyClicks(window.prompt.edit, question)
    qtbot.keyClick(window.prompt.edit, Qt.Key.Key_Return)


def wait_for(qtbot: QtBot, condition: Callable[[], bool]) -> None:
    qtbot.waitUntil(condition, timeout=PATIENCE)


def some_image() -> QImage:
    image = QImage(40, 30, QImage.Format.Format_RGB32)
    image.fill(Qt.GlobalColor.blue)
    return image


def test_a_picture_is_dropped_and_a_question_answered(window: MainWindow, qtbot: QtBot, picture_file: Path) -> None:
    """Drop, type, Enter: the answer streams into the view, and the figures stand below it."""
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(picture_file))])
    no_keys, no_buttons = Qt.KeyboardModifier.NoModifier, Qt.MouseButton.NoButton
    window.dropEvent(QDropEvent(QPointF(5, 5), Qt.DropAction.CopyAction, data, no_buttons, no_keys))
    wait_for(qtbot, lambda: window.panel.list.count() == 1)
    assert window.panel.list.item(0).text() == texts.picture_label("bill.png", (170, 90))

    ask(window, qtbot, "What is the total?")
    assert window.prompt.edit.toPlainText() == ""
    assert window.prompt.button.text() == texts.STOP
    wait_for(qtbot, lambda: window.session.open_turn is None)
    turn = window.session.turns[0]
    assert turn.state == "done", turn.remark
    view = window.chat.turn_views[0]
    wait_for(qtbot, lambda: view.answer.text() == turn.answer)
    assert view.question.text() == "What is the total?"
    assert "1 picture" in view.remark.text()
    assert "tokens in" in view.remark.text()
    assert window.prompt.button.text() == texts.ASK
    assert "random" in window.note.text()  # these weights are, and the window says so


def test_a_picture_that_is_scaled_down_is_named_beside_the_answer(
    window: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    """Small print may be lost, and the answer wrong for it."""
    path = tmp_path / "wide.png"
    picture(4000, 400, 1).save(path)
    window.open_pictures([path])
    wait_for(qtbot, lambda: window.panel.list.count() == 1)
    ask(window, qtbot, "What is the total?")
    wait_for(qtbot, lambda: window.session.open_turn is None)
    first, second = window.chat.turn_views[0].remark.text().split("\n")
    assert "has 4000x400 pixels, but the model sees it at" in first
    assert "1 picture" in second


def test_stop_ends_an_answer_and_keeps_its_text(window: MainWindow, qtbot: QtBot) -> None:
    """Escape while text is coming; the window is ready for the next question."""
    ask(window, qtbot, "Tell me everything.")
    turn = window.session.turns[0]
    wait_for(qtbot, lambda: turn.state != "waiting")
    qtbot.keyClick(window.prompt.edit, Qt.Key.Key_Escape)
    wait_for(qtbot, lambda: not turn.is_open)
    # A small model may have ended by itself in the meantime; it must not have failed, and its text must be there.
    assert turn.state in ("stopped", "done")
    assert turn.answer
    ask(window, qtbot, "And now?")
    wait_for(qtbot, lambda: len(window.session.turns) == 2 and window.session.open_turn is None)
    assert window.session.turns[1].state == "done"


def test_an_answer_is_shown_whole_when_the_next_question_comes_at_once(window: MainWindow, qtbot: QtBot) -> None:
    """Answers are drawn a moment late; the next question must not take that moment away."""
    wait_for(qtbot, lambda: window.session.engine_state == "ready")
    window.session.ask("First")

    def ask_at_once(part: str) -> None:
        if part == "answer" and window.session.open_turn is None and len(window.session.turns) == 1:
            window.session.on_change = show
            window.session.ask("Second")

    show = window.session.on_change
    window.session.on_change = lambda part: (show(part), ask_at_once(part))[0]
    wait_for(qtbot, lambda: len(window.session.turns) == 2 and window.session.open_turn is None)
    answer = window.session.turns[0].answer.replace("\r", "\n").replace("\xa0", " ")  # as Qt shows them
    assert window.chat.turn_views[0].answer.text() == answer
    assert "tokens in" in window.chat.turn_views[0].remark.text()


def test_a_killed_engine_is_replaced(window: MainWindow, qtbot: QtBot) -> None:
    """The process dies in the middle: the turn says so, nothing is lost, and the next question is answered."""
    wait_for(qtbot, lambda: window.session.engine_state == "ready")
    first = window.engine.process_id
    assert first
    ask(window, qtbot, "First")
    os.kill(first, signal.SIGTERM if sys.platform == "win32" else signal.SIGKILL)
    wait_for(qtbot, lambda: window.session.open_turn is None)
    turn = window.session.turns[0]
    if turn.state == "failed":  # unless the answer was quicker than the signal
        assert turn.remark == texts.ANSWER_LOST
    wait_for(qtbot, lambda: window.session.engine_state == "failed")
    ask(window, qtbot, "Second")
    wait_for(qtbot, lambda: window.session.open_turn is None)
    assert window.session.turns[1].state == "done", window.session.turns[1].remark
    assert window.session.turns[0].question == "First"
    assert window.engine.process_id not in (None, first)


def test_a_model_that_cannot_be_loaded_is_explained_and_tried_again(
    open_window: OpenWindow, qtbot: QtBot, tmp_path: Path, bundle: MakeBundle
) -> None:
    """The note names the folder and what to do; each question tries again, until the model is there."""
    folder = tmp_path / "nowhere"
    window = open_window(folder)
    wait_for(qtbot, lambda: window.session.engine_state == "failed")
    ask(window, qtbot, "Anybody there?")
    assert window.phase.text() == texts.loading()
    wait_for(qtbot, lambda: window.session.open_turn is None)
    assert window.session.turns[0].state == "failed"
    assert "no such folder" in window.session.turns[0].remark
    assert window.phase.text() == texts.NO_MODEL
    assert window.note.isVisible()
    for part in ("nowhere", "no such folder", texts.TRY_AGAIN):
        assert part in window.note.text()
    shutil.copytree(bundle("small", "int4"), folder)
    ask(window, qtbot, "And now?")
    wait_for(qtbot, lambda: window.session.open_turn is None)
    assert window.session.turns[1].state == "done", window.session.turns[1].remark
    assert texts.TRY_AGAIN not in window.note.text()


def test_a_long_error_does_not_widen_the_window(open_window: OpenWindow, qtbot: QtBot, tmp_path: Path) -> None:
    """A path without a space is cut off at the edge."""
    window = open_window(tmp_path / ("folder" * 40))
    width = window.minimumSizeHint().width()
    wait_for(qtbot, lambda: window.session.engine_state == "failed")
    ask(window, qtbot, "Anybody there?")
    wait_for(qtbot, lambda: "folder" in window.chat.turn_views[0].remark.text())
    assert window.minimumSizeHint().width() <= width
    qtbot.wait(1)  # the conversation is laid out anew
    assert window.chat.horizontalScrollBar().maximum() == 0


def test_a_question_that_is_too_long_stays_where_it_was_typed(window: MainWindow, qtbot: QtBot) -> None:
    """The status says why, the text is kept, and the window goes on."""
    text = ("x" * 80 + "\n") * (LONGEST_LINE // 80)
    window.prompt.edit.setPlainText(text)
    qtbot.keyClick(window.prompt.edit, Qt.Key.Key_Return)
    assert str(LONGEST_LINE) in window.statusBar().currentMessage()
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
    assert window.session.engine_state == "ready", window.session.error


def test_a_broken_picture_is_refused_at_once(window: MainWindow, qtbot: QtBot, tmp_path: Path) -> None:
    """The message names the file, and the pictures stay as they were."""
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    window.open_pictures([broken])
    wait_for(qtbot, lambda: "broken.png" in window.statusBar().currentMessage())
    assert window.session.pictures == []


def test_no_error_of_a_picture_holds_up_questions(
    window: MainWindow, qtbot: QtBot, picture_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that nobody foresaw is told like the others, and the window goes on."""

    def fail(path: Path) -> None:
        raise MemoryError

    monkeypatch.setattr(image_panel, "read_picture", fail)
    window.open_pictures([picture_file])
    wait_for(qtbot, lambda: not window.reader.unread)
    assert "MemoryError" in window.statusBar().currentMessage()
    ask(window, qtbot, "Hello?")
    wait_for(qtbot, lambda: window.session.open_turn is None)
    assert window.session.turns[0].state == "done"


def test_a_picture_that_vanishes_fails_its_own_question(window: MainWindow, qtbot: QtBot, picture_file: Path) -> None:
    """The engine says why, stays alive, and the next question works."""
    window.open_pictures([picture_file])
    wait_for(qtbot, lambda: len(window.session.pictures) == 1)
    picture_file.unlink()
    ask(window, qtbot, "What is it?")
    wait_for(qtbot, lambda: window.session.open_turn is None)
    assert window.session.turns[0].state == "failed"
    assert "bill.png" in window.session.turns[0].remark
    window.session.remove_picture(0)
    ask(window, qtbot, "Hello?")
    wait_for(qtbot, lambda: window.session.open_turn is None)
    assert window.session.turns[1].state == "done"


def test_a_picture_is_pasted(window: MainWindow, qtbot: QtBot, clipboard: QClipboard) -> None:
    """A picture without a file is kept until the window is closed, and removed then."""
    clipboard.setImage(some_image())
    window.paste_picture()
    wait_for(qtbot, lambda: len(window.session.pictures) == 1)
    kept = window.session.pictures[0]
    assert kept.size == (40, 30)
    assert kept.path.is_file()
    window.close()
    assert not kept.path.exists()


@pytest.mark.parametrize("kind", ["link", "cells", "other files"])
def test_text_is_pasted_as_text(window: MainWindow, qtbot: QtBot, clipboard: QClipboard, kind: str) -> None:
    """A link, cells that come as text and as an image of them, and files that are no pictures."""
    data = QMimeData()
    if kind == "link":
        data.setUrls([QUrl("https://example.org/bill.png")])
        data.setText("https://example.org/bill.png")
    elif kind == "cells":
        data.setText("1\t2")
        data.setImageData(some_image())
    else:
        data.setUrls([QUrl.fromLocalFile("/notes.txt")])
        data.setText("/notes.txt")
    text = data.text()
    clipboard.setMimeData(data)
    qtbot.keyClick(window.prompt.edit, Qt.Key.Key_V, Qt.KeyboardModifier.ControlModifier)
    assert window.prompt.edit.toPlainText() == text
    assert window.reader.unread == 0
    assert window.statusBar().currentMessage() == ""


@pytest.mark.parametrize("kind", ["file", "image"])
def test_a_picture_is_pasted_where_text_is_typed(
    window: MainWindow, qtbot: QtBot, clipboard: QClipboard, picture_file: Path, kind: str
) -> None:
    """Files of pictures, which file managers accompany with their paths, and an image alone."""
    data = QMimeData()
    if kind == "file":
        data.setUrls([QUrl.fromLocalFile(str(picture_file))])
        data.setText(str(picture_file))
    else:
        data.setImageData(some_image())
    clipboard.setMimeData(data)
    qtbot.keyClick(window.prompt.edit, Qt.Key.Key_V, Qt.KeyboardModifier.ControlModifier)
    wait_for(qtbot, lambda: len(window.session.pictures) == 1)
    assert window.prompt.edit.toPlainText() == ""


def test_without_a_clipboard_nothing_is_pasted(window: MainWindow, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some systems refuse to give it."""

    class NoClipboard:
        def mimeData(self) -> None:  # noqa: N802 - Qt's name
            return None

    monkeypatch.setattr(QGuiApplication, "clipboard", NoClipboard)
    window.paste_picture()
    assert window.statusBar().currentMessage() == texts.NO_PICTURE_TO_PASTE


def test_pictures_keep_their_order(window: MainWindow, qtbot: QtBot, picture_file: Path, tmp_path: Path) -> None:
    """A large one comes before a small one that follows it; what is asked meanwhile is kept until both are there."""
    large = tmp_path / "large.png"
    picture(2400, 2400, 2).save(large)
    window.open_pictures([large, picture_file])
    ask(window, qtbot, "Which is larger?")
    assert window.session.turns == []
    assert window.statusBar().currentMessage() == texts.STILL_READING
    wait_for(qtbot, lambda: not window.reader.unread)
    assert [found.path for found in window.session.pictures] == [large, picture_file]
    assert window.prompt.edit.toPlainText() == "Which is larger?"
    qtbot.keyClick(window.prompt.edit, Qt.Key.Key_Return)
    assert len(window.session.turns[0].pictures) == 2


def test_pictures_that_wait_are_given_up_with_the_window(window: MainWindow, qtbot: QtBot, tmp_path: Path) -> None:
    """Closing does not wait for more than the picture that is being read."""
    large = tmp_path / "large.png"
    picture(2400, 2400, 2).save(large)
    window.open_pictures([large] * 50)
    window.close()
    QThreadPool.globalInstance().waitForDone()
    qtbot.wait(10)  # what was read is told now
    assert window.reader.unread > 40


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
    found = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert found.returncode == 2
    assert "no screen" in found.stderr


def test_text_of_the_model_is_never_markup(window: MainWindow, qtbot: QtBot) -> None:
    """Angle brackets are shown as they are."""
    ask(window, qtbot, "<b>bold</b>")
    wait_for(qtbot, lambda: window.session.open_turn is None)
    view = window.chat.turn_views[0]
    assert view.question.text() == "<b>bold</b>"
    view.answer.set_text("<i>total</i> &amp; more")
    view.answer.set_text("<i>total</i> &amp; more <img src='x'>")  # growing takes another way than replacing
    assert view.answer.text() == "<i>total</i> &amp; more <img src='x'>"
