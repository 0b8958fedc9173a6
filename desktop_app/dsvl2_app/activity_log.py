"""A small log of what the window and its engine did, for whoever looks for the cause of a fault.

It holds names of classes, codes, numbers and places in the code; never a question, an answer, a picture or its name.
"""

from __future__ import annotations

import logging
import platform
import sys
import traceback
from logging.handlers import RotatingFileHandler
from pathlib import Path
from types import TracebackType

from platformdirs import user_log_path
from PySide6.QtCore import QObject, qVersion

from dsvl2_app.engine_client import Engine
from dsvl2_runtime import __version__
from dsvl2_runtime.engine.client import EngineEnd
from dsvl2_runtime.engine.protocol import BadMessage, Event, Failed, Finished, Loaded, LoadFailed
from dsvl2_runtime.engine.wire_error import WireError

LARGEST_BYTES, OLDER_FILES = 200_000, 1
log = logging.getLogger("dsvl2_app.activity")


def log_path() -> Path:
    """Of this user's log."""
    path: Path = user_log_path("dsvl2-onnx", appauthor=False) / "window.log"
    return path


def start_log(path: Path) -> None:
    """Write to a file from now on; a disk that cannot take it costs the log and nothing else."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handler = RotatingFileHandler(path, maxBytes=LARGEST_BYTES, backupCount=OLDER_FILES, encoding="utf-8")
    except OSError:
        return
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False
    logging.raiseExceptions = False  # a full disk is no reason to write to standard error
    sys.excepthook = _log_fault
    log.info("started: dsvl2-onnx %s, Qt %s, %s, Python %s", __version__, qVersion(), platform.system(),
             platform.python_version())  # fmt: skip


def stop_log() -> None:
    """Close the file."""
    log.info("ended")
    for handler in [*log.handlers]:
        log.removeHandler(handler)
        handler.close()


def _log_fault(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    log.error("fault: %s", where(error))
    sys.__excepthook__(kind, error, trace)


def where(error: BaseException) -> str:
    """The class of an error and the places that it came through; its message may quote what a user wrote."""
    places = traceback.extract_tb(error.__traceback__)
    return f"{type(error).__name__} at " + " < ".join(
        f"{Path(place.filename).name}:{place.lineno} {place.name}" for place in reversed(places)
    )


class ActivityLog(QObject):
    """Writes what an engine does."""

    def __init__(self, engine: Engine, parent: QObject | None = None) -> None:
        super().__init__(parent)
        engine.event_came.connect(self._write_event)
        engine.ended.connect(self._write_end)

    def _write_event(self, event: Event) -> None:
        if isinstance(event, Loaded):
            log.info("model loaded: precision %s", event.precision)
        elif isinstance(event, LoadFailed):
            log.warning("model not loaded: %s", _named(event.error))
        elif isinstance(event, Finished):
            log.info("answer ended: %s, %d tokens, %.1f s", event.reason, event.tokens, event.seconds)
        elif isinstance(event, Failed | BadMessage):
            log.warning("answer failed: %s", _named(event.error))

    def _write_end(self, end: EngineEnd) -> None:
        log.warning("engine ended: %s, code %s", end.reason, end.code)


def _named(error: WireError) -> str:
    return f"{error.name}, exit code {error.exit_code}"
