"""The engine: what it does, and why it ended."""

from __future__ import annotations

import signal

from PySide6.QtCore import QCoreApplication

from dsvl2_app.state.time_left import rounded
from dsvl2_app.texts import errors
from dsvl2_runtime.engine.client import EngineEnd
from dsvl2_runtime.engine.protocol import EnginePhase, Loaded
from dsvl2_runtime.engine.wire_error import WireError
from dsvl2_runtime.machine.machine import GIGABYTE


def phase(name: EnginePhase) -> str:
    """What the engine is doing."""
    return {
        "pages": QCoreApplication.translate("engine", "Drawing the pages"),
        "images": QCoreApplication.translate("engine", "Opening the pictures"),
        "load": QCoreApplication.translate("engine", "Loading the model"),
        "tune": QCoreApplication.translate("engine", "Looking for the fastest kernels"),
        "vision": QCoreApplication.translate("engine", "Looking at the picture"),
        "prefill": QCoreApplication.translate("engine", "Reading"),
        "decode": QCoreApplication.translate("engine", "Answering"),
    }[name]


def loading() -> str:
    """The model is not there yet."""
    return phase("load") + "…"


def loading_bytes(done: int, total: int, seconds: float | None) -> str:
    """How much of a model is in the memory, and how long the rest will take."""
    if total < GIGABYTE / 10:
        return loading()
    text = QCoreApplication.translate("engine", "Loading {done} of {total} GB")
    text = text.format(done=f"{done / GIGABYTE:.1f}", total=f"{total / GIGABYTE:.1f}")
    if seconds is None:
        return text
    return text + ", " + QCoreApplication.translate("engine", "about {seconds} s").format(seconds=rounded(seconds))


def model_name(model: Loaded) -> str:
    """On the button of the status bar."""
    return f"{model.name} · {model.precision}"


def model_notes(model: Loaded) -> list[str]:
    """What a user should be told whatever is asked."""
    return [line for line in (errors.said(model.note), *map(errors.notice, model.notices)) if line]


def no_model_name() -> str:
    """On that button while no model was ever there."""
    return QCoreApplication.translate("engine", "Model")


def ready() -> str:
    """The model is there and idle."""
    return QCoreApplication.translate("engine", "Ready")


def preparing() -> str:
    """A question was sent, and nothing has come back yet: the engine opens its pictures."""
    return QCoreApplication.translate("engine", "Opening the pictures")


def not_loaded() -> str:
    """Loading was given up."""
    return QCoreApplication.translate("engine", "Not loaded; the next question loads the model")


def no_model() -> str:
    """Loading failed, or the engine ended."""
    return QCoreApplication.translate("engine", "No model is loaded.")


def failure(found: WireError | EngineEnd) -> str:
    """Why there is no model, and what will happen."""
    if isinstance(found, WireError):
        why = QCoreApplication.translate("engine", "No model is loaded: {reason}").format(reason=errors.message(found))
        return why + "\n" + QCoreApplication.translate("engine", "The next question tries again.")
    why = QCoreApplication.translate("engine", "The engine ended: {reason}").format(reason=end(found))
    again = QCoreApplication.translate("engine", "The next question starts it again.")
    return "\n".join([why, again, *found.last_lines])


def end(found: EngineEnd) -> str:
    """Why the engine's process is gone."""
    if found.reason == "not started":
        return QCoreApplication.translate("engine", "it could not be started")
    if found.error is not None:
        return errors.message(found.error)
    if found.reason == "signal":
        return _signal_text(found.code)
    return QCoreApplication.translate("engine", "it ended with code {code}").format(code=found.code)


def _signal_text(number: int | None) -> str:
    try:
        name = signal.Signals(number or 0).name
    except ValueError:  # Windows gives the code of an exception
        outside = QCoreApplication.translate("engine", "it was ended from outside or crashed ({code})")
        return outside.format(code=number)
    bus = QCoreApplication.translate(
        "engine", "a file of the model was cut short, or its disk failed, while it was in use (SIGBUS)"
    )
    kill = QCoreApplication.translate(
        "engine", "it was ended from outside; the system does that when memory runs out (SIGKILL)"
    )
    term = QCoreApplication.translate("engine", "it was ended from outside (SIGTERM)")
    crash = QCoreApplication.translate("engine", "it crashed ({name})").format(name=name)
    return {"SIGBUS": bus, "SIGKILL": kill, "SIGTERM": term}.get(name, crash)
