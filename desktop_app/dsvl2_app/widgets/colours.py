"""The colours of the window by what they are for, light and dark; contrasts are checked by a test."""

from __future__ import annotations

from typing import Literal

Role = Literal[
    "background", "surface", "sunken", "line", "text", "muted", "accent", "accent_soft", "on_accent",
    "warning", "warning_soft", "error", "error_soft", "ok", "ok_soft", "hover",
]  # fmt: skip
"""`surface` is that of cards and fields, `sunken` lies behind a picture, `..._soft` behind a text of that role."""

LIGHT: dict[Role, str] = {
    "background": "#F7F8FA", "surface": "#FFFFFF", "sunken": "#EEF0F3", "line": "#D9DDE3", "text": "#1B1F24",
    "muted": "#5B6470", "accent": "#2563EB", "accent_soft": "#E4ECFE", "on_accent": "#FFFFFF",
    "warning": "#7A4D00", "warning_soft": "#FFF6E0", "error": "#A3201D", "error_soft": "#FDECEC",
    "ok": "#1A7F37", "ok_soft": "#E6F6EA", "hover": "#EBEEF3",
}  # fmt: skip
DARK: dict[Role, str] = {
    "background": "#16181C", "surface": "#1F2227", "sunken": "#121417", "line": "#343A42", "text": "#E8EAED",
    "muted": "#A3ACB8", "accent": "#6EA1FF", "accent_soft": "#20304F", "on_accent": "#0B1220",
    "warning": "#F2C566", "warning_soft": "#33290F", "error": "#FF9B94", "error_soft": "#3A1B1B",
    "ok": "#5CCB7A", "ok_soft": "#15301D", "hover": "#2A2E35",
}  # fmt: skip
BOXES = ("#2563EB", "#D9480F", "#0B8A5C", "#A21CAF")
"""Of boxes on a picture, one after the other; the same in both themes, as the picture is."""
ON_BOX = "#FFFFFF"
"""Of the number on a box."""
