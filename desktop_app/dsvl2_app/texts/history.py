"""Kept conversations: the list at the left, what can be done with them, and why they are not kept."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QCoreApplication

from dsvl2_app.state.history.days import Group
from dsvl2_app.state.history.problems import Problem
from dsvl2_app.state.history.records import Summary
from dsvl2_runtime.machine.machine import GIGABYTE

MEGABYTE = 1_000_000


def new() -> str:
    """The button."""
    return QCoreApplication.translate("history", "&New")


def new_conversation() -> str:
    """The menu entry."""
    return QCoreApplication.translate("history", "&New conversation")


def hide() -> str:
    """The button that hides the list."""
    return QCoreApplication.translate("history", "Hide conversations")


def search() -> str:
    """In the empty field, and what a screen reader calls it."""
    return QCoreApplication.translate("history", "Search conversations")


def find_conversation() -> str:
    """The menu entry that goes to the field."""
    return QCoreApplication.translate("history", "&Search all conversations")


def nothing_found(query: str) -> str:
    """In place of the list."""
    return QCoreApplication.translate("history", "No conversation holds “{query}”.").format(query=query)


def nothing_kept() -> str:
    """In place of the list while it is empty."""
    return QCoreApplication.translate("history", "Your conversations will be listed here.")


def private_list() -> str:
    """In place of the list in private mode."""
    return QCoreApplication.translate(
        "history", "Nothing is kept. What was kept before is still there and comes back when you switch this off."
    )


def keep_nothing() -> str:
    """The switch."""
    return QCoreApplication.translate("history", "&Keep nothing (private)")


def keep_nothing_tip() -> str:
    """Of the switch."""
    return QCoreApplication.translate("history", "Nothing of this conversation is written to the disk.")


def group(name: Group) -> str:
    """A heading of the list."""
    return {
        "pinned": QCoreApplication.translate("history", "Pinned"),
        "today": QCoreApplication.translate("history", "Today"),
        "yesterday": QCoreApplication.translate("history", "Yesterday"),
        "week": QCoreApplication.translate("history", "Last seven days"),
        "month": QCoreApplication.translate("history", "Last thirty days"),
        "older": QCoreApplication.translate("history", "Older"),
    }[name]


def summary_line(summary: Summary) -> str:
    """Below a title: its picture and how many questions it has."""
    one = QCoreApplication.translate("history", "1 question")
    many = QCoreApplication.translate("history", "{count} questions")
    count = one if summary.turns == 1 else many.format(count=summary.turns)
    return " · ".join(part for part in (Path(summary.picture).name, count) if part)


def rename() -> str:
    """The menu entry."""
    return QCoreApplication.translate("history", "&Rename")


def pin() -> str:
    """The menu entry."""
    return QCoreApplication.translate("history", "&Pin to the top")


def unpin() -> str:
    """The menu entry."""
    return QCoreApplication.translate("history", "Un&pin")


def delete() -> str:
    """The menu entry."""
    return QCoreApplication.translate("history", "&Delete")


def export_markdown() -> str:
    """The menu entry."""
    return QCoreApplication.translate("history", "Export as &Markdown with pictures…")


def export_json() -> str:
    """The menu entry."""
    return QCoreApplication.translate("history", "Export as &JSON…")


def json_filter() -> str:
    """Of the dialog that names the file."""
    return QCoreApplication.translate("history", "JSON files (*.json)")


def exported(path: Path) -> str:
    """It worked."""
    return QCoreApplication.translate("history", "The conversation was written to {path}.").format(path=path)


def not_exported(reason: str) -> str:
    """It did not."""
    return QCoreApplication.translate("history", "The conversation was not written: {reason}").format(reason=reason)


def not_there() -> str:
    """It was deleted, perhaps by another window."""
    return QCoreApplication.translate("history", "This conversation is not there any more.")


def deleted(title: str) -> str:
    """In the bar that can put it back."""
    return QCoreApplication.translate("history", "“{title}” was deleted.").format(title=title)


def undo() -> str:
    """The button of that bar."""
    return QCoreApplication.translate("history", "&Undo")


def problem(found: Problem) -> str:
    """Why conversations are not kept, and what can be done."""
    if found.set_aside is not None:
        return QCoreApplication.translate(
            "history",
            "The file of your conversations is damaged. It was renamed to {name} in {folder}, and a new one was begun.",
        ).format(name=found.set_aside.name, folder=found.set_aside.parent)
    why = {
        "locked": QCoreApplication.translate(
            "history", "Another program holds the file of your conversations ({path}). Close it."
        ),
        "read_only": QCoreApplication.translate(
            "history", "The file of your conversations cannot be written ({path}). Check its permissions and its disk."
        ),
        "newer": QCoreApplication.translate(
            "history", "The file of your conversations was made by a newer version of this program ({path})."
        ),
        "damaged": QCoreApplication.translate(
            "history", "The file of your conversations is damaged and cannot be renamed ({path})."
        ),
        "full": QCoreApplication.translate("history", "The disk with your conversations is full ({path}). Make room."),
        "unavailable": QCoreApplication.translate(
            "history", "The file of your conversations cannot be used ({path}): {detail}"
        ),
    }[found.kind].format(path=found.path, detail=found.detail)
    return why + " " + QCoreApplication.translate("history", "Until then new conversations are not kept.")


def size(count: int) -> str:
    """So many bytes."""
    if count >= GIGABYTE:
        return QCoreApplication.translate("history", "{size} GB").format(size=f"{count / GIGABYTE:.1f}")
    return QCoreApplication.translate("history", "{size} MB").format(size=f"{count / MEGABYTE:.1f}")
