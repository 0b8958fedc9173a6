"""Images in the window: dropped, opened, pasted, refused, kept in their order."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtCore import QMimeData, QPointF, Qt, QThread, QThreadPool, QUrl
from PySide6.QtGui import QClipboard, QDropEvent, QGuiApplication, QImage, QTextDocument
from pytestqt.qtbot import QtBot

from decoding_gate import Gate
from dsvl2_app import mime_images, texts
from dsvl2_app.state import thumbnail
from dsvl2_app.state.answer_text import shown_markdown
from dsvl2_app.widgets.answer_document import answer_document
from dsvl2_app.widgets.main_window import MainWindow
from event_loop import LONGEST_GAP, Watchdog
from small_models import FIGURE, MakeBundle, picture
from windows import PATIENCE, OpenWindow, ask, some_image, wait_for

pytestmark = pytest.mark.gui


@pytest.fixture
def window(fake_window: MainWindow) -> MainWindow:
    """What is done with pictures asks no model."""
    return fake_window


@pytest.fixture
def answering(open_window: OpenWindow, bundle: MakeBundle) -> MainWindow:
    """With a real engine, for what it says about pictures."""
    return open_window(bundle("small", "int4"))


def told(window: MainWindow) -> str:
    """What the window tells in rows over its corner."""
    return "\n".join(window.toasts.texts())


def drop(window: MainWindow, data: QMimeData) -> None:
    no_keys, no_buttons = Qt.KeyboardModifier.NoModifier, Qt.MouseButton.NoButton
    window.dropEvent(QDropEvent(QPointF(5, 5), Qt.DropAction.CopyAction, data, no_buttons, no_keys))


def test_a_picture_is_dropped_and_a_question_answered(answering: MainWindow, qtbot: QtBot, image_file: Path) -> None:
    """Drop, type, Enter: the answer streams into the view, and the figures stand below it."""
    window = answering
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(image_file))])
    drop(window, data)
    wait_for(qtbot, lambda: window.picture_pane.chips.count() == 1)
    assert window.picture_pane.chips.label(0)[0] == "bill.png"

    ask(window, qtbot, "What is the total?")
    assert window.prompt.edit.toPlainText() == ""
    assert window.prompt.button.text() == texts.prompt.stop()
    wait_for(qtbot, lambda: window.session.open_turn is None)
    turn = window.session.turns[0]
    assert turn.state == "done", turn.end
    view = window.talk.turn_views[0]
    wait_for(qtbot, lambda: "tokens in" in view.remark.text())  # answers are drawn a moment late
    assert turn.answer.strip()
    assert view.answer.whole_text() == answer_document(shown_markdown(turn)).toPlainText()
    assert view.question.text() == "What is the total?"
    assert "1 picture" in view.remark.text()
    assert window.prompt.button.text() == texts.prompt.ask()
    assert "random" in window.note.text()  # these weights are, and the window says so


def test_a_picture_that_is_scaled_down_is_named_beside_the_answer(
    answering: MainWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    """Small print may be lost, and the answer wrong for it."""
    window = answering
    path = tmp_path / "wide.png"
    picture(4000, 400, 1).save(path)
    window.add_images([path])
    wait_for(qtbot, lambda: window.picture_pane.chips.count() == 1)
    ask(window, qtbot, "What is the total?")
    remark = window.talk.turn_views[0].remark
    wait_for(qtbot, lambda: "tokens in" in remark.text())
    first, second = remark.text().split("\n")
    assert "has 4000x400 pixels, but the model sees it at" in first
    assert "1 picture" in second


def test_a_scan_of_two_pages_is_a_document(answering: MainWindow, qtbot: QtBot, tmp_path: Path) -> None:
    """Both pages are there to be asked about; neither is lost without a word."""
    window = answering
    path = tmp_path / "scan.tif"
    picture(60, 60, 1).save(path, save_all=True, append_images=[picture(60, 60, 2)])
    wait_for(qtbot, lambda: window.session.engine_state == "ready")
    window.add_images([path])
    wait_for(qtbot, lambda: window.picture_pane.strip.document is not None)
    wait_for(qtbot, lambda: not window.reader.unread)
    assert window.picture_pane.strip.list.count() == 2
    assert [image.page for image in window.session.images] == [1, 2]


@pytest.mark.skipif(sys.platform == "win32", reason="such names are not allowed there")
def test_the_name_of_a_file_is_never_markup(window: MainWindow, qtbot: QtBot, tmp_path: Path) -> None:
    """Qt would take it for rich text in a tip, and load what it names."""
    path = tmp_path / "<b>bill<b>.png"
    picture(60, 60, 1).save(path)
    window.add_images([path])
    wait_for(qtbot, lambda: window.picture_pane.chips.count() == 1)
    shown = QTextDocument()
    shown.setHtml(window.picture_pane.chips.item(0).toolTip())
    assert shown.toPlainText().startswith(str(path))
    assert window.picture_pane.chips.label(0)[0] == path.name


def test_a_broken_picture_is_refused_at_once(window: MainWindow, qtbot: QtBot, tmp_path: Path) -> None:
    """The message names the file, and the pictures stay as they were."""
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    window.add_images([broken])
    wait_for(qtbot, lambda: "broken.png" in told(window))
    assert window.session.images == []


def test_no_error_of_a_picture_holds_up_questions(
    window: MainWindow, qtbot: QtBot, image_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that nobody foresaw is told like the others, and the window goes on."""

    def fail(path: Path) -> None:
        raise KeyError

    monkeypatch.setattr(thumbnail, "decode_image", fail)
    window.add_images([image_file])
    wait_for(qtbot, lambda: not window.reader.unread)
    assert "KeyError" in told(window)
    ask(window, qtbot, "Hello?")
    wait_for(qtbot, lambda: window.session.open_turn is None)
    assert window.session.turns[0].state == "done"


