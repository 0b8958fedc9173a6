"""Images in the window: dropped, opened, pasted, refused, kept in their order."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import QMimeData, QPointF, Qt, QThreadPool, QUrl
from PySide6.QtGui import QClipboard, QDropEvent, QGuiApplication
from pytestqt.qtbot import QtBot

from dsvl2_app import texts
from dsvl2_app.widgets import image_panel
from dsvl2_app.widgets.main_window import MainWindow
from small_models import picture
from windows import ask, some_image, wait_for

pytestmark = pytest.mark.gui


def test_a_picture_is_dropped_and_a_question_answered(window: MainWindow, qtbot: QtBot, picture_file: Path) -> None:
    """Drop, type, Enter: the answer streams into the view, and the figures stand below it."""
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(picture_file))])
    no_keys, no_buttons = Qt.KeyboardModifier.NoModifier, Qt.MouseButton.NoButton
    window.dropEvent(QDropEvent(QPointF(5, 5), Qt.DropAction.CopyAction, data, no_buttons, no_keys))
    wait_for(qtbot, lambda: window.panel.list.count() == 1)
    assert window.panel.list.item(0).text() == texts.image_label("bill.png", (170, 90))

    ask(window, qtbot, "What is the total?")
    assert window.prompt.edit.toPlainText() == ""
    assert window.prompt.button.text() == texts.stop()
    wait_for(qtbot, lambda: window.session.open_turn is None)
    turn = window.session.turns[0]
    assert turn.state == "done", turn.end
    view = window.chat.turn_views[0]
    wait_for(qtbot, lambda: view.answer.text() == turn.answer)
    assert view.question.text() == "What is the total?"
    assert "1 picture" in view.remark.text()
    assert "tokens in" in view.remark.text()
    assert window.prompt.button.text() == texts.ask()
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


def test_a_broken_picture_is_refused_at_once(window: MainWindow, qtbot: QtBot, tmp_path: Path) -> None:
    """The message names the file, and the pictures stay as they were."""
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    window.open_pictures([broken])
    wait_for(qtbot, lambda: "broken.png" in window.statusBar().currentMessage())
    assert window.session.images == []


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
    wait_for(qtbot, lambda: len(window.session.images) == 1)
    picture_file.unlink()
    ask(window, qtbot, "What is it?")
    wait_for(qtbot, lambda: window.session.open_turn is None)
    assert window.session.turns[0].state == "failed"
    assert "bill.png" in texts.remark(window.session.turns[0])
    window.session.remove_image(0)
    ask(window, qtbot, "Hello?")
    wait_for(qtbot, lambda: window.session.open_turn is None)
    assert window.session.turns[1].state == "done"


def test_a_picture_is_pasted(window: MainWindow, qtbot: QtBot, clipboard: QClipboard) -> None:
    """A picture without a file is kept until the window is closed, and removed then."""
    clipboard.setImage(some_image())
    window.paste_picture()
    wait_for(qtbot, lambda: len(window.session.images) == 1)
    kept = window.session.images[0]
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
    wait_for(qtbot, lambda: len(window.session.images) == 1)
    assert window.prompt.edit.toPlainText() == ""


def test_without_a_clipboard_nothing_is_pasted(window: MainWindow, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some systems refuse to give it."""

    class NoClipboard:
        def mimeData(self) -> None:  # noqa: N802 - Qt's name
            return None

    monkeypatch.setattr(QGuiApplication, "clipboard", NoClipboard)
    window.paste_picture()
    assert window.statusBar().currentMessage() == texts.no_image_to_paste()


def test_pictures_keep_their_order(window: MainWindow, qtbot: QtBot, picture_file: Path, tmp_path: Path) -> None:
    """A large one comes before a small one that follows it; what is asked meanwhile is kept until both are there."""
    large = tmp_path / "large.png"
    picture(2400, 2400, 2).save(large)
    window.open_pictures([large, picture_file])
    ask(window, qtbot, "Which is larger?")
    assert window.session.turns == []
    assert window.statusBar().currentMessage() == texts.still_reading()
    wait_for(qtbot, lambda: not window.reader.unread)
    assert [found.path for found in window.session.images] == [large, picture_file]
    assert window.prompt.edit.toPlainText() == "Which is larger?"
    qtbot.keyClick(window.prompt.edit, Qt.Key.Key_Return)
    assert len(window.session.turns[0].images) == 2


def test_pictures_that_wait_are_given_up_with_the_window(window: MainWindow, qtbot: QtBot, tmp_path: Path) -> None:
    """Closing does not wait for more than the picture that is being read."""
    large = tmp_path / "large.png"
    picture(2400, 2400, 2).save(large)
    window.open_pictures([large] * 50)
    window.close()
    QThreadPool.globalInstance().waitForDone()
    qtbot.wait(10)  # what was read is told now
    assert window.reader.unread > 40
