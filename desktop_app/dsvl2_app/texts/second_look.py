"""A second look at the pictures of an answer of which the model is not sure."""

from __future__ import annotations

from PySide6.QtCore import QCoreApplication

from dsvl2_app.state.answer_text import without_boxes
from dsvl2_app.state.turn import Turn
from dsvl2_app.texts import engine, errors
from dsvl2_runtime.engine.client import EngineEnd

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
        "second_look", "Enlarges the pictures, or parts of one, and asks again; the surest answer stays."
    )


def waits(place: int) -> str:
    """Below an answer whose second look waits; 1 is next."""
    if place <= 1:
        return QCoreApplication.translate("second_look", "Looks closer next")
    text = QCoreApplication.translate("second_look", "Looks closer, number {place} in the queue")
    return text.format(place=place)


def waits_for_model() -> str:
    """The same while there is no model yet."""
    return QCoreApplication.translate("second_look", "Looks closer when the model is there")


def failed(turn: Turn) -> str:
    """Below an answer that stays, because the second look at it ended in an error; empty where it did not."""
    failure = turn.look_failure
    if failure is None:
        return ""
    reason = engine.end(failure) if isinstance(failure, EngineEnd) else errors.message(failure)
    text = QCoreApplication.translate("second_look", "The second look failed, the first answer stays: {reason}")
    return text.format(reason=reason)


def nothing_larger() -> str:
    """Below a doubtful answer where a second look was wanted, and there was none."""
    return QCoreApplication.translate("second_look", "the pictures cannot be seen larger")


def looked() -> str:
    """Below an answer after a second look."""
    return QCoreApplication.translate("second_look", "looked at again")


def spoken(turn: Turn) -> list[str]:
    """What a screen reader reads of it behind an answer."""
    waiting = "" if turn.look_number is None else waits(1)
    seen = looked() if turn.looks > 1 and not turn.is_open else ""
    return [*filter(None, (waiting, failed(turn), seen))]


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
            "second_look",
            "Takes about as long again, for a whole screen up to six times; "
            "a button at doubtful answers does it where this is off.",
        ),
    )
