"""The window itself: its name, menus, panes and places."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QCoreApplication

APP_NAME = "dsvl2-onnx"
"""A name, the same in every language."""


def title(conversation: str) -> str:
    """Of the window: what is talked about, then the program."""
    return f"{conversation} – {APP_NAME}" if conversation else APP_NAME


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
    return QCoreApplication.translate("window", "Text n&ormal")


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


def speed(tokens_per_second: float) -> str:
    """In the status bar."""
    text = QCoreApplication.translate("window", "{number} tokens/s")
    return text.format(number=f"{tokens_per_second:.0f}" if tokens_per_second >= 10 else f"{tokens_per_second:.1f}")


def context(used: int, most: int) -> str:
    """In the status bar."""
    return QCoreApplication.translate("window", "context {used} / {most}").format(used=f"{used:,}", most=f"{most:,}")


def context_tip() -> str:
    """Over that."""
    return QCoreApplication.translate("window", "How much of what the model can remember this conversation takes")


def memory(used: int) -> str:
    """In the status bar."""
    return QCoreApplication.translate("window", "memory {number} GB").format(number=f"{used / 1e9:.1f}")


def memory_tip() -> str:
    """Over that."""
    return QCoreApplication.translate("window", "Memory of the window and the engine together")


def offline() -> str:
    """On the shield."""
    return QCoreApplication.translate("window", "Off&line")


def offline_tip() -> str:
    """Over the shield."""
    return QCoreApplication.translate("window", "Nothing leaves this computer: what is kept where")


def offline_title() -> str:
    """On the card that the shield opens."""
    return QCoreApplication.translate("window", "Nothing leaves this computer")


def offline_lines(folder: str) -> tuple[str, ...]:
    """On that card."""
    return (
        QCoreApplication.translate("window", "The program opens no connection to the network."),
        QCoreApplication.translate(
            "window",
            "Pictures are copied into a temporary folder that only you can read; it is deleted when the window closes.",
        ),
        QCoreApplication.translate(
            "window", "Conversations are kept on this computer until you delete them; “Keep nothing” keeps none."
        ),
        QCoreApplication.translate("window", "Size, place and theme of the window: {folder}").format(folder=folder),
    )


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
