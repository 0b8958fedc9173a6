"""The conversation: the question box, answers and what stands below them."""

from __future__ import annotations

from PySide6.QtCore import QCoreApplication

from dsvl2_app.state.session import Turn
from dsvl2_runtime.engine.client import EngineEnd
from dsvl2_runtime.engine.protocol import Finished, MessageTooLongError
from dsvl2_runtime.engine.wire_error import WireError
from dsvl2_runtime.texts import notice_text


def ask() -> str:
    """The button."""
    return QCoreApplication.translate("talk", "Ask")


def stop() -> str:
    """The button while an answer comes."""
    return QCoreApplication.translate("talk", "Stop")


def question_hint() -> str:
    """In the empty question."""
    return QCoreApplication.translate("talk", "Ask about the picture, for example: What is the total?")


def empty_chat() -> str:
    """In place of the conversation while there is none."""
    return QCoreApplication.translate("talk", "Add a picture, then ask.\nEverything stays on this computer.")


def waiting() -> str:
    """In place of an answer that has not begun."""
    return "…"


def turn_end(end: Finished | WireError | EngineEnd | None) -> str:
    """Under an answer: its figures, or why it is not complete."""
    if isinstance(end, Finished):
        return finished(end)
    if isinstance(end, EngineEnd):
        return QCoreApplication.translate(
            "talk", "The engine ended before the answer was complete. Ask again to start it anew."
        )
    if end is None:
        return ""
    if end.name == "ProtocolError":
        text = QCoreApplication.translate("talk", "The engine could not read this question: {reason}")
        return text.format(reason=end.message)
    return end.message


def finished(end: Finished) -> str:
    """The figures of an answer, and why it ended if the model did not end it."""
    took = QCoreApplication.translate("talk", "{tokens} tokens in {seconds} s")
    took = took.format(tokens=end.tokens, seconds=f"{end.seconds:.1f}")
    endings = {
        "cancelled": QCoreApplication.translate("talk", "stopped, {took}"),
        "length": QCoreApplication.translate("talk", "cut off at the longest answer, {took}"),
        "repetition": QCoreApplication.translate("talk", "cut off because it went round in circles, {took}"),
        "timeout": QCoreApplication.translate("talk", "cut off at the time limit, {took}"),
    }
    return endings.get(end.reason, "{took}").format(took=took)


def picture_count(count: int) -> str:
    """How many pictures a question was about."""
    if count == 0:
        return QCoreApplication.translate("talk", "no picture")
    if count == 1:
        return QCoreApplication.translate("talk", "1 picture")
    return QCoreApplication.translate("talk", "{count} pictures").format(count=count)


def remark(turn: Turn) -> str:
    """The lines below an answer."""
    last = " · ".join(part for part in (picture_count(len(turn.images)), turn_end(turn.end)) if part)
    return "\n".join([*map(notice_text, turn.notices), last])


def question_too_long(error: MessageTooLongError) -> str:
    """A question that cannot be sent."""
    text = QCoreApplication.translate(
        "talk", "The question was not sent: it has {size} bytes, and at most {limit} are read. Make it shorter."
    )
    return text.format(size=error.size, limit=error.limit)
