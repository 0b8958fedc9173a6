"""The program as a process of its own on a real X server with a window manager: screens, mouse, keys, clipboard."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from waiting import PATIENCE, wait_until
from x11 import Screen, needs_x11, x_screen

pytestmark = [pytest.mark.gui, needs_x11]

DRIVEN = Path(__file__).parents[1] / "driven_app.py"
OVERLAY = "Choose a part of the screen"
GREEN, RED = (0, 128, 0), (200, 0, 0)


class Program:
    """Starts of the program that share a temporary folder, as those of one user do."""

    def __init__(self, screen: Screen, folder: Path, running: ExitStack) -> None:
        self.screen, self.folder, self._running = screen, folder, running
        self.file = folder / "state.json"

    def start(self, *arguments: str, extra: dict[str, str] | None = None) -> subprocess.Popen[bytes]:
        command = [sys.executable, str(DRIVEN), str(self.file), *arguments]
        process = self.screen.start(*command, extra={"TMPDIR": str(self.folder), **(extra or {})})
        self._running.callback(process.wait, PATIENCE)
        self._running.callback(process.kill)
        return process

    @property
    def state(self) -> dict[str, Any]:
        """What the window shows; empty before there is one."""
        return json.loads(self.file.read_text("utf-8")) if self.file.exists() else {}

    def wait(self, **expected: object) -> dict[str, Any]:
        """Wait until the window shows this."""
        wait_until(
            lambda: all(self.state.get(name) == value for name, value in expected.items()),
            f"{expected} in {self.state}",
        )
        return self.state

    def images(self, count: int) -> list[Image.Image]:
        """Wait for so many images, then open what was kept of them."""
        wait_until(lambda: len(self.state.get("images", [])) == count, f"{count} images in {self.state}")
        return [Image.open(image["path"]) for image in self.state["images"]]


@pytest.fixture
def folder() -> Iterator[Path]:
    """Not below pytest's own, whose long names leave no room for the path of a socket."""
    with tempfile.TemporaryDirectory(prefix="dsvl2-") as name:
        yield Path(name)


@pytest.fixture
def screen(folder: Path) -> Iterator[Screen]:
    with x_screen(folder, "1400x900") as found:
        yield found


@pytest.fixture
def program(screen: Screen, folder: Path) -> Iterator[Program]:
    with ExitStack() as running:
        yield Program(screen, folder, running)


def paint(screen: Screen, folder: Path, place: tuple[int, int], size: tuple[int, int], colour: str) -> None:
    """Another program's window of one colour, without a frame of the window manager."""
    code = (
        "import sys\nfrom PySide6.QtWidgets import QApplication, QWidget\nfrom PySide6.QtCore import Qt\n"
        "app = QApplication([])\nw = QWidget(None, Qt.WindowType.FramelessWindowHint)\n"
        f"w.setWindowTitle('painted')\nw.setStyleSheet('background: {colour}')\n"
        f"w.setGeometry({place[0]}, {place[1]}, {size[0]}, {size[1]})\nw.show()\napp.exec()\n"
    )
    process = screen.start(sys.executable, "-c", code)
    PAINTED.append(process)
    wait_until(lambda: screen.windows("painted"), "the other window")


PAINTED: list[subprocess.Popen[bytes]] = []


@pytest.fixture(autouse=True)
def _end_painted() -> Iterator[None]:
    yield
    while PAINTED:
        PAINTED.pop().kill()


def test_a_region_is_dragged_with_the_mouse_and_asked_about(program: Program, screen: Screen, folder: Path) -> None:
    """`grab --ask` starts the program, freezes the screen, and asks about exactly the pixels that were dragged over."""
    paint(screen, folder, (300, 200), (400, 300), "rgb(0, 128, 0)")
    program.start("grab", "--ask", "What is the name?")
    wait_until(lambda: screen.windows(OVERLAY), "the overlay")
    wait_until(lambda: OVERLAY in screen.focused(), "the keys go to the overlay")
    screen.drag((320, 220), (519, 369))
    (image,) = program.images(1)
    assert image.size == (200, 150)
    assert image.convert("RGB").getcolors() == [(image.width * image.height, GREEN)]
    wait_until(lambda: [turn["state"] for turn in program.state["turns"]] == ["done"], "the answer")
    assert program.state["turns"][0]["question"] == "What is the name?"
    assert program.state["turns"][0]["answer"]
    program.wait(visible=True, question_has_focus=True)
    assert screen.windows(OVERLAY) == []


def test_keys_choose_a_region_without_a_mouse(program: Program, screen: Screen) -> None:
    """Space sets a corner, arrows move by one pixel and with Shift by ten, Enter takes it; Escape takes nothing."""
    program.start("grab")
    wait_until(lambda: OVERLAY in screen.focused(), "the overlay has the keys")
    screen.run("xdotool", "mousemove", "500", "400")
    screen.keys("space", "shift+Right", "shift+Right", "Right", "shift+Down", "Down", "Down", "Return")
    assert [image.size for image in program.images(1)] == [(22, 13)]
    program.start("grab").wait(PATIENCE)
    wait_until(lambda: OVERLAY in screen.focused(), "the overlay has the keys")
    screen.keys("Escape")
    wait_until(lambda: not screen.windows(OVERLAY), "the overlay is gone")
    program.wait(visible=True)
    assert len(program.state["images"]) == 1


