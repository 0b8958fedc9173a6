"""A PDF with a password: it is asked for, a wrong one can be mended, and nothing but the memory has it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLineEdit
from pytestqt.qtbot import QtBot

from dsvl2_app import texts
from dsvl2_app.history_client import History
from dsvl2_app.state.document import Document, LockedDocument, opened_document, write_page
from dsvl2_app.state.intake import Unlocking
from dsvl2_app.state.opening import Opening
from dsvl2_app.widgets.capture_flow import CaptureFlow
from dsvl2_app.widgets.keeping import Keeping
from dsvl2_app.widgets.main_window import MainWindow
from dsvl2_app.widgets.opener import Opener
from dsvl2_app.widgets.password_dialog import PasswordDialog
from dsvl2_runtime.engine.image_store import KeptImage
from dsvl2_runtime.inputs.images import decode_image
from own_pdfs import locked_pdf
from small_models import picture
from windows import FAKE_ENGINE, PATIENCE, OpenWindow, ask, wait_for

pytestmark = pytest.mark.gui

PASSWORD = "open sesame 4711"  # noqa: S105 - of a file that is made here


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "secret.pdf"
    path.write_bytes(locked_pdf(PASSWORD, [(72, 144)] * 3))
    return path


@pytest.fixture
def window(fake_window: MainWindow, qtbot: QtBot) -> MainWindow:
    wait_for(qtbot, lambda: fake_window.session.engine_state == "ready")
    return fake_window


def dialog(window: MainWindow, qtbot: QtBot) -> PasswordDialog:
    """The one that asks, ready to be typed into."""
    wait_for(qtbot, lambda: window.passwords.dialog is not None and window.passwords.dialog.field.isEnabled())
    assert window.passwords.dialog is not None
    return window.passwords.dialog


def type_password(shown: PasswordDialog, qtbot: QtBot, password: str) -> None:
    qtbot.keyClicks(shown.field, password)
    qtbot.keyClick(shown.field, Qt.Key.Key_Return)


def test_a_locked_document_is_told_from_a_damaged_one(secret: Path) -> None:
    """A password that no PDF can have is a wrong one."""
    content = KeptImage(secret, "0" * 64)
    assert opened_document("a", content) == LockedDocument("a", content)
    for wrong in ("", "4711", "a\0b", "\ud800"):
        assert opened_document("a", content, wrong) == LockedDocument("a", content, was_refused=True)
    opened = opened_document("a", content, PASSWORD)
    assert opened == Document("a", content, 3, PASSWORD)
    assert PASSWORD not in repr(opened)
    assert PASSWORD not in repr(Unlocking(LockedDocument("a", content), PASSWORD))


def test_a_page_of_an_unlocked_document_becomes_a_picture(secret: Path, tmp_path: Path) -> None:
    out = tmp_path / "page"
    write_page(Document("secret", KeptImage(secret, "0" * 64), 3, PASSWORD), 2, out)
    assert decode_image(out).size == (200, 400)


def test_the_password_opens_the_document(window: MainWindow, qtbot: QtBot, secret: Path) -> None:
    """Typed where nobody can read it; the strip draws its pages, and the chosen ones are pictures."""
    window.add_images([secret])
    shown = dialog(window, qtbot)
    assert shown.field.echoMode() == QLineEdit.EchoMode.Password
    assert not shown.unlock.isEnabled()
    type_password(shown, qtbot, PASSWORD)
    strip = window.picture_pane.strip
    wait_for(qtbot, lambda: len(window.session.images) > 0 and not window.reader.unread)
    assert window.passwords.dialog is None
    assert strip.list.count() == 3
    assert {image.page for image in window.session.images} == set(strip.chosen())

    def colour() -> str:
        return strip.list.item(2).icon().pixmap(84, 112).toImage().pixelColor(40, 56).name()

    wait_for(qtbot, lambda: colour() == "#0000ff")  # as `own_pdfs` draws the third page
    assert window.toasts.texts() == []


def test_a_wrong_password_is_said_and_can_be_mended(window: MainWindow, qtbot: QtBot, secret: Path) -> None:
    window.add_images([secret])
    shown = dialog(window, qtbot)
    type_password(shown, qtbot, "4711")
    wait_for(qtbot, lambda: shown.note.text() == texts.password.is_wrong())
    assert dialog(window, qtbot) is shown
    assert shown.field.text() == ""
    type_password(shown, qtbot, PASSWORD)
    wait_for(qtbot, lambda: window.picture_pane.strip.document is not None)


@pytest.mark.parametrize("while_trying", [False, True])
def test_without_a_password_nothing_is_left(window: MainWindow, qtbot: QtBot, secret: Path, while_trying: bool) -> None:
    """Also where the password that is being tried is the right one."""
    window.add_images([secret])
    shown = dialog(window, qtbot)
    if while_trying:
        type_password(shown, qtbot, PASSWORD)
    shown.cancel.click()
    assert shown.field.text() == ""
    window.add_images([secret.with_name("missing.png")])  # is told after whatever came of the password
    wait_for(qtbot, lambda: len(window.toasts.texts()) == 1)
    assert "missing.png" in window.toasts.texts()[0]
    assert window.passwords.dialog is None
    assert (window.session.images, window.reader.unread) == ([], 0)
    assert window.picture_pane.strip.document is None


def test_two_locked_documents_are_asked_for_one_after_the_other(
    window: MainWindow, qtbot: QtBot, secret: Path, tmp_path: Path
) -> None:
    """What is dropped with them comes in meanwhile."""
    other, image = tmp_path / "other.pdf", tmp_path / "a.png"
    other.write_bytes(locked_pdf("other", [(72, 72)]))
    picture(60, 60, 1).save(image)
    window.add_images([secret, other, image])
    wait_for(qtbot, lambda: [one.name for one in window.session.images] == [str(image)])
    first = dialog(window, qtbot)
    assert first.document.name == str(secret)
    first.cancel.click()
    second = dialog(window, qtbot)
    assert second.document.name == str(other)
    type_password(second, qtbot, "other")
    wait_for(qtbot, lambda: window.picture_pane.strip.document is not None)
    wait_for(qtbot, lambda: not window.reader.unread)
    assert len(window.session.images) == 2


def test_a_question_waits_for_the_password_and_comes_back_without_it(
    window: MainWindow, qtbot: QtBot, secret: Path
) -> None:
    """It is about a document that is not there then, as that of a second start of the program is."""
    window.add_images([secret])
    shown = dialog(window, qtbot)
    window.ask("What is in it?")
    assert window.session.turns == []
    shown.cancel.click()
    assert (window.prompt.text(), window.session.turns) == ("What is in it?", [])
    window.prompt.clear()
    Opener(window, CaptureFlow(window, list)).open(Opening([secret], ask="And now?"))
    dialog(window, qtbot).cancel.click()
    assert (window.prompt.text(), window.session.turns) == ("And now?", [])


def test_the_password_is_in_no_file_and_no_argument(
    open_window: OpenWindow, qtbot: QtBot, secret: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not in the history, beside the picture of its page, and not in the temporary copies; a new start asks again."""
    commands: list[Any] = []
    popen = subprocess.Popen.__init__

    def told(self: Any, command: Any, *arguments: Any, **options: Any) -> None:
        commands.append((command, options.get("env")))
        popen(self, command, *arguments, **options)

    monkeypatch.setattr(subprocess.Popen, "__init__", told)
    kept, temporary = tmp_path / "kept", tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    window = open_window(tmp_path, FAKE_ENGINE)
    keeping = Keeping(window, History(kept))
    wait_for(qtbot, lambda: window.session.engine_state == "ready")
    window.add_images([secret])
    type_password(dialog(window, qtbot), qtbot, PASSWORD)
    wait_for(qtbot, lambda: bool(window.session.images) and not window.reader.unread)
    ask(window, qtbot, "What is in it?")
    wait_for(qtbot, lambda: window.session.open_turn is None)
    files = [path for path in temporary.rglob("*") if path.is_file()]
    keeping.close()
    keeping.wait_until_gone(PATIENCE / 1000)
    files += [path for path in kept.rglob("*") if path.is_file()]
    assert len(files) > 3
    words = (PASSWORD.encode(), PASSWORD.encode("utf-16-le"), PASSWORD.encode("latin-1"))
    assert [path for path in files if path.exists() and any(word in path.read_bytes() for word in words)] == []
    assert len(commands) > 1
    assert PASSWORD not in repr(commands)
    assert PASSWORD not in repr(os.environ)
    window.close()
    again = open_window(tmp_path, FAKE_ENGINE)
    again.add_images([secret])
    assert dialog(again, qtbot).document.name == str(secret)
    dialog(again, qtbot).cancel.click()
