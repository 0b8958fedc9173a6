"""The engine process as the window sees it: commands go in, events come out as a signal, its death is a signal too."""

from __future__ import annotations

import sys
from collections import deque

from PySide6.QtCore import QObject, QProcess, Signal

from dsvl2_runtime.engine.protocol import LONGEST_LINE, Command, Failed, Load, ProtocolError, read_event, to_line

ERROR_LINES = 6
"""Last lines of the process' standard error that are shown when it dies."""
CLOSING_MILLISECONDS = 2000


class Engine(QObject):
    """One child process, started again when a command comes after its death or its failure to load the model."""

    event_came = Signal(object)
    """A `protocol.Event`."""
    died = Signal(str)
    """Why, as far as it can be told."""

    def __init__(self, load: Load, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._load = load
        self._buffer = bytearray()
        self._errors: deque[str] = deque(maxlen=ERROR_LINES)
        self._process: QProcess | None = None

    @property
    def process_id(self) -> int | None:
        """Of the running process."""
        return self._process.processId() if self._process is not None else None

    def start(self) -> None:
        """Start the process and load the model."""
        process = QProcess(self)
        process.setProgram(sys.executable)
        # -P: a file in the folder where the window was opened must not be imported in the place of a module.
        process.setArguments(["-P", "-m", "dsvl2_runtime.engine.process"])
        process.readyReadStandardOutput.connect(self._read_events)
        process.readyReadStandardError.connect(self._read_errors)
        process.finished.connect(self._on_finished)
        process.errorOccurred.connect(self._on_error)
        self._buffer.clear()
        self._errors.clear()
        self._process = process
        process.start()
        self._write(self._load)

    def send(self, command: Command) -> None:
        """Send a command, to a new process if the old one is gone; commands wait there until the model is loaded."""
        if self._process is None:
            self.start()
        self._write(command)

    def close(self) -> None:
        """End the process: politely, then by force."""
        process, self._process = self._process, None
        if process is None:
            return
        process.closeWriteChannel()
        if not process.waitForFinished(CLOSING_MILLISECONDS):
            process.kill()
            process.waitForFinished(CLOSING_MILLISECONDS)
        process.deleteLater()

    def _write(self, command: Command) -> None:
        if self._process is not None:
            self._process.write(to_line(command))

    def _read_events(self) -> None:
        if self._process is None:
            return
        self._buffer += bytes(self._process.readAllStandardOutput().data())
        while (end := self._buffer.find(b"\n")) >= 0:
            line = bytes(self._buffer[:end])
            del self._buffer[: end + 1]
            try:
                event = read_event(line)
            except ProtocolError as error:
                self._give_up(str(error))
                return
            if isinstance(event, Failed) and event.turn is None:
                self.close()  # the next command finds a new process, which tries again
            self.event_came.emit(event)
        if len(self._buffer) > LONGEST_LINE:
            self._give_up("the engine wrote a line without end")

    def _read_errors(self) -> None:
        if self._process is not None:
            text = bytes(self._process.readAllStandardError().data()).decode("utf-8", "replace")
            self._errors.extend(line for line in text.splitlines() if line.strip())

    def _on_finished(self, code: int, status: QProcess.ExitStatus) -> None:
        self._read_events()
        self._read_errors()
        crashed = status == QProcess.ExitStatus.CrashExit
        self._forget("it was ended from outside or crashed" if crashed else f"it ended with code {code}")

    def _on_error(self, error: QProcess.ProcessError) -> None:
        if error == QProcess.ProcessError.FailedToStart:
            self._forget("it could not be started")

    def _give_up(self, reason: str) -> None:
        if self._process is not None:
            self._process.kill()
        self._forget(reason)

    def _forget(self, reason: str) -> None:
        if self._process is None:
            return
        self.close()
        self.died.emit("\n".join([reason, *self._errors]))
