"""The picture of each screen through Qt itself: X11 and Windows."""

from __future__ import annotations

import os
import sys

from PySide6.QtCore import QRect
from PySide6.QtGui import QGuiApplication, QScreen

from dsvl2_app.capture.handler import CaptureError, CaptureHandler, FrozenScreen
from dsvl2_app.capture.x11_frames import window_frames
from dsvl2_app.state.app_request import CaptureKind
from dsvl2_app.state.selection import Area
from dsvl2_app.texts import capture as texts
from dsvl2_runtime.engine.wire_error import wire_error

PLATFORMS = ("xcb", "windows")
"""Qt's names of the platforms on which `grabWindow(0)` is the screen."""


class QtScreens(CaptureHandler):
    """`QScreen.grabWindow`, which keeps every pixel of a screen at any scale factor."""

    name = "Qt"

    def unusable(self) -> str | None:
        """Wayland shows no program the screen, also where a window runs through XWayland."""
        if os.environ.get("WAYLAND_DISPLAY"):
            return texts.wayland_shows_nothing()
        platform = QGuiApplication.platformName()
        return None if platform in PLATFORMS else texts.platform_without_screens(platform)

    def start(self, _kind: CaptureKind) -> None:
        """Freeze all screens in one go."""
        try:
            frames = window_frames() if sys.platform.startswith("linux") else ()
            screens = tuple(freeze(screen, frames) for screen in QGuiApplication.screens())
        except CaptureError as error:
            self.failed.emit(wire_error(error))
        else:
            self.froze.emit(screens)


def freeze(screen: QScreen, frames: tuple[QRect, ...]) -> FrozenScreen:
    """One screen.

    Args:
        screen: to freeze.
        frames: of windows in native pixels of the whole desktop.

    Raises:
        CaptureError: the system gives no picture.
    """
    image = screen.grabWindow(0).toImage()
    if image.isNull():
        raise CaptureError(texts.no_picture_of(screen.name()))
    image.setDevicePixelRatio(1.0)
    corner = native_corner(screen)
    areas = (Area(frame.x() - corner[0], frame.y() - corner[1], frame.width(), frame.height()) for frame in frames)
    inside = tuple(area for part in areas if (area := part.cut_to(image.width(), image.height())) is not None)
    return FrozenScreen(screen.name(), screen.geometry(), image, inside)


def native_corner(screen: QScreen) -> tuple[int, int]:
    """Where a screen begins in native pixels of the desktop.

    Qt leaves the corner of each screen where the system has it, and divides only what is relative to it by the scale
    factor ("High DPI" in Qt's documentation).
    """
    return screen.geometry().x(), screen.geometry().y()
