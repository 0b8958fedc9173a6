"""A capture in the window, with handlers that have their own screens: what follows each way in which it can end."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, QRect, Qt
from PySide6.QtGui import QColor, QGuiApplication, QImage
from pytestqt.qtbot import QtBot

from dsvl2_app.capture.handler import CaptureHandler, FrozenScreen
from dsvl2_app.state.app_request import CaptureKind
from dsvl2_app.state.intake import PastedImage, Source
from dsvl2_app.state.opening import Opening
from dsvl2_app.state.selection import Area
from dsvl2_app.widgets.capture_flow import CaptureFlow
from dsvl2_app.widgets.capture_overlay import ScreenOverlay
from dsvl2_app.widgets.capture_tools import CaptureButton, area_cost, capture_menu
from dsvl2_app.widgets.main_window import MainWindow
from dsvl2_app.widgets.opener import Opener
from dsvl2_runtime.engine.wire_error import WireError
from dsvl2_runtime.errors import BusyError
from dsvl2_runtime.inputs.images import ImageBytes
from windows import wait_for

pytestmark = pytest.mark.gui

REFUSED = WireError("CaptureError", "not here", 2, 501)


def screen_image(width: int, height: int) -> QImage:
    """Each pixel has its place as its colour."""
    pixels = bytes(part for y in range(height) for x in range(width) for part in (7, y % 256, x % 256, 255))
    return QImage(pixels, width, height, 4 * width, QImage.Format.Format_RGB32).copy()


class Fake(CaptureHandler):
    """Does at once what it is told: "frozen", "file", "cancelled", "failed", or "nothing"."""

    name = "fake"

    def __init__(self, does: str, reason: str | None = None) -> None:
        super().__init__()
        self.does, self.reason, self.asked = does, reason, ""

    def unusable(self) -> str | None:
        return self.reason

    def start(self, kind: CaptureKind) -> None:
        self.asked = kind
        if self.does == "frozen":
            place = QGuiApplication.primaryScreen().geometry()
            frame = Area(10, 10, 50, 40)
            name = QGuiApplication.primaryScreen().name()
            self.froze.emit((FrozenScreen(name, place, screen_image(300, 200), (frame,)),))
        elif self.does == "file":
            self.chose.emit(b"content")
        elif self.does == "cancelled":
            self.cancelled.emit()
        elif self.does == "failed":
            self.failed.emit(REFUSED)


class Ended:
    """What a flow has told."""

    def __init__(self, flow: CaptureFlow) -> None:
        self.sources: list[Source] = []
        self.errors: list[WireError] = []
        self.times = 0
        flow.captured.connect(self.sources.append)
        flow.failed.connect(self.errors.append)
        flow.ended.connect(self._count)

    def _count(self) -> None:
        self.times += 1


def capture(window: MainWindow, qtbot: QtBot, kind: CaptureKind, *handlers: Fake) -> Ended:
    flow = CaptureFlow(window, lambda: handlers)
    ended = Ended(flow)
    assert flow.start(kind)
    assert handlers[0].reason is not None or not window.isVisible()
    wait_for(qtbot, lambda: ended.times == 1)
    assert window.isVisible()
    assert not flow.is_running
    return ended


def test_the_whole_screen_needs_no_choice(window: MainWindow, qtbot: QtBot, tmp_path: Path) -> None:
    """Every pixel arrives; the window is away meanwhile and comes back."""
    (source,) = capture(window, qtbot, "screen", Fake("frozen")).sources
    assert isinstance(source, PastedImage)
    source.write(tmp_path / "x.png")
    assert QImage(str(tmp_path / "x.png")).convertToFormat(QImage.Format.Format_RGB32) == screen_image(300, 200)


def test_a_handler_that_fails_is_followed_by_the_next(window: MainWindow, qtbot: QtBot) -> None:
    """One that cannot work is not tried."""
    ended = capture(window, qtbot, "region", Fake("failed"), Fake("file", "no"), Fake("file"))
    (source,) = ended.sources
    assert isinstance(source, ImageBytes)
    assert source.data == b"content"
    assert ended.errors == []


def test_what_does_not_work_is_said_and_the_window_is_back(window: MainWindow, qtbot: QtBot) -> None:
    assert capture(window, qtbot, "region", Fake("failed")).errors == [REFUSED]
    (error,) = capture(window, qtbot, "region", Fake("file", "too old")).errors
    assert "fake: too old" in error.message
    cancelled = capture(window, qtbot, "region", Fake("cancelled"))
    assert (cancelled.sources, cancelled.errors) == ([], [])


def test_one_capture_at_a_time(window: MainWindow, qtbot: QtBot) -> None:
    """A second one is refused, also for a second start; a flow that is stopped tells nothing more."""
    handler = Fake("nothing")
    flow = CaptureFlow(window, lambda: [handler])
    ended = Ended(flow)
    opener = Opener(window, flow)
    assert flow.start("region")
    assert not flow.start("screen")
    with pytest.raises(BusyError, match="capturing the screen already"):
        opener.open(Opening(capture="screen"))
    wait_for(qtbot, lambda: handler.asked == "region")
    flow.stop()
    handler.chose.emit(b"late")
    assert ended.sources == []
    window.show()


def test_a_question_without_its_picture_stays_in_the_box(window: MainWindow, qtbot: QtBot) -> None:
    """A cancelled capture, and a file that cannot be read."""
    opener = Opener(window, CaptureFlow(window, lambda: [Fake("cancelled")]))
    opener.open(Opening(capture="region", ask="What is it?"))
    wait_for(qtbot, lambda: window.prompt.text() == "What is it?")
    window.prompt.clear()
    opener.open(Opening([Path("no such.png")], ask="And this?"))
    wait_for(qtbot, lambda: window.prompt.text() == "And this?")
    assert window.session.turns == []


def test_the_overlay_takes_native_pixels_by_mouse_and_by_keys(qtbot: QtBot) -> None:
    """A window of 150 x 100 over a picture of 300 x 200: each place is two pixels."""
    frozen = FrozenScreen("x", QRect(0, 0, 150, 100), screen_image(300, 200), (Area(10, 10, 50, 40),))
    overlay = ScreenOverlay(frozen, QColor("blue"), lambda width, height: f"{width * height} px")
    qtbot.addWidget(overlay)
    overlay.resize(150, 100)
    overlay.show()
    taken: list[QImage] = []
    overlay.chose.connect(taken.append)
    left: list[bool] = []
    overlay.left.connect(lambda: left.append(True))
    button = Qt.MouseButton.LeftButton

    qtbot.mousePress(overlay, button, pos=QPoint(40, 30))
    qtbot.mouseMove(overlay, QPoint(60, 50))
    overlay.grab()  # paints it
    qtbot.mouseRelease(overlay, button, pos=QPoint(60, 50))
    assert taken.pop() == screen_image(300, 200).copy(80, 60, 41, 41)

    qtbot.mouseClick(overlay, button, pos=QPoint(10, 10))  # the window there
    assert taken.pop() == screen_image(300, 200).copy(10, 10, 50, 40)
    qtbot.mouseClick(overlay, button, pos=QPoint(140, 90))  # none there
    assert taken == []

    qtbot.keyClick(overlay, Qt.Key.Key_Return)
    assert taken.pop() == screen_image(300, 200)
    qtbot.keyClick(overlay, Qt.Key.Key_Space)
    for _ in range(3):
        qtbot.keyClick(overlay, Qt.Key.Key_Left, Qt.KeyboardModifier.ShiftModifier)
    qtbot.keyClick(overlay, Qt.Key.Key_Up)
    qtbot.keyClick(overlay, Qt.Key.Key_Space)
    assert taken.pop().size().toTuple() == (31, 2)
    qtbot.keyClick(overlay, Qt.Key.Key_Escape)
    qtbot.mouseClick(overlay, Qt.MouseButton.RightButton)
    assert left == [True, True]


def test_the_button_and_the_menu_begin_a_capture(window: MainWindow, qtbot: QtBot) -> None:
    """A region by the button, what the menu says by the menu, the last one after a while."""
    started: list[tuple[CaptureKind, float]] = []

    class Told(CaptureFlow):
        def start(self, kind: CaptureKind, seconds: float = 0.0) -> bool:
            started.append((kind, seconds))
            return True

    flow = Told(window)
    menu = capture_menu(flow, window)
    button = CaptureButton(flow, menu)
    qtbot.addWidget(button)
    button.button.click()
    for action in menu.actions():
        action.trigger()
    assert started == [("region", 0.0), ("region", 0), ("window", 0), ("screen", 0), ("region", 3)]


def test_an_area_costs_what_its_question_will_cost(window: MainWindow, qtbot: QtBot) -> None:
    """Before the model is there, as with the official releases: one tile is 421 tokens."""
    describe = area_cost(window.session)
    assert "421" in describe(300, 200)
    wait_for(qtbot, lambda: window.session.engine_state == "ready")
    model = window.session.model
    assert model is not None
    assert model.config is not None
    assert describe(3000, 200) != describe(300, 200)
