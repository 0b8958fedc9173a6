"""Every text of the window, made from data when it is shown, so that another language needs this file alone."""

from __future__ import annotations

import signal
from collections.abc import Sequence

from dsvl2_app.state.session import Turn
from dsvl2_runtime.engine.client import EngineEnd
from dsvl2_runtime.engine.protocol import Finished, Loaded, MessageTooLongError
from dsvl2_runtime.engine.wire_error import WireError
from dsvl2_runtime.progress import Phase
from dsvl2_runtime.texts import notice_text

APP_NAME = "dsvl2-onnx"
"""A name, the same in every language."""


def ask() -> str:
    """The button."""
    return "Ask"


def stop() -> str:
    """The button while an answer comes."""
    return "Stop"


def open_image() -> str:
    """The button, the menu entry and the dialog."""
    return "Open picture…"


def paste_image() -> str:
    """The menu entry."""
    return "Paste picture"


def remove() -> str:
    """The button below the pictures."""
    return "Remove"


def quit_app() -> str:
    """The menu entry."""
    return "Quit"


def file_menu() -> str:
    """The menu; & marks its key."""
    return "&File"


def images() -> str:
    """What a screen reader calls the list."""
    return "Pictures"


def drop_hint() -> str:
    """In place of the pictures while there are none."""
    return "Drop a picture here,\npaste one,\nor open a file."


def question_hint() -> str:
    """In the empty question."""
    return "Ask about the picture, for example: What is the total?"


def empty_chat() -> str:
    """In place of the conversation while there is none."""
    return "Add a picture, then ask.\nEverything stays on this computer."


def file_filter(endings: Sequence[str]) -> str:
    """Of the dialog that opens files."""
    return f"Pictures ({' '.join('*' + ending for ending in endings)});;All files (*)"


def pasted_image(number: int) -> str:
    """What an image without a file is called."""
    return f"pasted {number}.png"


def refused_image(error: WireError) -> str:
    """An image that cannot be read or kept."""
    return error.message


def still_reading() -> str:
    """A question came before its pictures."""
    return "A picture is still being read. Ask again in a moment."


def no_image_to_paste() -> str:
    """The clipboard holds something else."""
    return "There is no picture in the clipboard."


def waiting() -> str:
    """In place of an answer that has not begun."""
    return "…"


def phase(name: Phase) -> str:
    """What the engine is doing."""
    return {
        "pages": "Drawing the pages",
        "load": "Loading the model",
        "vision": "Looking at the picture",
        "prefill": "Reading",
        "decode": "Answering",
    }[name]


def loading() -> str:
    """The model is not there yet."""
    return phase("load") + "…"


def ready(model: Loaded) -> str:
    """The model is there and idle."""
    return f"Ready: {model.name}, {model.precision}"


def no_model() -> str:
    """Loading failed, or the engine ended."""
    return "No model is loaded."


def engine_failure(failure: WireError | EngineEnd) -> str:
    """Why there is no model, and what will happen."""
    if isinstance(failure, WireError):
        return f"No model is loaded: {failure.message}\nThe next question tries again."
    lines = [f"The engine ended: {engine_end(failure)}", "The next question starts it again.", *failure.last_lines]
    return "\n".join(lines)


def engine_end(end: EngineEnd) -> str:
    """Why the engine's process is gone."""
    if end.reason == "not started":
        return "it could not be started"
    if end.error is not None:
        return end.error.message
    if end.reason == "signal":
        return _signal_text(end.code)
    return f"it ended with code {end.code}"


def _signal_text(number: int | None) -> str:
    try:
        name = signal.Signals(number or 0).name
    except ValueError:  # Windows gives the code of an exception
        return f"it was ended from outside or crashed ({number})"
    return {
        "SIGBUS": "a file of the model was cut short, or its disk failed, while it was in use (SIGBUS)",
        "SIGKILL": "it was ended from outside; the system does that when memory runs out (SIGKILL)",
        "SIGTERM": "it was ended from outside (SIGTERM)",
    }.get(name, f"it crashed ({name})")


def turn_end(end: Finished | WireError | EngineEnd | None) -> str:
    """Under an answer: its figures, or why it is not complete."""
    if isinstance(end, Finished):
        return finished(end)
    if isinstance(end, EngineEnd):
        return "The engine ended before the answer was complete. Ask again to start it anew."
    if end is None:
        return ""
    if end.name == "ProtocolError":
        return f"The engine could not read this question: {end.message}"
    return end.message


def finished(end: Finished) -> str:
    """The figures of an answer, and why it ended if the model did not end it."""
    took = f"{end.tokens} tokens in {end.seconds:.1f} s"
    endings = {
        "cancelled": f"stopped, {took}",
        "length": f"cut off at the longest answer, {took}",
        "repetition": f"cut off because it went round in circles, {took}",
        "timeout": f"cut off at the time limit, {took}",
    }
    return endings.get(end.reason, took)


def remark(turn: Turn) -> str:
    """The lines below an answer."""
    about = {0: "no picture", 1: "1 picture"}.get(len(turn.images), f"{len(turn.images)} pictures")
    last = " · ".join(part for part in (about, turn_end(turn.end)) if part)
    return "\n".join([*map(notice_text, turn.notices), last])


def question_too_long(error: MessageTooLongError) -> str:
    """A question that cannot be sent."""
    return f"The question was not sent: it has {error.size} bytes, and at most {error.limit} are read. Make it shorter."


def image_label(name: str, size: tuple[int, int]) -> str:
    """Under a thumbnail."""
    return f"{name}\n{size[0]} × {size[1]}"