def test_a_click_takes_the_window_under_the_pointer(program: Program, screen: Screen, folder: Path) -> None:
    """Its frame comes from the window manager."""
    paint(screen, folder, (300, 200), (400, 300), "rgb(200, 0, 0)")
    program.start("grab", "--window")
    wait_until(lambda: OVERLAY in screen.focused(), "the overlay has the keys")
    screen.run("xdotool", "mousemove", "450", "300", "click", "1")
    (image,) = program.images(1)
    assert image.size == (400, 300)
    assert image.convert("RGB").getcolors() == [(image.width * image.height, RED)]


def test_screens_of_different_scale_give_their_own_pixels(program: Program, screen: Screen, folder: Path) -> None:
    """At 150 % beside 100 %: on both, a region has as many pixels as the mouse has passed over."""
    screen.monitors(("left", 900, 900, 0, 0), ("right", 500, 700, 900, 100))
    factors = {"QT_SCREEN_SCALE_FACTORS": "left=1.5;right=1"}
    paint(screen, folder, (1000, 300), (200, 200), "rgb(0, 128, 0)")
    program.start("grab", extra=factors)
    wait_until(lambda: len(screen.windows(OVERLAY)) == 2, "an overlay on each screen")
    screen.drag((1010, 310), (1109, 409))
    (image,) = program.images(1)
    assert image.size == (100, 100)
    assert image.convert("RGB").getcolors() == [(image.width * image.height, GREEN)]
    program.start("grab").wait(PATIENCE)
    wait_until(lambda: len(screen.windows(OVERLAY)) == 2, "an overlay on each screen")
    screen.drag((150, 150), (449, 359))
    _, image = program.images(2)
    assert abs(image.width - 300) <= 2  # the mouse is known in whole points of 1.5 pixels
    assert abs(image.height - 210) <= 2
    screen.run("xdotool", "mousemove", "450", "450")
    program.start("grab", "--screen").wait(PATIENCE)
    assert program.images(3)[2].size == (900, 900)


def test_a_picture_is_pasted_from_another_program(program: Program, screen: Screen, folder: Path) -> None:
    """Ctrl+V takes what xclip offers, pixel for pixel."""
    copied = folder / "copied.png"
    Image.effect_noise((64, 48), 80).convert("RGB").save(copied)
    program.start("app")
    program.wait(active=True, question_has_focus=True)
    owner = screen.copy_image(copied)
    try:
        wait_until(lambda: screen.offers("image/png"), "xclip")
        screen.keys("ctrl+v")
        (image,) = program.images(1)
    finally:
        owner.kill()
    with Image.open(copied) as original:
        assert image.convert("RGB").tobytes() == original.tobytes()


def test_keys_ask_and_stop(program: Program, screen: Screen) -> None:
    """A question is typed and asked with Enter; Ctrl+Q ends the program with its engine."""
    process = program.start("app", str(DRIVEN.parents[1] / "examples" / "small_form.png"))
    program.images(1)
    program.wait(active=True, question_has_focus=True, model="ready")
    screen.run("xdotool", "type", "--delay", "20", "What is the name?")
    program.wait(question="What is the name?")
    screen.keys("Return")
    wait_until(lambda: [turn["answer"] for turn in program.state["turns"]] == ["Anna Weber"], "the answer")
    screen.keys("ctrl+q")
    assert process.wait(PATIENCE) == 0


def test_a_second_start_goes_to_the_open_window(program: Program, screen: Screen, tmp_path: Path) -> None:
    """Its picture is added there, its question is asked there, and no second window comes."""
    first = program.start("app")
    program.wait(visible=True)
    form = DRIVEN.parents[1] / "examples" / "small_form.png"
    second = program.start("app", str(form), "--ask", "What is the name?")
    assert second.wait(PATIENCE) == 0
    assert second.communicate()[1] == b""
    wait_until(lambda: [turn["answer"] for turn in program.state["turns"]] == ["Anna Weber"], "the answer")
    assert program.state["process"] == first.pid
    other = program.start("app", "--model", str(tmp_path))
    _, errors = other.communicate(timeout=PATIENCE)
    assert other.returncode == 9
    assert b"--new-window" in errors
    assert len(errors.splitlines()) == 1


def test_two_starts_at_the_same_moment_give_one_window(program: Program, screen: Screen) -> None:
    """One gets the lock; the other waits until that listens."""
    starts = [program.start("app") for _ in range(3)]
    wait_until(lambda: sum(start.poll() is None for start in starts) == 1, "two have ended")
    assert sorted(start.poll() or 0 for start in starts) == [0, 0, 0]
    (left,) = (start for start in starts if start.poll() is None)
    program.wait(visible=True, process=left.pid)


def test_a_server_that_does_not_answer_is_said_in_one_line(program: Program, screen: Screen) -> None:
    """Qt itself would abort with a signal."""
    for variables in ({"DISPLAY": ":987"}, {"DISPLAY": "", "WAYLAND_DISPLAY": "wayland-987"}):
        process = program.start("app", extra=variables)
        output, errors = process.communicate(timeout=PATIENCE)
        assert (process.returncode, output) == (2, b"")
        assert len(errors.splitlines()) == 1
        assert b"does not answer" in errors
