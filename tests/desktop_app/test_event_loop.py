"""The window answers while large pictures come in: gaps of the event loop, measured and bounded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtCore import QByteArray, QMimeData, QUrl
from PySide6.QtGui import QImage
from pytestqt.qtbot import QtBot

from dsvl2_app.widgets.main_window import MainWindow
from event_loop import LARGEST_SHARE, LONGEST_GAP, Watchdog
from small_models import FIGURE, picture
from windows import wait_for

pytestmark = pytest.mark.gui

Record = Callable[[str, object], None]


@pytest.fixture
def window(fake_window: MainWindow, qtbot: QtBot) -> MainWindow:
    wait_for(qtbot, lambda: fake_window.session.engine_state == "ready")
    return fake_window


def wait_until_sharp(window: MainWindow, qtbot: QtBot, width: int) -> None:
    """The picture is decoded for the screen, and painted."""

    def is_sharp() -> bool:
        shown = window.picture_pane.view.picture
        return shown is not None and shown.levels[0].width == width

    wait_for(qtbot, is_sharp)
    qtbot.wait(30)


def test_a_dropped_picture_of_48_million_pixels_blocks_nothing(
    window: MainWindow, qtbot: QtBot, tmp_path: Path, record_property: Record
) -> None:
    path = tmp_path / "large.png"
    picture(8000, 6000, 1).save(path)
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path))])
    watchdog = Watchdog()
    window.intake.take(data)
    wait_for(qtbot, lambda: len(window.session.images) == 1)
    wait_until_sharp(window, qtbot, 4096)
    record_property(FIGURE, watchdog.figure("a picture of 8000x6000 pixels is dropped and shown"))
    assert watchdog.longest_own < LONGEST_GAP
    assert watchdog.longest_work < LARGEST_SHARE * watchdog.work
    assert window.session.images[0].size == (8000, 6000)
    view, watchdog = window.picture_pane.view, Watchdog()
    for factor in (*[1.25] * 12, *[0.8] * 12):
        view.zoom_by(factor)
        qtbot.wait(2)
    view.show_pixels()
    for _ in range(20):
        for bar in (view.horizontalScrollBar(), view.verticalScrollBar()):
            bar.setValue(bar.value() + 60)
        qtbot.wait(2)
    record_property(FIGURE, watchdog.figure("a picture of 8000x6000 pixels is zoomed and moved"))
    assert watchdog.longest_work < LARGEST_SHARE * watchdog.work


@pytest.mark.parametrize("kind", ["pixels", "png"])
def test_a_pasted_photograph_blocks_nothing(
    window: MainWindow, qtbot: QtBot, tmp_path: Path, kind: str, record_property: Record
) -> None:
    """As pixels, which are encoded on another thread, and as a file's bytes, which are decoded there."""
    path = tmp_path / "photo.png"
    picture(4000, 3000, 1).save(path)
    data = QMimeData()
    if kind == "pixels":
        data.setImageData(QImage(str(path)))
    else:
        data.setData("image/png", QByteArray(path.read_bytes()))
    watchdog = Watchdog()
    window.intake.paste(data)
    wait_for(qtbot, lambda: len(window.session.images) == 1)
    wait_until_sharp(window, qtbot, 4000)
    record_property(FIGURE, watchdog.figure(f"a picture of 4000x3000 pixels is pasted as {kind}"))
    assert watchdog.longest_own < LONGEST_GAP
    assert watchdog.longest_work < LARGEST_SHARE * watchdog.work
    assert window.session.images[0].size == (4000, 3000)
