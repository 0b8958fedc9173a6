"""The ways to take a picture of the screen that need no screen to be tested: portal, program, and which is chosen."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from dsvl2_app.capture.handler import CaptureError, CaptureHandler
from dsvl2_app.capture.handlers import all_handlers, usable_handlers
from dsvl2_app.capture.macos import Screencapture
from dsvl2_app.capture.portal import Portal, file_of, read_and_delete, take_screenshot
from dsvl2_app.capture.qt_screens import QtScreens
from dsvl2_runtime.engine.wire_error import WireError
from waiting import wait_until
from windows import PATIENCE

pytestmark = pytest.mark.gui

FAKE_PORTAL = Path(__file__).parents[1] / "fake_portal.py"
needs_bus = pytest.mark.skipif(
    shutil.which("dbus-daemon") is None or not sys.platform.startswith("linux"), reason="needs the program dbus-daemon"
)
needs_scripts = pytest.mark.skipif(sys.platform == "win32", reason="the stand-in is a shell script")
StartPortal = Callable[[str, Path], None]


@pytest.fixture
def portal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StartPortal]:
    """Starts a private session bus with a portal that answers in one way."""
    with ExitStack() as running:

        def start(what: str, file: Path) -> None:
            bus = subprocess.Popen(
                ["dbus-daemon", "--session", "--nofork", "--nosyslog", "--print-address"], stdout=subprocess.PIPE
            )
            running.callback(bus.wait)
            running.callback(bus.terminate)  # it removes its socket
            assert bus.stdout is not None
            running.callback(bus.stdout.close)
            monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", bus.stdout.readline().decode("ascii").strip())
            answering = subprocess.Popen([sys.executable, FAKE_PORTAL, what, file], stdout=subprocess.PIPE)
            running.callback(answering.wait)
            running.callback(answering.kill)
            assert answering.stdout is not None
            running.callback(answering.stdout.close)
            assert answering.stdout.readline() == b"ready\n"

        yield start


@needs_bus
def test_the_portal_gives_a_picture_whose_file_is_deleted(portal: StartPortal, tmp_path: Path, qtbot: QtBot) -> None:
    """Read, deleted, and handed over in the window's thread."""
    file = tmp_path / "a b é.png"
    file.write_bytes(b"picture")
    portal("picture", file)
    handler = Portal()
    assert handler.unusable() is None
    with qtbot.waitSignal(handler.chose, timeout=PATIENCE) as chosen:
        handler.start("region")
    assert chosen.args == [b"picture"]
    assert not file.exists()


@needs_bus
def test_a_user_who_cancels_gives_no_picture(portal: StartPortal, tmp_path: Path, qtbot: QtBot) -> None:
    portal("cancel", tmp_path / "x.png")
    handler = Portal()
    with qtbot.waitSignal(handler.cancelled, timeout=PATIENCE):
        handler.start("region")


@needs_bus
@pytest.mark.parametrize(
    ("what", "said"),
    [("fail", "code 2"), ("refuse", "not in this session"), ("web", "names no file"), ("picture", "x.png")],
)
def test_a_portal_that_fails_is_explained(what: str, said: str, portal: StartPortal, tmp_path: Path) -> None:
    """The last one names a file that is not there."""
    portal(what, tmp_path / "x.png")
    with pytest.raises(CaptureError, match=said):
        take_screenshot(True, threading.Event())


@needs_bus
def test_a_dialog_that_nobody_waits_for_is_closed(portal: StartPortal, tmp_path: Path) -> None:
    """The window is closed while the desktop still asks."""
    told = tmp_path / "told"
    portal("hold", told)
    stopped = threading.Event()
    threading.Timer(0.3, stopped.set).start()
    assert take_screenshot(True, stopped) is None
    wait_until(told.exists, "the portal is told")


