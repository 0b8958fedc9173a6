"""The question box and the buttons above it."""

from __future__ import annotations

from PySide6.QtCore import QCoreApplication

from dsvl2_app.state.turn import Task


def ask() -> str:
    """The button."""
    return QCoreApplication.translate("prompt", "&Ask")


def stop() -> str:
    """The button while an answer comes."""
    return QCoreApplication.translate("prompt", "&Stop")


def queue() -> str:
    """The button while an answer comes and a further question is typed."""
    return QCoreApplication.translate("prompt", "&Ask next")


def hint(task: Task) -> str:
    """In the empty question."""
    if task == "locate":
        return QCoreApplication.translate("prompt", "What to find: the total")
    if task == "fields":
        return QCoreApplication.translate("prompt", "Fields: date, total, vendor")
    return QCoreApplication.translate("prompt", "Ask about the picture")


def question() -> str:
    """What a screen reader calls the box."""
    return QCoreApplication.translate("prompt", "Question")


def preset(task: Task) -> str:
    """On its button."""
    return {
        "question": QCoreApplication.translate("prompt", "Question"),
        "ocr": QCoreApplication.translate("prompt", "Read text"),
        "table": QCoreApplication.translate("prompt", "Table"),
        "locate": QCoreApplication.translate("prompt", "Locate"),
        "fields": QCoreApplication.translate("prompt", "Fields"),
        "describe": QCoreApplication.translate("prompt", "Describe"),
        "chart": QCoreApplication.translate("prompt", "Chart"),
    }[task]


def preset_tip(task: Task, key: str) -> str:
    """Under the pointer: what it asks, and its key."""
    what = {
        "question": "",
        "ocr": QCoreApplication.translate("prompt", "Read all the text"),
        "table": QCoreApplication.translate("prompt", "Read the table"),
        "locate": QCoreApplication.translate("prompt", "Find something and show where it is"),
        "fields": QCoreApplication.translate("prompt", "Read named fields of a form"),
        "describe": QCoreApplication.translate("prompt", "Describe the picture"),
        "chart": QCoreApplication.translate("prompt", "Read the values of the chart"),
    }[task]
    return f"{what} ({key})"


def presets() -> str:
    """What a screen reader calls the row of buttons."""
    return QCoreApplication.translate("prompt", "Ready-made questions")


def needs_picture() -> str:
    """Why a ready-made question cannot be asked."""
    return QCoreApplication.translate("prompt", "Add a picture first.")


def needs_text() -> str:
    """Why Ask is disabled."""
    return QCoreApplication.translate("prompt", "Type a question.")


def is_reading() -> str:
    """A picture is not there yet."""
    return QCoreApplication.translate("prompt", "A picture is still being read; the question is asked after it.")