@pytest.mark.parametrize("fate", ["deleted", "overwritten"])
def test_a_question_is_about_what_was_added(window: MainWindow, qtbot: QtBot, image_file: Path, fate: str) -> None:
    """Whatever becomes of the file: the engine reads the content that the window shows."""
    window.add_images([image_file])
    wait_for(qtbot, lambda: len(window.session.images) == 1)
    if fate == "deleted":
        image_file.unlink()
    else:
        image_file.write_bytes(b"no picture any more")
    ask(window, qtbot, "What is it?")
    wait_for(qtbot, lambda: window.session.open_turn is None)
    assert window.session.turns[0].state == "done", window.session.turns[0].end


def test_a_file_that_changed_is_another_picture(window: MainWindow, qtbot: QtBot, image_file: Path) -> None:
    """Dropped again it comes in beside the first; dropped without a change it does not."""
    window.add_images([image_file])
    wait_for(qtbot, lambda: len(window.session.images) == 1)
    picture(60, 60, 2).save(image_file)
    window.add_images([image_file, image_file])
    wait_for(qtbot, lambda: not window.reader.unread)
    assert [image.size for image in window.session.images] == [(170, 90), (60, 60)]
    labels = [window.picture_pane.chips.label(row) for row in range(window.picture_pane.chips.count())]
    assert labels == [("bill.png", "170 × 90"), ("bill.png", "60 × 60")]


def test_content_that_was_tampered_with_fails_its_own_question(
    answering: MainWindow, qtbot: QtBot, image_file: Path
) -> None:
    """The engine says why, by the name that the user knows, stays alive, and the next question works."""
    window = answering
    window.add_images([image_file])
    wait_for(qtbot, lambda: len(window.session.images) == 1)
    picture(60, 60, 2).save(window.session.images[0].content.path, "PNG")
    ask(window, qtbot, "What is it?")
    wait_for(qtbot, lambda: window.session.open_turn is None)
    turn = window.session.turns[0]
    assert turn.state == "failed"
    assert f"picture {image_file}: its content is not what was added" in texts.talk.turn_end(turn.end)
    window.session.set_images([])
    ask(window, qtbot, "Hello?")
    wait_for(qtbot, lambda: window.session.open_turn is None)
    assert window.session.turns[1].state == "done"


def test_a_picture_is_pasted(window: MainWindow, qtbot: QtBot, clipboard: QClipboard) -> None:
    """A picture without a file is kept until the window is closed, and deleted then."""
    clipboard.setImage(some_image())
    window.paste_images()
    wait_for(qtbot, lambda: len(window.session.images) == 1)
    kept = window.session.images[0]
    assert (kept.name, kept.size) == (texts.pictures.pasted_image(1), (40, 30))
    assert kept.content.path.is_file()
    window.close()
    wait_for(qtbot, lambda: not kept.content.path.parent.parent.exists())


