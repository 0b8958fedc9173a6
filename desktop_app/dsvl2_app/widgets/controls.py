"""Buttons, labels and cards as this window has them: what each is, it tells the style sheet by a property."""

from __future__ import annotations

from typing import Literal

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QLabel, QPushButton, QWidget

from dsvl2_app.texts.mnemonics import plain
from dsvl2_app.widgets import theme
from dsvl2_app.widgets.colours import Role

ButtonKind = Literal["normal", "primary", "pill", "flat"]
Tone = Literal["normal", "muted", "error", "accent"]
FrameKind = Literal["card", "note", "error"]


def button(text: str, icon: str | None = None, kind: ButtonKind = "normal", tip: str | None = None) -> QPushButton:
    """A button. With a tip instead of a text it has an icon alone, and the tip is its name for screen readers.

    Without both it gets its text later, and has the width of that.

    Args:
        text: shown on it; & marks its key.
        icon: a name in the folder `icons`.
        kind: `primary` at most once in a view, `flat` without a border, `pill` for one of many.
        tip: shown under the pointer.
    """
    made = QPushButton(text)
    made.setProperty("kind", kind)
    if icon is not None:
        roles: dict[ButtonKind, Role] = {"primary": "on_accent", "flat": "muted"}
        theme.set_icon(made, icon, roles.get(kind, "text"))
        made.setIconSize(theme.icon_size())
    if not text and tip is not None:
        made.setFixedSize(theme.BUTTON_HEIGHT, theme.BUTTON_HEIGHT)
    made.setToolTip(plain(tip or ""))
    made.setAccessibleName(plain(text or tip or ""))
    made.setAutoDefault(False)
    return made


def label(text: str, tone: Tone = "normal", size: theme.TextSize = "body", *, wraps: bool = False) -> QLabel:
    """Plain text, never markup."""
    made = QLabel(text)
    made.setTextFormat(Qt.TextFormat.PlainText)
    made.setProperty("tone", tone)
    made.setProperty("textSize", size)  # "size" is a property of every widget
    made.setWordWrap(wraps)
    if wraps:
        made.setMinimumWidth(1)  # a long path in an error must not widen the window
    return made


def frame(kind: FrameKind) -> QFrame:
    """A card, a note or an error; its layout is the caller's."""
    made = QFrame()
    restyle(made, kind=kind)
    return made


def restyle(widget: QWidget, **properties: str | bool) -> None:
    """Set properties that the style sheet looks at, and show them at once; nothing is done where they are set."""
    if all(widget.property(name) == value for name, value in properties.items()):
        return
    for name, value in properties.items():
        widget.setProperty(name, value)
    widget.style().unpolish(widget)
    widget.style().polish(widget)
