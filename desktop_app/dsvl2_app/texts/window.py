"""The window itself: its name, menus, panes and places."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QCoreApplication

APP_NAME = "dsvl2-onnx"
"""A name, the same in every language."""


def file_menu() -> str:
    """The menu; & marks its key."""
    return QCoreApplication.translate("window", "&File")


def view_menu() -> str:
    """The menu."""
    return QCoreApplication.translate("window", "&View")


def conversation_menu() -> str:
    """The menu."""
    return QCoreApplication.translate("window", "&Conversation")


def help_menu() -> str:
    """The menu."""
    return QCoreApplication.translate("window", "&Help")


def quit_app() -> str:
    """The menu entry."""
    return QCoreApplication.translate("window", "&Quit")


def show_sidebar() -> str:
    """The menu entry and the button."""
    return QCoreApplication.translate("window", "Show &conversations")


def theme_menu() -> str:
    """The menu inside the view menu."""
    return QCoreApplication.translate("window", "&Theme")


def theme_system() -> str:
    """Light or dark as the system is."""
    return QCoreApplication.translate("window", "As the &system")


def theme_light() -> str:
    """The menu entry."""
    return QCoreApplication.translate("window", "&Light")


def theme_dark() -> str:
    """The menu entry."""
    return QCoreApplication.translate("window", "&Dark")


def next_pane() -> str:
    """The menu entry: the focus goes to the next pane."""
    return QCoreApplication.translate("window", "&Next pane")


def larger_text() -> str:
    """The menu entry."""
    return QCoreApplication.translate("window", "Text &larger")


def smaller_text() -> str:
    """The menu entry."""
    return QCoreApplication.translate("window", "Text &smaller")


def normal_text() -> str:
    """The menu entry."""
    return QCoreApplication.translate("window", "Text &normal")


def conversations() -> str:
    """What a screen reader calls the pane at the left."""
    return QCoreApplication.translate("window", "Conversations")


def conversation() -> str:
    """What a screen reader calls the pane at the right."""
    return QCoreApplication.translate("window", "Conversation")


def model_tip() -> str:
    """Of the button with the model's name."""
    return QCoreApplication.translate("window", "The model that answers")


def progress() -> str:
    """What a screen reader calls the bar."""
    return QCoreApplication.translate("window", "Progress")


def settings() -> str:
    """Of the button with the gear."""
    return QCoreApplication.translate("window", "Settings (Ctrl+,)")


def close_all(count: int) -> str:
    """Below several messages."""
    return QCoreApplication.translate("window", "Close all {count}").format(count=count)


def close_note() -> str:
    """The button on a note."""
    return QCoreApplication.translate("window", "Close this note")


def file_filter(endings: Sequence[str]) -> str:
    """Of the dialog that opens files."""
    pictures = QCoreApplication.translate("window", "Pictures ({endings})")
    everything = QCoreApplication.translate("window", "All files (*)")
    return f"{pictures.format(endings=' '.join('*' + ending for ending in endings))};;{everything}"