def test_a_pasted_picture_is_written_by_another_thread(
    window: MainWindow, qtbot: QtBot, clipboard: QClipboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Making a file of a large photograph takes seconds."""
    threads: list[threading.Thread] = []
    write = mime_images.write_image

    def told(image: QImage, name: str, path: Path) -> None:
        threads.append(threading.current_thread())
        write(image, name, path)

    monkeypatch.setattr(mime_images, "write_image", told)
    clipboard.setImage(some_image())
    window.paste_images()
    wait_for(qtbot, lambda: len(window.session.images) == 1)
    assert len(threads) == 1
    assert threads[0] is not threading.main_thread()


def test_an_address_is_refused_with_the_reason(window: MainWindow, qtbot: QtBot) -> None:
    """A link of a browser is dropped; nothing is downloaded, and the window says so."""
    data = QMimeData()
    data.setUrls([QUrl("https://example.org/bill.png")])
    drop(window, data)
    assert "https://example.org/bill.png" in told(window)
    assert "nothing is downloaded" in told(window)
    assert window.reader.unread == 0


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
    assert told(window) == ""


@pytest.mark.parametrize("kind", ["file", "image"])
def test_a_picture_is_pasted_where_text_is_typed(
    window: MainWindow, qtbot: QtBot, clipboard: QClipboard, image_file: Path, kind: str
) -> None:
    """Files of pictures, which file managers accompany with their paths, and an image alone."""
    data = QMimeData()
    if kind == "file":
        data.setUrls([QUrl.fromLocalFile(str(image_file))])
        data.setText(str(image_file))
    else:
        data.setImageData(some_image())
    clipboard.setMimeData(data)
    qtbot.keyClick(window.prompt.edit, Qt.Key.Key_V, Qt.KeyboardModifier.ControlModifier)
    wait_for(qtbot, lambda: len(window.session.images) == 1)
    assert window.prompt.edit.toPlainText() == ""


def test_without_a_clipboard_nothing_is_pasted(window: MainWindow, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some systems refuse to give it."""

    class NoClipboard:
        def mimeData(self) -> None:  # noqa: N802 - Qt's name
            return None

    monkeypatch.setattr(QGuiApplication, "clipboard", NoClipboard)
    window.paste_images()
    assert told(window) == texts.pictures.no_image_to_paste()


def test_pictures_keep_their_order(
    window: MainWindow, qtbot: QtBot, image_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slow one comes before a quick one that follows it; what is asked meanwhile is asked when both are there."""
    gate = Gate(monkeypatch)
    slow = tmp_path / "slow.png"
    picture(60, 60, 2).save(slow)
    window.add_images([slow, image_file])
    assert gate.reached.wait(PATIENCE / 1000)
    ask(window, qtbot, "Which is larger?")
    assert window.session.turns == []
    assert window.prompt.text() == ""
    assert window.prompt.line.text() == texts.prompt.is_reading()
    assert window.prompt.button.text() == texts.prompt.stop()
    gate.open()
    wait_for(qtbot, lambda: not window.reader.unread)
    assert [image.name for image in window.session.images] == [str(slow), str(image_file)]
    (turn,) = window.session.turns
    assert (turn.question, len(turn.images)) == ("Which is larger?", 2)
    assert window.prompt.line.text() == ""


def test_a_question_that_waits_for_its_picture_can_be_taken_back(
    window: MainWindow, qtbot: QtBot, image_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Escape puts it back into the box."""
    gate = Gate(monkeypatch)
    window.add_images([image_file])
    assert gate.reached.wait(PATIENCE / 1000)
    ask(window, qtbot, "What is it?")
    qtbot.keyClick(window.prompt.edit, Qt.Key.Key_Escape)
    assert window.prompt.text() == "What is it?"
    gate.open()
    wait_for(qtbot, lambda: not window.reader.unread)
    assert window.session.turns == []


def test_closing_does_not_wait_for_a_picture(
    answering: MainWindow,
    qtbot: QtBot,
    image_file: Path,
    monkeypatch: pytest.MonkeyPatch,
    record_property: Callable[[str, object], None],
) -> None:
    """One that is being decoded may take seconds; those that wait are given up."""
    window = answering
    gate = Gate(monkeypatch)
    window.add_images([image_file] * 50)
    assert gate.reached.wait(PATIENCE / 1000)
    wait_for(qtbot, lambda: window.session.engine_state == "ready")
    watchdog = Watchdog()
    window.close()
    qtbot.wait(50)
    assert watchdog.longest_own < LONGEST_GAP
    record_property(FIGURE, watchdog.figure("a window that loaded a model and reads a picture is closed"))
    gate.open()
    window.reader.wait_until_gone(PATIENCE / 1000)
    qtbot.wait(10)  # what was read is told now
    assert window.reader.unread == 49


def test_the_threads_of_the_application_are_left_alone(window: MainWindow) -> None:
    """The pool is Qt's and everybody's; a widget must not make it a single thread."""
    assert QThreadPool.globalInstance().maxThreadCount() == QThread.idealThreadCount()
