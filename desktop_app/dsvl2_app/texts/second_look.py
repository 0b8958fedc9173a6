"""A second look at the pictures of an answer of which the model is not sure."""

from __future__ import annotations

from PySide6.QtCore import QCoreApplication

from dsvl2_app.state.answer_text import without_boxes
from dsvl2_app.state.turn import Turn

LONGEST_FIRST = 300
"""Characters of a first answer that a tip shows."""


def looking() -> str:
    """While the model looks again."""
    return QCoreApplication.translate("second_look", "Looking closer…")


def look_closer() -> str:
    """The button beside a doubt."""
    return QCoreApplication.translate("second_look", "Look closer")


def look_tip() -> str:
    """On that button."""
    return QCoreApplication.translate(
        "second_look", "Enlarges the pictures and asks again; the surer one of both answers stays."
    )


def busy() -> str:
    """Where the model is at work for another question, or not there."""
    return QCoreApplication.translate("second_look", "The model can look closer when it has nothing else to do.")


def looked() -> str:
    """Below an answer after a second look."""
    return QCoreApplication.translate("second_look", "looked at again")


def looked_tip(turn: Turn) -> str:
    """On that: what was read first; empty where there was one look."""
    if turn.looks == 1 or turn.is_open:
        return ""
    if not turn.first_answer:
        return QCoreApplication.translate("second_look", "A second look at larger pictures led to no other answer.")
    first = without_boxes(turn.first_answer)
    if first == without_boxes(turn.answer):
        return QCoreApplication.translate("second_look", "The places were looked at again in larger pictures.")
    if len(first) > LONGEST_FIRST:
        first = first[:LONGEST_FIRST] + "…"
    text = QCoreApplication.translate("second_look", "Read at first: {answer}")
    return text.format(answer=first)


def automatic() -> tuple[str, str]:
    """Name and sentence of the setting."""
    return (
        QCoreApplication.translate("second_look", "Look again where unsure"),
        QCoreApplication.translate(
            "second_look", "Takes about as long again; a button at doubtful answers does it where this is off."
        ),
    )
