"""The screenshot portal of Linux desktops, which is the only way under Wayland.

The desktop asks the user, writes a file and names it. The file is read and deleted here. PySide6's own QtDBus cannot
read the dictionary of the answer, so jeepney speaks with the bus, in a thread.

Source: `org.freedesktop.portal.Screenshot` and `org.freedesktop.portal.Request` in the documentation of XDG Desktop
Portal.
"""

from __future__ import annotations

import os
import secrets
import stat
import sys
import threading
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from dsvl2_app.capture.handler import CaptureError, DialogHandler
from dsvl2_app.state.app_request import CaptureKind
from dsvl2_app.texts import capture as texts
from dsvl2_runtime.inputs.images import LARGEST_FILE_BYTES

BUS_NAME, OBJECT = "org.freedesktop.portal.Desktop", "/org/freedesktop/portal/desktop"
INTERFACE, REQUEST_INTERFACE = "org.freedesktop.portal.Screenshot", "org.freedesktop.portal.Request"
ADDRESS = "DBUS_SESSION_BUS_ADDRESS"
CALL_SECONDS = 20.0
"""For the first reply, which may have to start the portal; the user may take longer over the dialog."""
LOOK_SECONDS = 0.2
"""Between looks at whether nobody waits any more."""
CANCELLED = 1


class Portal(DialogHandler):
    """Asks the desktop for a screenshot; it shows its own dialog unless the whole screen is wanted."""

    name = "xdg-desktop-portal"

    def unusable(self) -> str | None:
        """It needs a session bus and the package that speaks with it."""
        if not sys.platform.startswith("linux"):
            return texts.only_on_linux()
        if not os.environ.get(ADDRESS) and not session_bus().exists():
            return texts.no_session_bus()
        return None if find_spec("jeepney") is not None else texts.missing_package("jeepney")

    def take(self, kind: CaptureKind, stopped: threading.Event) -> bytes | None:
        """Call the portal and wait for its answer."""
        return take_screenshot(interactive=kind != "screen", stopped=stopped)


def session_bus() -> Path:
    """Where the session's bus is where no variable names it."""
    return Path(os.environ.get("XDG_RUNTIME_DIR", "/nonexistent"), "bus")


def take_screenshot(interactive: bool, stopped: threading.Event) -> bytes | None:
    """The content of the picture that the desktop has taken; None if the user or this program has cancelled it.

    Raises:
        CaptureError: there is no portal, it refuses, or its answer is of no use.
    """
    from jeepney.io.blocking import open_dbus_connection
    from jeepney.wrappers import DBusErrorResponse

    try:
        with open_dbus_connection(os.environ.get(ADDRESS) or f"unix:path={session_bus()}") as bus:
            code, results = _answer(bus, interactive, stopped)
    except DBusErrorResponse as error:
        raise CaptureError(texts.portal_failed(_words(error))) from error
    except (OSError, ValueError, RuntimeError, StopIteration) as error:  # an address that is none gives the last three
        raise CaptureError(texts.portal_failed(str(error) or type(error).__name__)) from error
    if code == CANCELLED:
        return None
    if code != 0:
        raise CaptureError(texts.portal_failed(texts.portal_ended(code)))
    return read_and_delete(file_of(results))


def _answer(bus: Any, interactive: bool, stopped: threading.Event) -> tuple[int, dict[str, tuple[str, object]]]:
    """Call the portal and wait for its signal, which may be faster than its reply."""
    from jeepney import DBusAddress, MatchRule, new_method_call
    from jeepney.bus_messages import message_bus
    from jeepney.io.blocking import Proxy
    from jeepney.wrappers import unwrap_msg

    token = f"dsvl2_{secrets.token_hex(8)}"
    path = f"{OBJECT}/request/{bus.unique_name.removeprefix(':').replace('.', '_')}/{token}"
    rule = MatchRule(type="signal", interface=REQUEST_INTERFACE, member="Response", path=path)
    options = {"handle_token": ("s", token), "interactive": ("b", interactive), "modal": ("b", False)}
    portal = DBusAddress(OBJECT, bus_name=BUS_NAME, interface=INTERFACE)
    with bus.filter(rule) as answers:
        Proxy(message_bus, bus, timeout=CALL_SECONDS).AddMatch(rule)
        call = new_method_call(portal, "Screenshot", "sa{sv}", ("", options))
        unwrap_msg(bus.send_and_get_reply(call, timeout=CALL_SECONDS))
        while not stopped.is_set():
            with suppress(TimeoutError):
                code, results = bus.recv_until_filtered(answers, timeout=LOOK_SECONDS).body
                return int(code), dict(results)
    bus.send(new_method_call(DBusAddress(path, bus_name=BUS_NAME, interface=REQUEST_INTERFACE), "Close"))
    return CANCELLED, {}


def _words(error: Any) -> str:
    """What a refusal of the bus says; its name if it says nothing."""
    return " ".join(str(part) for part in error.data) or str(error.name)


def file_of(results: dict[str, tuple[str, object]]) -> Path:
    """The file that an answer names.

    Raises:
        CaptureError: it names none on this computer.
    """
    uri = str(results.get("uri", ("s", ""))[1])
    parts = urlsplit(uri)
    path = Path(unquote(parts.path))
    if parts.scheme != "file" or parts.netloc not in ("", "localhost") or not path.is_absolute() or "\0" in str(path):
        raise CaptureError(texts.portal_failed(texts.no_file_named(uri)))
    return path


def read_and_delete(path: Path) -> bytes:
    """The content of a file that was written for us, which is deleted at once.

    Raises:
        CaptureError: it is not there, not a regular file, or too large.
    """
    try:
        # A pipe is not waited for, and a link is neither followed nor deleted.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0))
        with os.fdopen(descriptor, "rb") as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise CaptureError(texts.portal_failed(texts.not_a_file(path.name)))
            data = file.read(LARGEST_FILE_BYTES + 1)
            path.unlink(missing_ok=True)
    except OSError as error:
        raise CaptureError(texts.portal_failed(f"{path.name}: {error.strerror}")) from error
    if not data or len(data) > LARGEST_FILE_BYTES:
        raise CaptureError(texts.portal_failed(texts.useless_file(path.name, len(data))))
    return data
