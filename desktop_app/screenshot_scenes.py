"""The scenes of `screenshots.py`: what the real window is made to do before its picture is taken.

A scene is a generator that does something and yields what has to become true before it goes on.
`python desktop_app/screenshot_scenes.py SCENE FOLDER` plays one on the display of the environment.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

Condition = Callable[[], object]
Script = Iterator[Condition]

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "examples"
SMALL_SETTINGS = ROOT / "tests" / "pictures" / "small_settings.png"
"""Print so small that the model needs a second look."""
PATIENCE_SECONDS = 240.0
STEP_MILLISECONDS = 20
SETTLING_SECONDS = 0.7
"""For what is drawn a moment late."""
WINDOW = (1280, 700)
"""On a screen of 1366x768."""


class Stage:
    """The window of one scene, and what a script does with it."""

    def __init__(self, window: Any, out: Path) -> None:
        self.window = window
        self._out = out

    def settled(self, seconds: float = SETTLING_SECONDS) -> Condition:
        """True when some time has passed."""
        end = time.monotonic() + seconds
        return lambda: time.monotonic() >= end

    def ready(self) -> bool:
        """Whether the model is loaded and every picture read."""
        session, pane = self.window.session, self.window.picture_pane
        shown = pane.view.picture
        is_sharp = not session.images or (shown is not None and len(shown.levels) > 1)
        return bool(session.engine_state == "ready" and not self.window.reader.unread and is_sharp)

    def answered(self) -> bool:
        """Whether no question is open."""
        return self.window.session.open_turn is None

    def add(self, *names: str) -> None:
        """Add pictures of the folder of examples, or files."""
        self.window.add_images([path if (path := Path(name)).is_absolute() else EXAMPLES / name for name in names])

    def keep_demonstration(self) -> None:
        """Answer the card of the first start."""
        from dsvl2_app.widgets.models.guide import Guide

        self.window.findChild(Guide).keep.click()

    def save(self) -> None:
        """Keep what the window looks like."""
        self._write(self.window.grab())

    def save_screen(self) -> None:
        """Keep what the screen looks like: dialogs and overlays are windows of their own."""
        self._write(self.window.screen().grabWindow(0))

    def _write(self, pixmap: Any) -> None:
        if pixmap.isNull() or not pixmap.save(str(self._out), "PNG"):
            raise SystemExit(f"{self._out}: it was not written")


def first_start(stage: Stage) -> Script:
    """As somebody meets it who has just installed it."""
    yield stage.ready
    yield stage.settled()
    stage.save()


def answer(stage: Stage) -> Script:
    """Two questions about a receipt, and where the total is."""
    yield from _ask_about_receipt(stage)
    stage.save()


def dark(stage: Stage) -> Script:
    """The same at night."""
    from dsvl2_app.widgets import theme

    theme.apply("dark")
    yield from _ask_about_receipt(stage)
    stage.save()


def unsure(stage: Stage) -> Script:
    """An answer of which the model is not sure after one look, rightly so, and the answer after a second one."""
    yield stage.ready
    stage.keep_demonstration()
    stage.add(str(SMALL_SETTINGS))
    yield lambda: stage.window.session.images and not stage.window.reader.unread  # so small that it is sharp at once
    for looks_again in (False, True):
        stage.window.session.looks_again = looks_again
        stage.window.session.ask("Which button is highlighted?")
        yield stage.answered
    yield stage.settled()
    stage.save()


def whole_screen(stage: Stage) -> Script:
    """A window on a screen of 1920x1080, which is seen too small as a whole; its answer is read in a part."""
    path = Path.home() / "screen.png"
    with Image.open(EXAMPLES / "settings.png") as settings:
        screen = Image.new("RGB", (1920, 1080), (58, 110, 165))
        screen.paste(settings, (1100, 400))
        screen.save(path)
    yield stage.ready
    stage.keep_demonstration()
    stage.add(str(path))
    yield stage.ready
    stage.window.session.ask("What is the host name?")
    yield stage.answered
    yield stage.settled()
    stage.save()


def scale_150(stage: Stage) -> Script:
    """The same on a laptop whose screen is set to 150 %."""
    yield from _ask_about_receipt(stage)
    stage.save()


def scale_200(stage: Stage) -> Script:
    """The same with 200 %: 683 by 384 points are left for everything."""
    yield from _ask_about_receipt(stage)
    stage.save()


def pdf(stage: Stage) -> Script:
    """A document of four pages, one of them chosen, and a question about it."""
    from dsvl2_app.widgets.page_strip import PageStrip

    path = _draw_document(Path.home() / "orders.pdf")
    yield stage.ready
    stage.keep_demonstration()
    stage.add(str(path))
    yield lambda: stage.window.session.images and stage.ready()
    yield stage.settled(1.5)  # the small pages
    pages = stage.window.findChild(PageStrip).range
    pages.setText("1")
    pages.returnPressed.emit()
    yield lambda: len(stage.window.session.images) == 1 and stage.ready()
    stage.window.session.ask("What is the price of Desk?")
    yield stage.answered
    yield stage.settled()
    stage.save()


def region(stage: Stage) -> Script:
    """A part of the screen is being chosen: of a program that shows an order."""
    from PySide6.QtCore import QPoint, Qt
    from PySide6.QtGui import QPixmap
    from PySide6.QtTest import QTest
    from PySide6.QtWidgets import QLabel

    from dsvl2_app.widgets.capture_overlay import ScreenOverlay

    desktop = QLabel()
    desktop.setWindowFlags(Qt.WindowType.FramelessWindowHint | Qt.WindowType.X11BypassWindowManagerHint)
    desktop.setStyleSheet("background: #3D5A6C;")
    desktop.setGeometry(stage.window.screen().geometry())
    desktop.show()
    desktop.lower()
    other = QLabel()
    other.setPixmap(QPixmap(str(EXAMPLES / "settings.png")))
    other.setWindowTitle("Settings")
    other.move(330, 90)
    other.show()
    yield stage.ready
    yield stage.settled()
    _action(stage.window, "Ctrl+Shift+S").trigger()

    def overlay() -> ScreenOverlay | None:
        found = [widget for widget in _top_levels() if isinstance(widget, ScreenOverlay) and widget.isVisible()]
        return found[0] if found else None

    yield overlay
    yield stage.settled()
    shown = overlay()
    if shown is None:
        raise RuntimeError("the overlay is gone")
    corner = other.mapToGlobal(other.rect().topLeft())
    first, last = corner + QPoint(38, 36), corner + QPoint(590, 358)  # the corner of a button, in the magnifier too
    QTest.mousePress(shown, Qt.MouseButton.LeftButton, pos=first)
    QTest.mouseMove(shown, (first + last) / 2)
    QTest.mouseMove(shown, last)
    yield stage.settled()
    stage.save_screen()
    QTest.keyClick(shown, Qt.Key.Key_Escape)
    yield stage.settled()
    other.close()
    desktop.close()


def settings(stage: Stage) -> Script:
    """Settings over the window."""
    yield stage.ready
    stage.keep_demonstration()
    stage.window.status.settings_button.click()
    yield stage.settled()
    stage.save_screen()
    for widget in _top_levels():
        if widget is not stage.window:
            widget.close()


def chinese(stage: Stage) -> Script:
    """The window where the system speaks Chinese."""
    yield from _ask_about_receipt(stage)
    stage.save()


def models(stage: Stage) -> Script:
    """The models, and the way to a real one."""
    yield stage.ready
    stage.window.status.model_button.click()
    from dsvl2_app.widgets.models.model_row import ModelRow

    yield lambda: any(row.isVisible() for widget in _top_levels() for row in widget.findChildren(ModelRow))
    yield stage.settled()
    stage.save_screen()
    for widget in _top_levels():
        if widget is not stage.window:
            widget.close()


def _top_levels() -> list[Any]:
    from PySide6.QtWidgets import QApplication

    return list(QApplication.topLevelWidgets())


def _action(window: Any, keys: str) -> Any:
    """The action of the window with these keys."""
    from PySide6.QtGui import QAction, QKeySequence

    return next(action for action in window.findChildren(QAction) if QKeySequence(keys) in action.shortcuts())


def _ask_about_receipt(stage: Stage) -> Script:
    yield stage.ready
    stage.keep_demonstration()
    stage.add("receipt.png")
    yield lambda: stage.window.session.images and stage.ready()
    session = stage.window.session
    session.ask("What is the total?")
    yield stage.answered
    session.ask("Total", task="locate")
    yield stage.answered
    yield stage.settled()


def _draw_document(path: Path) -> Path:
    """A PDF of four pages of A4 with the pictures of the folder of examples."""
    pages = []
    for name in ("table", "invoice", "visit", "chart"):
        with Image.open(EXAMPLES / f"{name}.png") as found:
            image = found.convert("RGB")
        scale = min(1080 / image.width, 1500 / image.height)
        image = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.LANCZOS)
        page = Image.new("RGB", (1240, 1754), "white")
        page.paste(image, ((page.width - image.width) // 2, 110))
        pages.append(page)
    pages[0].save(path, "PDF", save_all=True, append_images=pages[1:], resolution=150)
    return path


@dataclass(frozen=True, slots=True)
class Scene:
    """One picture."""

    play: Callable[[Stage], Script]
    environment: dict[str, str] = field(default_factory=dict)
    """Variables of the program besides those of the display."""
    size: tuple[int, int] | None = WINDOW
    """(width, height) of the window in points; None as the program opens it."""

    @property
    def name(self) -> str:
        """Of the scene and of its file."""
        return self.play.__name__


SCENES = {
    scene.name: scene
    for scene in (
        Scene(first_start),
        Scene(answer),
        Scene(pdf),
        Scene(dark),
        Scene(unsure),
        Scene(whole_screen),
        Scene(region),
        Scene(settings),
        Scene(models),
        Scene(chinese, {"LANG": "zh_CN.UTF-8", "LC_ALL": "zh_CN.UTF-8", "LANGUAGE": "zh_CN"}),
        Scene(scale_150, {"QT_SCALE_FACTOR": "1.5"}, None),
        Scene(scale_200, {"QT_SCALE_FACTOR": "2"}, None),
    )
}


def play(scene: Scene, folder: Path) -> None:
    """Start the program and play a scene in it.

    Raises:
        SystemExit: with the program's code, or because the scene did not come to its end.
    """
    from PySide6.QtCore import QTimer
    from PySide6.QtWidgets import QApplication

    from dsvl2_app.widgets import main_window
    from dsvl2_runtime.cli.main import main as run

    ended: list[bool] = []

    class Played(main_window.MainWindow):
        """The window, which a script drives from a timer."""

        def __init__(self, *arguments: Any, **named: Any) -> None:
            super().__init__(*arguments, **named)
            if scene.size is not None:
                self.resize(*scene.size)
            self._script = scene.play(Stage(self, folder / f"{scene.name}.png"))
            self._waits_for: Condition = self.isVisible
            self._end = time.monotonic() + PATIENCE_SECONDS
            self._timer = QTimer(self)
            self._timer.timeout.connect(self._go_on)
            self._timer.start(STEP_MILLISECONDS)

        def _go_on(self) -> None:
            try:
                if time.monotonic() > self._end:
                    raise TimeoutError(f"{scene.name}: it waits for {self._waits_for}")
                if self._waits_for():
                    self._waits_for = next(self._script)
                return
            except StopIteration:
                ended.append(True)
            except Exception as error:
                print(f"{scene.name}: {error!r}", file=sys.stderr)
            self._timer.stop()
            self.close()
            QApplication.exit()

    main_window.MainWindow = Played  # type: ignore[misc]
    sys.argv = ["dsvl2-onnx", "app", "--new-window"]
    try:
        run()
    except SystemExit as end:
        if end.code:
            raise
    if not ended:
        raise SystemExit(1)


if __name__ == "__main__":
    play(SCENES[sys.argv[1]], Path(sys.argv[2]))
