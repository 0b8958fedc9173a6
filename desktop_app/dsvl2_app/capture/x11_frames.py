"""Where the windows are on X11, as the window manager tells it (Extended Window Manager Hints, freedesktop.org)."""

from __future__ import annotations

from PySide6.QtCore import QRect

from dsvl2_app.capture.xcb import XServer, x_server

STACKING = "_NET_CLIENT_LIST_STACKING"
OUTER, SHADOW = "_NET_FRAME_EXTENTS", "_GTK_FRAME_EXTENTS"
"""What the window manager draws around a window, and the part of a window that is only its shadow: left, right, top,
bottom in pixels."""


def window_frames() -> tuple[QRect, ...]:
    """Frames with their borders in native pixels of the desktop, the topmost first; empty where nobody tells."""
    with x_server() as server:
        if server is None:
            return ()
        windows = reversed(server.property_words(server.root, STACKING))
        return tuple(frame for window in windows if (frame := _frame(server, window)) is not None)


def _frame(server: XServer, window: int) -> QRect | None:
    geometry = server.geometry(window)
    if geometry is None or not server.is_viewable(window):
        return None
    frame = QRect(*geometry)
    outer, shadow = server.property_words(window, OUTER), server.property_words(window, SHADOW)
    if len(outer) == 4:
        left, right, top, bottom = outer
        frame.adjust(-left, -top, right, bottom)
    if len(shadow) == 4:
        left, right, top, bottom = shadow
        frame.adjust(left, top, -right, -bottom)
    return frame
