"""A real X server with a window manager for tests that drive the program from outside: keys, mouse and clipboard."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from waiting import wait_until

PROGRAMS = ("Xvfb", "openbox", "xdotool", "xclip", "xrandr", "xprop")
MISSING = [name for name in PROGRAMS if shutil.which(name) is None]
LIBRARIES = ("libxcb-cursor.so.0", "libxcb-icccm.so.4", "libxcb-keysyms.so.1", "libxkbcommon-x11.so.0")

needs_x11 = pytest.mark.skipif(
    bool(MISSING), reason=f"needs {', '.join(PROGRAMS)}, of which this machine has no {', '.join(MISSING)}"
)
"""On Debian: xvfb openbox xdotool xclip x11-xserver-utils x11-utils, and what the window needs for X11."""


class Screen:
    """One X server, its window manager, and a person in front of it."""

    def __init__(self, display: str, home: Path) -> None:
        self.display = display
        self.environment = {**os.environ, "DISPLAY": display, "HOME": str(home), "XDG_SESSION_TYPE": "x11"}
        self.environment.pop("QT_QPA_PLATFORM", None)

    def run(self, *command: str, data: bytes = b"") -> str:
        """Run a program on it and give what it prints."""
        found = subprocess.run(command, env=self.environment, input=data, capture_output=True, check=False)
        assert found.returncode == 0, (command, found.stderr.decode("utf-8", "replace"))
        return found.stdout.decode("utf-8", "replace")

    def start(self, *command: str, extra: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
        """Start a program on it, whose outputs are kept apart."""
        return subprocess.Popen(
            command, env={**self.environment, **(extra or {})}, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    def monitors(self, *places: tuple[str, int, int, int, int]) -> None:
        """Divide the screen into monitors of (name, width, height, x, y)."""
        for number, (name, width, height, x, y) in enumerate(places):
            output = "screen" if number == 0 else "none"
            self.run("xrandr", "--setmonitor", name, f"{width}/300x{height}/200+{x}+{y}", output)

    def windows(self, title: str) -> list[str]:
        """The visible windows whose title has these words."""
        found = subprocess.run(
            ["xdotool", "search", "--onlyvisible", "--name", title],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            check=False,
        )
        return found.stdout.decode("ascii").split()

    def focused(self) -> str:
        """The title of the window that gets the keys."""
        found = subprocess.run(
            ["xdotool", "getwindowfocus", "getwindowname"],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            check=False,
        )
        return found.stdout.decode("utf-8", "replace").strip()

    def keys(self, *names: str) -> None:
        """Press keys, one after the other."""
        self.run("xdotool", "key", "--clearmodifiers", *names)

    def drag(self, start: tuple[int, int], end: tuple[int, int]) -> None:
        """Press, move in steps, let go; places are pixels of the whole screen."""
        self.run("xdotool", "mousemove", str(start[0]), str(start[1]), "mousedown", "1")
        for part in range(1, 5):
            x, y = (round(a + (b - a) * part / 4) for a, b in zip(start, end, strict=True))
            self.run("xdotool", "mousemove", str(x), str(y))
        self.run("xdotool", "mouseup", "1")

    def offers(self, kind: str) -> bool:
        """Whether the clipboard has something of this kind."""
        asked = ("xclip", "-selection", "clipboard", "-t", "TARGETS", "-o")
        found = subprocess.run(asked, env=self.environment, capture_output=True, check=False)
        return kind in found.stdout.decode("utf-8", "replace").split()

    def copy_image(self, file: Path) -> subprocess.Popen[bytes]:
        """Put a picture into the clipboard from another program, which holds it until it is ended."""
        return self.start("xclip", "-selection", "clipboard", "-t", "image/png", "-quiet", "-i", str(file))


@contextmanager
def x_screen(home: Path, size: str = "1366x768") -> Iterator[Screen]:
    """A server with a window manager on a display of its own."""
    reading, writing = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(writing), "-screen", "0", f"{size}x24", "-nolisten", "tcp", "-noreset"],
        pass_fds=[writing],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(writing)
    manager: subprocess.Popen[bytes] | None = None
    try:
        with os.fdopen(reading, "rb") as pipe:
            number = pipe.readline().decode("ascii").strip()
        assert number, "Xvfb did not start"
        screen = Screen(f":{number}", home)
        manager = subprocess.Popen(
            ["openbox", "--sm-disable"],
            env=screen.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_until(lambda: "window id" in screen.run("xprop", "-root", "_NET_SUPPORTING_WM_CHECK"), "openbox")
        yield screen
    finally:
        for process in (manager, server):
            if process is not None:
                process.terminate()
                with suppress(subprocess.TimeoutExpired):
                    process.wait(10)
                process.kill()
