"""The password of a protected document."""

from __future__ import annotations

from PySide6.QtCore import QCoreApplication


def title() -> str:
    """Of the dialog."""
    return QCoreApplication.translate("password", "Password of a document")


def is_needed(name: str) -> str:
    """Above the field."""
    text = QCoreApplication.translate("password", "“{name}” is protected. Its password opens it.")
    return text.format(name=name)


def field() -> str:
    """What a screen reader calls the field, and what stands in it while it is empty."""
    return QCoreApplication.translate("password", "Password")


def is_wrong() -> str:
    """Below the field."""
    return QCoreApplication.translate("password", "This password does not open it.")


def is_tried() -> str:
    """Below the field, while the document is read."""
    return QCoreApplication.translate("password", "Opening…")


def what_is_kept() -> str:
    """Below that."""
    return QCoreApplication.translate(
        "password",
        "The password is not kept. Pages that you ask about are kept with the conversation, like any picture.",
    )


def unlock() -> str:
    """The button."""
    return QCoreApplication.translate("password", "&Open")


def cancel() -> str:
    """The button that leaves the document away."""
    return QCoreApplication.translate("password", "&Cancel")
