"""Which ways to take a picture of the screen there are, in order of preference."""

from __future__ import annotations

from collections.abc import Sequence

from dsvl2_app.capture.handler import CaptureError, CaptureHandler
from dsvl2_app.capture.macos import Screencapture
from dsvl2_app.capture.portal import Portal
from dsvl2_app.capture.qt_screens import QtScreens
from dsvl2_app.texts import capture as texts


def all_handlers() -> list[CaptureHandler]:
    """One of each, the best first: our own overlay, then the dialogs of systems."""
    return [QtScreens(), Screencapture(), Portal()]


def usable_handlers(handlers: Sequence[CaptureHandler]) -> list[CaptureHandler]:
    """Those that may work here, in their order.

    Raises:
        CaptureError: none may; it says why of each.
    """
    reasons = {handler.name: handler.unusable() for handler in handlers}
    usable = [handler for handler in handlers if reasons[handler.name] is None]
    if not usable:
        raise CaptureError(texts.nothing_captures({name: reason or "" for name, reason in reasons.items()}))
    return usable
