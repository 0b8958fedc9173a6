"""Whether there is a screen that answers: Qt finds out too late, and then aborts the process."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from dsvl2_app.capture.xcb import library, x_server
from dsvl2_runtime.errors import UsageError

CONNECT_SECONDS = 5.0


def require_display() -> None:
    """Look for a display server as Qt does; on Windows and macOS there always is one.

    Raises:
        UsageError: no variable names one, or none of those that are named answers.
    """
    if sys.platform in ("win32", "darwin"):
        return
    servers: dict[str, Callable[[], bool]] = {"WAYLAND_DISPLAY": wayland_answers, "DISPLAY": x11_answers}
    chosen = os.environ.get("QT_QPA_PLATFORM", "").partition(":")[0].partition(";")[0]
    if chosen:
        only = {"xcb": "DISPLAY", "wayland": "WAYLAND_DISPLAY", "wayland-egl": "WAYLAND_DISPLAY"}.get(chosen)
        if only is None:
            return  # offscreen and the like need no server
        servers = {only: servers[only]}
    named = {name: answers for name in servers if os.environ.get(name) for answers in (servers[name],)}
    if not named:
        raise UsageError(f"there is no screen to show a window on: {_listed(servers)} not set")
    if not any(answers() for answers in named.values()):
        values = " and ".join(f"{name}={os.environ[name]}" for name in named)
        raise UsageError(
            f"the screen that {values} names does not answer; is its server running, and may this user use it?"
        )


def _listed(servers: dict[str, Callable[[], bool]]) -> str:
    names = [name for name in ("DISPLAY", "WAYLAND_DISPLAY") if name in servers]
    return f"{' and '.join(names)} {'are' if len(names) > 1 else 'is'}"


def x11_answers() -> bool:
    """Whether an X server lets us in. Without libxcb nobody can tell; that it is missing is said elsewhere."""
    if library() is None:
        return True
    with x_server() as server:
        return server is not None


def wayland_answers() -> bool:
    """Whether somebody listens on the socket of the compositor."""
    path = Path(os.environ.get("XDG_RUNTIME_DIR", "/"), os.environ["WAYLAND_DISPLAY"])
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(CONNECT_SECONDS)
        with suppress(OSError, ValueError):
            connection.connect(str(path))
            return True
    return False
