"""macOS: the system's own program `screencapture`, which asks for the right to record the screen by itself."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from pathlib import Path

from dsvl2_app.capture.handler import CaptureError, DialogHandler
from dsvl2_app.capture.portal import read_and_delete
from dsvl2_app.state.app_request import CaptureKind
from dsvl2_app.texts import capture as texts

PROGRAM = "/usr/sbin/screencapture"
OPTIONS: dict[CaptureKind, tuple[str, ...]] = {"region": ("-i", "-s"), "window": ("-i", "-w", "-o"), "screen": ("-m",)}
"""-i: the user chooses; -s a rectangle, -w a window, -o without its shadow; -m: the main screen (its manual page)."""
LOOK_SECONDS = 0.2


class Screencapture(DialogHandler):
    """Runs the program into a private folder, which is deleted with what is in it."""

    name = "screencapture"

    def __init__(self, program: str = PROGRAM) -> None:
        super().__init__()
        self._program = program

    def unusable(self) -> str | None:
        """It belongs to macOS."""
        if sys.platform != "darwin":
            return texts.only_on_macos()
        return None if Path(self._program).exists() else texts.missing_program(self._program)

    def take(self, kind: CaptureKind, stopped: threading.Event) -> bytes | None:
        """Run it and read its file; no file means that the user pressed Escape."""
        with tempfile.TemporaryDirectory(prefix="dsvl2-capture-") as folder:
            file = Path(folder, "screen.png")
            command = [self._program, "-x", "-t", "png", *OPTIONS[kind], str(file)]  # -x: no sound
            try:
                process = subprocess.Popen(  # noqa: S603 - the system's program, by its whole path
                    command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
                )
            except OSError as error:
                raise CaptureError(texts.program_failed(self._program, str(error.strerror))) from error
            errors = _wait(process, stopped)
            if stopped.is_set():
                return None
            if file.exists():
                return read_and_delete(file)
            if process.returncode != 0 and errors:  # without the right to record the screen it says so
                raise CaptureError(texts.program_failed(self._program, errors))
            return None


def _wait(process: subprocess.Popen[bytes], stopped: threading.Event) -> str:
    """Wait for the end, and for the wish to stop; returns what it said on standard error."""
    while True:
        with suppress(subprocess.TimeoutExpired):
            _, errors = process.communicate(timeout=LOOK_SECONDS)
            return errors.decode("utf-8", "replace").strip()
        if stopped.is_set():
            process.terminate()
