"""PDFs and scans of several pages: recognised by content, shown as pages, asked about as pictures."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QCoreApplication, QEvent, QSize, Qt
from PySide6.QtGui import QGuiApplication, QImage
from PySide6.QtWidgets import QPushButton
from pytestqt.qtbot import QtBot

from dsvl2_app import texts
from dsvl2_app.state.document import (
    Document,
    PageThumbnail,
    PageThumbnails,
    opened_document,
    page_ranges,
    write_page,
)
from dsvl2_app.state.page_queue import page_turns
from dsvl2_app.widgets import document_desk
from dsvl2_app.widgets.main_window import MainWindow
from dsvl2_app.widgets.page_strip import PageStrip
from dsvl2_app.widgets.turn_parts import QueueRow
from dsvl2_runtime.engine.image_store import KeptImage
from dsvl2_runtime.engine.wire_error import WireError
from dsvl2_runtime.errors import ImageError
from dsvl2_runtime.inputs.images import decode_image
from own_pdfs import own_pdf
from small_models import picture
from waiting import PATIENCE
from windows import wait_for

pytestmark = pytest.mark.gui


def kept(path: Path) -> KeptImage:
    return KeptImage(path, f"{len(path.name):064x}")


@pytest.fixture
def contract(tmp_path: Path) -> Path:
    """A PDF of three pages with the ending of a picture."""
    path = tmp_path / "contract.png"
    path.write_bytes(own_pdf(((595.3, 841.9),) * 3))
    return path


@pytest.fixture
def window(fake_window: MainWindow) -> MainWindow:
    return fake_window


def test_a_document_is_known_by_its_content(contract: Path, tmp_path: Path) -> None:
    """Not by its ending; a TIFF of one page is a picture."""
    found = opened_document("contract", kept(contract))
    assert found == Document("contract", kept(contract), 3)
    scan, single, image = tmp_path / "scan.png", tmp_path / "one.tif", tmp_path / "a.pdf"
    picture(60, 60, 1).save(scan, "TIFF", save_all=True, append_images=[picture(60, 60, 2)])
    picture(60, 60, 1).save(single)
    picture(60, 60, 1).save(image, "PNG")
    assert opened_document("scan", kept(scan)) == Document("scan", kept(scan), 2)
    assert opened_document("one", kept(single)) is None
    assert opened_document("image", kept(image)) is None


def test_a_damaged_document_is_named_as_its_user_does(tmp_path: Path) -> None:
    path = tmp_path / "0123"
    path.write_bytes(b"%PDF-1.7 nothing")
    with pytest.raises(ImageError) as caught:
        opened_document("contract.pdf", kept(path))
    assert caught.value.source == "contract.pdf"


def test_a_page_becomes_a_picture(contract: Path, tmp_path: Path) -> None:
    """Of 200 dots per inch: A4 has 1654x2339 pixels."""
    out = tmp_path / "page"
    write_page(Document("contract", kept(contract), 3), 2, out)
    assert decode_image(out).size == (1654, 2339)


def test_thumbnails_come_one_by_one_until_they_are_stopped(contract: Path) -> None:
    found: queue.SimpleQueue[PageThumbnail | WireError] = queue.SimpleQueue()
    document = Document("contract", kept(contract), 3)
    PageThumbnails(document, found.put, side=200)
    numbers = []
    for _ in range(3):
        thumbnail = found.get(timeout=PATIENCE)
        assert isinstance(thumbnail, PageThumbnail)
        assert max(thumbnail.image.size) == 200
        numbers.append(thumbnail.number)
    assert numbers == [1, 2, 3]


@pytest.mark.parametrize(
    ("numbers", "expected"), [([], ""), ([2], "2"), ([3, 1, 2], "1-3"), ([1, 2, 3, 7, 9, 10], "1-3,7,9-10")]
)
def test_pages_are_written_as_ranges(numbers: list[int], expected: str) -> None:
    assert page_ranges(numbers) == expected


@pytest.fixture
def strip(qtbot: QtBot, contract: Path) -> Iterator[PageStrip]:
    made = PageStrip()
    qtbot.addWidget(made)
    made.resize(made.width(), 500)
    made.show_document(Document("contract.pdf", kept(contract), 3), [1], 2)
    yield made
    made.stop()


def test_the_strip_chooses_pages_by_clicks_and_by_a_range(strip: PageStrip, qtbot: QtBot) -> None:
    assert strip.chosen() == [1]
    with qtbot.waitSignal(strip.pages_chosen) as chosen:
        strip.list.item(2).setSelected(True)
    assert chosen.args is not None
    assert chosen.args[1] == [1, 3]
    assert strip.range.text() == "1,3"
    strip.range.setText("2-3")
    with qtbot.waitSignal(strip.pages_chosen) as chosen:
        qtbot.keyClick(strip.range, Qt.Key.Key_Return)
    assert chosen.args is not None
    assert chosen.args[1] == [2, 3]
    assert strip.chosen() == [2, 3]


def test_a_range_that_is_none_says_why_and_changes_nothing(strip: PageStrip, qtbot: QtBot) -> None:
    strip.range.setText("2-9")
    with qtbot.assertNotEmitted(strip.pages_chosen):
        qtbot.keyClick(strip.range, Qt.Key.Key_Return)
    assert "page 9" in strip.note.text()
    assert strip.chosen() == [1]


def test_pages_that_are_drawn_are_shown(strip: PageStrip, qtbot: QtBot) -> None:
    blank = strip.list.item(2).icon().pixmap(84, 112).toImage()
    wait_for(qtbot, lambda: strip.list.item(2).icon().pixmap(84, 112).toImage() != blank)


@pytest.mark.parametrize("ratio", [1.0, 1.5, 3.0])
def test_pages_are_as_sharp_as_the_screen(
    qtbot: QtBot, contract: Path, monkeypatch: pytest.MonkeyPatch, ratio: float
) -> None:
    """Drawn with its pixels, and drawn anew when the window comes to a screen that has others."""
    made = PageStrip()
    qtbot.addWidget(made)
    made.show_document(Document("contract.pdf", kept(contract), 3), [1], 2)
    made.stop()
    monkeypatch.setattr(made, "devicePixelRatioF", lambda: ratio)
    QCoreApplication.sendEvent(made, QEvent(QEvent.Type.DevicePixelRatioChange))
    wanted = QSize(round(84 * ratio), round(112 * ratio))

    def drawn() -> QImage:
        return made.list.item(2).icon().pixmap(QSize(84, 112), ratio).toImage()

    wait_for(qtbot, lambda: drawn().size() == wanted and drawn().pixelColor(wanted.width() // 3, 60).blue() == 255)
    edge = [drawn().pixelColor(x, wanted.height() // 2).name() for x in range(wanted.width())]
    # own_pdf fills each page but for a white margin, so there is one step from its colour to white, and no blur.
    assert len(set(edge)) <= 6
    made.stop()


def test_chosen_pages_are_the_pictures_of_the_question(window: MainWindow, qtbot: QtBot, contract: Path) -> None:
    """A page that is chosen comes in, one that is not goes, and a chip that is taken away is chosen no more."""
    window.add_images([contract])
    wait_for(qtbot, lambda: [image.page for image in window.session.images] == [1])
    strip, first = window.picture_pane.strip, window.session.images[0]
    assert strip.isVisible()
    assert first.name == texts.pictures.page_name("contract.png", 1)
    assert first.document == strip.document.content.sha256 if strip.document else None
    strip.list.item(2).setSelected(True)
    wait_for(qtbot, lambda: [image.page for image in window.session.images] == [1, 3])
    strip.list.item(0).setSelected(False)
    wait_for(qtbot, lambda: [image.page for image in window.session.images] == [3])
    window.session.set_images([])
    assert strip.chosen() == []
    strip.close_document()
    assert not strip.isVisible()


def test_a_page_that_is_not_chosen_any_more_when_it_is_drawn_stays_away(
    window: MainWindow, qtbot: QtBot, contract: Path
) -> None:
    window.add_images([contract])
    wait_for(qtbot, lambda: [image.page for image in window.session.images] == [1])
    strip = window.picture_pane.strip
    strip.list.item(2).setSelected(True)
    strip.list.item(2).setSelected(False)
    assert window.reader.unread == 1
    wait_for(qtbot, lambda: not window.reader.unread)
    assert [image.page for image in window.session.images] == strip.chosen() == [1]


def test_a_page_that_could_not_be_drawn_can_be_chosen_again(
    window: MainWindow, qtbot: QtBot, contract: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_document: Document, _number: int, _out: Path) -> None:
        raise ImageError("contract", "it is damaged", "choose another")

    window.add_images([contract])
    wait_for(qtbot, lambda: [image.page for image in window.session.images] == [1])
    strip = window.picture_pane.strip
    with monkeypatch.context() as patched:
        patched.setattr(document_desk, "write_page", fail)
        strip.list.item(2).setSelected(True)
        with qtbot.waitSignal(window.reader.failed):
            pass
    assert strip.chosen() == [1]
    strip.list.item(2).setSelected(True)
    wait_for(qtbot, lambda: [image.page for image in window.session.images] == [1, 3])


def test_each_page_is_asked_about_by_itself_in_its_turn(window: MainWindow, qtbot: QtBot, contract: Path) -> None:
    """One question is queued for each chosen page; those that wait can be taken back, and the talk goes on without."""
    session, strip = window.session, window.picture_pane.strip
    window.add_images([contract])
    wait_for(qtbot, lambda: session.engine_state == "ready" and [image.page for image in session.images] == [1])
    strip.list.selectAll()
    wait_for(qtbot, lambda: [image.page for image in session.images] == [1, 2, 3])
    strip.each.click()
    assert strip.note.text() == texts.pictures.each_page_fits()
    window.ask("wait")
    assert [(turn.page, turn.state) for turn in session.turns] == [(1, "waiting"), (2, "queued"), (3, "queued")]
    wait_for(qtbot, lambda: len(window.talk.turn_views) == 3)
    assert window.talk.turn_views[-1].question.toPlainText() == f"{texts.pictures.page_short(3)} · wait"
    session.take_back(session.turns[1])
    session.stop()
    wait_for(qtbot, lambda: [turn.state for turn in session.turns] == ["stopped", "streaming"])
    session.stop()
    wait_for(qtbot, lambda: session.open_turn is None)
    strip.each.click()
    assert not session.asks_each_page
    window.ask("and all?")
    wait_for(qtbot, lambda: session.open_turn is None)
    assert [image.page for image in session.turns[-1].images] == [1, 2, 3]


def test_the_questions_about_pages_are_stopped_and_copied_as_one(
    window: MainWindow, qtbot: QtBot, contract: Path
) -> None:
    """One click ends what is answered and takes back what waits; one entry copies what was answered."""
    session, strip = window.session, window.picture_pane.strip
    window.add_images([contract])
    wait_for(qtbot, lambda: session.engine_state == "ready" and [image.page for image in session.images] == [1])
    strip.list.selectAll()
    wait_for(qtbot, lambda: [image.page for image in session.images] == [1, 2, 3])
    strip.each.click()
    window.ask("hello")
    wait_for(qtbot, lambda: [turn.state for turn in session.turns] == ["done"] * 3)
    window.ask("wait")
    wait_for(qtbot, lambda: len(window.talk.turn_views) == 6 and session.turns[3].answer != "")

    def shown() -> list[QPushButton]:
        rows = [row for view in window.talk.turn_views for row in view.findChildren(QueueRow) if row.isVisible()]
        return [row.stop_all for row in rows if row.stop_all.isVisible()]

    # Its place is said a moment after it is known, by the first of them.
    wait_for(qtbot, lambda: [button.text() for button in shown()] == [texts.talk.stop_all_waiting(2)])
    shown()[0].click()
    assert len(session.turns) == 4
    wait_for(qtbot, lambda: session.open_turn is None)
    assert session.turns[3].state == "stopped"
    view = window.talk.turn_views[1]
    entry = next(action for action in view.menu().actions() if action.text() == texts.talk.copy_pages())
    entry.trigger()
    copied = QGuiApplication.clipboard().text()
    parts = [f"## {texts.pictures.page_short(number + 1)}\n\n{session.turns[number].answer}" for number in range(3)]
    assert copied == "\n\n".join(parts)
    assert page_turns(session.turns, session.turns[3]) == [session.turns[3]]
    strip.each.click()
    window.ask("and all?")
    assert page_turns(session.turns, session.turns[-1]) == []
    assert texts.talk.copy_pages() not in [action.text() for action in window.talk.turn_views[-1].menu().actions()]
    session.stop_all()
    wait_for(qtbot, lambda: session.open_turn is None)


@pytest.mark.parametrize("how", ["another conversation", "the same pages", "removed", "not chosen"])
def test_a_document_goes_with_its_pages(window: MainWindow, qtbot: QtBot, contract: Path, how: str) -> None:
    """Its strip would stand beside a conversation that has nothing to do with it; pages can be chosen where it is."""
    strip, chips = window.picture_pane.strip, window.picture_pane.chips
    window.add_images([contract])
    wait_for(qtbot, lambda: [image.page for image in window.session.images] == [1])
    if how == "another conversation":
        window.session.new_conversation()
    elif how == "the same pages":
        window.session.new_conversation(keep_images=True)
    elif how == "removed":
        chips.ask_to_remove([0])
    else:
        strip.list.item(0).setSelected(False)
    is_there = how in ("the same pages", "not chosen")
    assert (strip.document is not None) == strip.isVisible() == is_there
    assert [image.page for image in window.session.images] == ([1] if how == "the same pages" else [])


def test_a_page_that_is_drawn_for_a_conversation_of_before_stays_away(
    window: MainWindow, qtbot: QtBot, contract: Path
) -> None:
    window.add_images([contract])
    wait_for(qtbot, lambda: [image.page for image in window.session.images] == [1])
    window.picture_pane.strip.list.item(2).setSelected(True)
    assert window.reader.unread == 1
    window.session.new_conversation()
    wait_for(qtbot, lambda: not window.reader.unread)
    assert window.session.images == []


def test_each_page_ends_with_its_document(window: MainWindow, qtbot: QtBot, contract: Path) -> None:
    strip = window.picture_pane.strip
    window.add_images([contract])
    wait_for(qtbot, lambda: [image.page for image in window.session.images] == [1])
    close = strip.findChildren(QPushButton)[0]
    assert close.toolTip() == texts.pictures.close_document()

    def new_conversation() -> None:
        window.session.new_conversation(keep_images=True)

    def close_document() -> None:
        close.click()

    for end in (new_conversation, close_document):
        strip.each.setChecked(True)
        assert window.session.asks_each_page
        end()
        assert not window.session.asks_each_page
        assert not strip.each.isChecked()