@needs_bus
def test_a_bus_without_a_portal_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, qtbot: QtBot) -> None:
    """As an address that leads nowhere, and one that is none."""
    for address in (f"unix:path={tmp_path}/nothing", "nonsense", "tcp:host=localhost,port=1"):
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", address)
        handler = Portal()
        with qtbot.waitSignal(handler.failed, timeout=PATIENCE) as failed:
            handler.start("screen")
        assert failed.args is not None
        (error,) = failed.args
        assert isinstance(error, WireError)
        assert error.name == "CaptureError"


def test_only_a_file_of_this_computer_is_read(tmp_path: Path) -> None:
    """Neither an address, nor a file of another computer, a link, a folder, or an empty file."""
    for uri in ("https://example.org/x.png", "file://elsewhere/x.png", "", "file:x.png", "file:///a%00b"):
        with pytest.raises(CaptureError, match="names no file"):
            file_of({"uri": ("s", uri)})
    assert file_of({"uri": ("s", "file:///a%20b.png")}) == Path("/a b.png")
    kept, link, empty = tmp_path / "kept.png", tmp_path / "link.png", tmp_path / "empty.png"
    kept.write_bytes(b"x")
    empty.touch()
    refused = [tmp_path, empty]
    if sys.platform != "win32":
        link.symlink_to(kept)
        os.mkfifo(tmp_path / "pipe")
        refused += [link, tmp_path / "pipe"]
    for path in refused:
        with pytest.raises(CaptureError):
            read_and_delete(path)
    assert kept.read_bytes() == b"x"


@needs_scripts
@pytest.mark.parametrize("what", ["picture", "escape", "denied"])
def test_the_program_of_macos_is_run_into_a_private_folder(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, qtbot: QtBot
) -> None:
    """A stand-in that does what the real one does: writes the last argument, or nothing, or says why not."""
    monkeypatch.setenv("TMPDIR", str(tmp_path / "t"))
    monkeypatch.setattr("tempfile.tempdir", None)
    (tmp_path / "t").mkdir()
    program = tmp_path / "screencapture"
    does = {
        "picture": 'for last; do :; done; printf picture > "$last"',
        "escape": "exit 1",
        "denied": "echo could not create image from rect >&2; exit 1",
    }[what]
    program.write_text(f'#!/bin/sh\necho "$@" > "$0.log"\n{does}\n')
    program.chmod(0o700)
    handler = Screencapture(str(program))
    ends = {"picture": handler.chose, "escape": handler.cancelled, "denied": handler.failed}
    with qtbot.waitSignal(ends[what], timeout=PATIENCE) as end:
        handler.start("region")
    assert "-i -s" in Path(f"{program}.log").read_text("utf-8")
    if what == "picture":
        assert end.args == [b"picture"]
    elif what == "denied":
        assert end.args is not None
        assert "could not create image" in end.args[0].message
    assert list((tmp_path / "t").iterdir()) == []


def test_handlers_are_tried_in_their_order_and_say_why_they_cannot_work(
    monkeypatch: pytest.MonkeyPatch, qtbot: QtBot
) -> None:
    """Offscreen nothing captures; under Wayland, Qt cannot, even through X11."""
    monkeypatch.delenv("DBUS_SESSION_BUS_ADDRESS", raising=False)
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    handlers = all_handlers()
    assert [type(handler) for handler in handlers] == [QtScreens, Screencapture, Portal]
    with pytest.raises(CaptureError) as caught:
        usable_handlers(handlers)
    for handler in handlers:
        assert f"{handler.name}: {handler.unusable()}" in str(caught.value)

    class Works(CaptureHandler):
        def unusable(self) -> str | None:
            return None

    works = Works()
    assert usable_handlers([*handlers, works]) == [works]
    monkeypatch.setattr("PySide6.QtGui.QGuiApplication.platformName", lambda: "xcb")
    assert QtScreens().unusable() is None
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    assert "Wayland" in (QtScreens().unusable() or "")
