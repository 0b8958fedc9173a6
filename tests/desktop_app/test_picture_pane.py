"""The picture pane in a window: parts, examples, drags, boxes of an answer."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import QMimeData, QPoint, QPointF, QRect, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDragLeaveEvent, QDropEvent, QGuiApplication
from PySide6.QtWidgets import QPushButton
from pytestqt.qtbot import QtBot

from dsvl2_app import texts
from dsvl2_app.state.examples import EXAMPLES
from dsvl2_app.widgets import theme
from dsvl2_app.widgets.drop_zone import DropZone, example_path
from dsvl2_app.widgets.main_window import MainWindow
from dsvl2_runtime.bundle.model_names import find_model
from dsvl2_runtime.inputs.images import decode_image
from windows import OpenWindow, ask, some_image, wait_for

pytestmark = pytest.mark.gui

ROOT = Path(__file__).parents[2]


def test_a_part_of_a_picture_becomes_a_picture(fake_window: MainWindow, qtbot: QtBot, image_file: Path) -> None:
    """With all of its pixels, named after its source and its place, and the question is next."""
    window = fake_window
    window.add_images([image_file])
    wait_for(qtbot, lambda: len(window.session.images) == 1)
    window.picture_pane.view.region_chosen.emit(QRect(20, 10, 100, 50))
    wait_for(qtbot, lambda: len(window.session.images) == 2)
    part = window.session.images[1]
    assert part.size == (100, 50)
    assert "bill" in part.name
    assert "20,10 100×50" in part.name
    whole, cut = decode_image(image_file).image, decode_image(part.content.path).image
    assert cut.tobytes() == whole.crop((20, 10, 120, 60)).tobytes()
    assert window.picture_pane.current is part


def test_boxes_of_an_answer_are_drawn_on_its_picture(fake_window: MainWindow, qtbot: QtBot, image_file: Path) -> None:
    window = fake_window
    window.add_images([image_file])
    wait_for(qtbot, lambda: len(window.session.images) == 1)
    ask(window, qtbot, "box")
    wait_for(qtbot, lambda: window.picture_pane.view.accessibleDescription() != "")
    assert window.picture_pane.view.accessibleDescription() == texts.pictures.box_name(1, "total")


def test_a_picture_is_sharp_when_it_is_decoded(fake_window: MainWindow, qtbot: QtBot, image_file: Path) -> None:
    """The thumbnail comes first, so that something is there at once."""
    window = fake_window
    window.add_images([image_file])
    wait_for(qtbot, lambda: window.picture_pane.view.picture is not None)

    def width() -> int:
        shown = window.picture_pane.view.picture
        return shown.levels[0].width if shown is not None else 0

    wait_for(qtbot, lambda: width() == 170)


def test_the_picture_with_its_boxes_goes_to_the_clipboard(
    fake_window: MainWindow, qtbot: QtBot, image_file: Path
) -> None:
    window = fake_window
    window.add_images([image_file])
    wait_for(qtbot, lambda: len(window.session.images) == 1)
    window.picture_pane.tools.copy_asked.emit()
    wait_for(qtbot, lambda: not QGuiApplication.clipboard().image().isNull())
    assert QGuiApplication.clipboard().image().width() == 170
    QGuiApplication.clipboard().clear()


@pytest.mark.parametrize(
    ("names", "text", "can_be_dropped"),
    [
        (["a.png"], texts.pictures.drop_to_add(), True),
        (["a.pdf"], texts.pictures.drop_to_add(), True),
        (["a.txt"], texts.pictures.drop_no_picture(), False),
        (["a.png", "b.PNG", "c.txt"], "3 files, 1 is not a picture", True),
        (["a.doc", "b.txt"], "2 files, 2 are not pictures", False),
    ],
)
def test_what_a_drop_would_do_is_said_while_it_is_dragged(
    fake_window: MainWindow, names: list[str], text: str, can_be_dropped: bool
) -> None:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(f"/pictures/{name}") for name in names])
    no_keys, left = Qt.KeyboardModifier.NoModifier, Qt.MouseButton.LeftButton
    fake_window.dragEnterEvent(QDragEnterEvent(QPoint(5, 5), Qt.DropAction.CopyAction, data, left, no_keys))
    assert fake_window.picture_pane.drag_text == text
    fake_window.dragLeaveEvent(QDragLeaveEvent())
    assert fake_window.picture_pane.drag_text == ""


def test_examples_are_those_of_the_repository() -> None:
    """Whose answers by the demonstration model are checked where all of its examples are."""

    for example in EXAMPLES:
        assert example_path(example).read_bytes() == (ROOT / "examples" / f"{example.name}.png").read_bytes()


def test_the_first_suggested_action_works(open_window: OpenWindow, qtbot: QtBot) -> None:
    """What an example button prepares, the demonstration model answers right."""
    window = open_window(find_model("demo"))
    assert window.picture_pane.drop_zone.isVisible()
    example = EXAMPLES[0]
    window.picture_pane.drop_zone.example_asked.emit(example)
    assert window.prompt.text() == example.question
    wait_for(qtbot, lambda: len(window.session.images) == 1)
    qtbot.keyClick(window.prompt.edit, Qt.Key.Key_Return)
    wait_for(qtbot, lambda: bool(window.session.turns) and window.session.open_turn is None)
    assert window.session.turns[0].answer.strip() == example.answer


def test_a_text_that_is_dropped_goes_into_the_question(fake_window: MainWindow) -> None:
    data = QMimeData()
    data.setText("What is the total?")
    no_keys, no_buttons = Qt.KeyboardModifier.NoModifier, Qt.MouseButton.NoButton
    fake_window.dropEvent(QDropEvent(QPointF(5, 5), Qt.DropAction.CopyAction, data, no_buttons, no_keys))
    assert fake_window.prompt.text() == "What is the total?"
    assert fake_window.reader.unread == 0


def test_the_title_says_what_is_talked_about(fake_window: MainWindow, qtbot: QtBot) -> None:
    assert fake_window.windowTitle() == texts.window.APP_NAME
    ask(fake_window, qtbot, "Hello?")
    assert fake_window.windowTitle() == f"Hello? – {texts.window.APP_NAME}"


def test_a_picture_is_pasted_wherever_the_focus_is(fake_window: MainWindow, qtbot: QtBot) -> None:
    QGuiApplication.clipboard().setImage(some_image())
    fake_window.picture_pane.chips.setFocus()
    qtbot.keyClick(fake_window.picture_pane.chips, Qt.Key.Key_V, Qt.KeyboardModifier.ControlModifier)
    wait_for(qtbot, lambda: len(fake_window.session.images) == 1)
    QGuiApplication.clipboard().clear()


def test_ctrl_plus_zooms_the_picture_where_it_has_the_focus_and_the_texts_elsewhere(
    fake_window: MainWindow, qtbot: QtBot, image_file: Path
) -> None:
    window = fake_window
    window.add_images([image_file])
    wait_for(qtbot, lambda: window.picture_pane.view.picture is not None)
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow)
    larger = next(action for action in window.menu("view").actions() if action.text() == texts.window.larger_text())
    window.picture_pane.view.setFocus()
    zoom = window.picture_pane.view.zoom
    larger.trigger()
    assert window.picture_pane.view.zoom > zoom
    assert theme.text_percent() == 100
    window.prompt.edit.setFocus()
    larger.trigger()
    assert theme.text_percent() == 110
    theme.apply(percent=100)


@pytest.mark.parametrize("width", [250, 300, 600])
def test_no_button_of_an_empty_pane_is_cut_off(qtbot: QtBot, width: int) -> None:
    """Beside a document of which no page is chosen the pane is narrow."""
    zone, first = DropZone(), QPushButton("Capture a region of the screen")
    qtbot.addWidget(zone)
    zone.add_button(first)
    zone.resize(width, 600)
    zone.show()
    buttons = [button for button in zone.findChildren(QPushButton) if button.isVisible()]
    assert len(buttons) == 2 + len(EXAMPLES)
    for button in buttons:
        assert button.width() >= button.sizeHint().width()
        assert zone.rect().contains(QRect(button.mapTo(zone, QPoint(0, 0)), button.size()))
    assert (first.y(), first.x()) < (zone.open_button.y(), zone.open_button.x())
