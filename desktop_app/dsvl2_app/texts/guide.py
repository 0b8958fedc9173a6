"""Texts of the help menu and its pages."""

from __future__ import annotations

from PySide6.QtCore import QCoreApplication


def keys_entry() -> str:
    """The menu entry."""
    return QCoreApplication.translate("guide", "&Keys")


def privacy_entry() -> str:
    """The menu entry."""
    return QCoreApplication.translate("guide", "&What is kept and what is sent")


def log_entry() -> str:
    """The menu entry."""
    return QCoreApplication.translate("guide", "&Log")


def diagnostics_entry() -> str:
    """The menu entry."""
    return QCoreApplication.translate("guide", "Save &diagnostics…")


def about_entry() -> str:
    """The menu entry."""
    return QCoreApplication.translate("guide", "&About this program")


def close() -> str:
    """The button of a page."""
    return QCoreApplication.translate("guide", "C&lose")


def copy() -> str:
    """The button that copies a page."""
    return QCoreApplication.translate("guide", "&Copy")


def log_hint() -> str:
    """Above the log."""
    return QCoreApplication.translate(
        "guide", "What the program did, without questions, answers, pictures or names of files."
    )


def empty_log() -> str:
    """In place of the log."""
    return QCoreApplication.translate("guide", "There is no log.")


def diagnostics_saved(path: str) -> str:
    """The file is there."""
    return QCoreApplication.translate(
        "guide",
        "Saved as {path}. It holds this computer, versions, settings and the log; look at it before you send it.",
    ).format(path=path)


def diagnostics_failed(reason: str) -> str:
    """The file cannot be written."""
    return QCoreApplication.translate("guide", "The diagnostics were not saved: {reason}").format(reason=reason)


def json_files() -> str:
    """Of the dialog that saves the diagnostics."""
    return QCoreApplication.translate("guide", "JSON files (*.json)")


def about(version: str) -> str:
    """The page about the program."""
    return QCoreApplication.translate(
        "guide",
        "dsvl2-onnx {version}\n\nIt asks your screen and your documents with DeepSeek-VL2, on this computer alone.",
    ).format(version=version)


def privacy(folders: str) -> str:
    """The page about what is kept."""
    return QCoreApplication.translate(
        "guide",
        "Nothing is sent. The program opens no connection to any other computer, and reports that its libraries would "
        "send are switched off.\n\n"
        "Pictures that you add are copied into a temporary folder, which only you can read and which is deleted when "
        "the window closes.\n\n"
        "Conversations are kept with their pictures, unless you switch on “Keep nothing”. You can delete one of them, "
        "or all of them in the settings.\n\n"
        "A screen that you capture is kept like any other picture. Nothing looks at the screen unless you ask for it."
        "\n\n"
        "A second start of the program tells the open window what to open, through a socket that only you can use.\n\n"
        "{folders}",
    ).format(folders=folders)


def place(what: str, folder: str) -> str:
    """A line of the list of places."""
    return f"{what}: {folder}"


def conversations() -> str:
    """What lies in a place."""
    return QCoreApplication.translate("guide", "Conversations")


def settings() -> str:
    """What lies in a place."""
    return QCoreApplication.translate("guide", "Settings")


def log() -> str:
    """What lies in a place."""
    return QCoreApplication.translate("guide", "Log")


def fixed_keys() -> tuple[tuple[str, str], ...]:
    """Keys that belong to no entry of a menu: what they are, and what they do."""
    return (
        (QCoreApplication.translate("guide", "Enter"), QCoreApplication.translate("guide", "Ask")),
        (QCoreApplication.translate("guide", "Shift+Enter"), QCoreApplication.translate("guide", "Begin a new line")),
        (QCoreApplication.translate("guide", "Esc"), QCoreApplication.translate("guide", "Stop the answer")),
    )
