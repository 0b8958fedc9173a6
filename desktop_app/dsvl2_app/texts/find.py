"""Finding words in the conversation."""

from __future__ import annotations

from PySide6.QtCore import QCoreApplication


def hint() -> str:
    """In the empty field that finds words in the conversation."""
    return QCoreApplication.translate("find", "Find in this conversation")


def place(current: int, count: int) -> str:
    """Beside that field."""
    if not count:
        return QCoreApplication.translate("find", "not found")
    return QCoreApplication.translate("find", "{current} of {count}").format(current=current, count=count)


def following() -> str:
    """The button beside it."""
    return QCoreApplication.translate("find", "Next")


def previous() -> str:
    """The other one."""
    return QCoreApplication.translate("find", "Previous")


def close() -> str:
    """The last one."""
    return QCoreApplication.translate("find", "Close")


def find() -> str:
    """The entry of the menu; & marks its key."""
    return QCoreApplication.translate("find", "&Find…")
