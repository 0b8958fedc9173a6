"""The engine process as the window sees it: commands go in, events come out as a signal, its end is a signal too."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from PySide6.QtCore import QCoreApplication, QObject, QProcess, QTimer, Signal
from shiboken6 import isValid

from dsvl2_runtime.engine.client import ENGINE_ARGUMENTS, Connection, EndReason
from dsvl2_runtime.engine.protocol import Command, Load, LoadFailed, ProtocolError, Stop

STOP_MILLISECONDS = 1800
"""That an answer may take to stop; then its process is ended, so that a stop acts within two seconds in every phase."""


class Engine(QObject):
    """One child process, started again when a command comes after its end or its failure to load the model.

    Nothing here waits: a process is killed, which loses nothing because it has nothing to save, and Qt reaps it later.
    """

    event_came = Signal(object)
    """A `protocol.Event`."""
    ended = Signal(object)
    """A `client.EngineEnd`: the process ended without being told to, or it was ended because it did not stop."""

    def __init__(self, load: Load, arguments: Sequence[str] = ENGINE_ARGUMENTS, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._load = load
        self._arguments = list(arguments)
        self._connection = Connection()
        self._process: QProcess | None = None
        self._unsent = bytearray()
        """For a process that is not started yet."""
        self._dying: list[QProcess] = []
        """Killed, and deleted by Qt when they have ended."""

    @property
    def process_id(self) -> int | None:
        """Of the running process."""
        return self._process.processId() if self._process is not None else None

    @property
    def load(self) -> Load:
        """The model that the process loads."""
        return self._load

    def start(self, load: Load | None = None) -> None:
        """Start a process and load the model, or another one; a process that is there ends."""
        self.close()
        self._load = load or self._load
        process = QProcess(self)
        process.setProgram(sys.executable)
        process.setArguments(self._arguments)
        process.readyReadStandardOutput.connect(self._read_events)
        process.readyReadStandardError.connect(self._read_errors)
        process.finished.connect(self._on_finished)
        process.errorOccurred.connect(self._on_error)
        self._process, self._connection = process, Connection()
        self._unsent = bytearray(self._connection.send(self._load))
        if dying := [
            ended for ended in self._dying if isValid(ended) and ended.state() != QProcess.ProcessState.NotRunning
        ]:
            # Its memory is given back first; the two models may not fit beside each other.
            dying[-1].finished.connect(lambda: self._launch(process))
        else:
            self._launch(process)

    def send(self, command: Command) -> None:
        """Send a command, to a new process if the old one is gone; commands wait there until the model is loaded."""
        if self._process is None:
            self.start()
        if self._process is not None:
            self._write(self._connection.send(command))
        if isinstance(command, Stop):
            process = self._process
            QTimer.singleShot(STOP_MILLISECONDS, self, lambda: self._end_unstopped(process, command.turn))

    def close(self) -> None:
        """End the process without waiting for it."""
        process, self._process = self._process, None
        if process is None:
            return
        for signal, slot in (
            (process.readyReadStandardOutput, self._read_events),
            (process.readyReadStandardError, self._read_errors),
            (process.finished, self._on_finished),
            (process.errorOccurred, self._on_error),
        ):
            signal.disconnect(slot)
        if process.state() == QProcess.ProcessState.NotRunning:
            process.deleteLater()
            return
        # The application outlives the window; a parent that is deleted would wait for its dying child.
        process.setParent(QCoreApplication.instance())
        process.finished.connect(process.deleteLater)
        process.kill()
        self._dying = [*filter(isValid, self._dying), process]

    def wait_until_gone(self, milliseconds: int) -> None:
        """Wait for processes that were closed. It blocks, so it is for the end of a program that shows nothing more."""
        for process in filter(isValid, self._dying):
            process.waitForFinished(milliseconds)

    def _launch(self, process: QProcess) -> None:
        if process is self._process:
            process.start()
            unsent, self._unsent = self._unsent, bytearray()
            self._write(bytes(unsent))

    def _write(self, data: bytes) -> None:
        process = self._process
        if process is not None and process.state() != QProcess.ProcessState.NotRunning:
            process.write(data)
        else:
            self._unsent += data

    def _end_unstopped(self, process: QProcess | None, turn: int) -> None:
        if process is not None and process is self._process and turn in self._connection.open_turns:
            self._end("closed")

    def _read_events(self) -> None:
        process, connection = self._process, self._connection
        if process is None:
            return
        connection.receive(bytes(process.readAllStandardOutput().data()))
        try:
            for event in connection.events():
                if isinstance(event, LoadFailed):
                    self.close()  # the next command finds a new process, which tries again
                self.event_came.emit(event)
                if self._process is not process:  # closed, also by whoever heard of the event
                    return
        except ProtocolError as error:
            self._end("bad message", error=error)

    def _read_errors(self) -> None:
        if self._process is not None:
            self._connection.receive_errors(bytes(self._process.readAllStandardError().data()))

    def _on_finished(self, code: int, status: QProcess.ExitStatus) -> None:
        self._read_events()
        self._end("signal" if status == QProcess.ExitStatus.CrashExit else "exit", code)

    def _on_error(self, error: QProcess.ProcessError) -> None:
        if error == QProcess.ProcessError.FailedToStart:
            self._end("not started")

    def _end(self, reason: EndReason, code: int | None = None, error: ProtocolError | None = None) -> None:
        if self._process is None:
            return
        self._read_errors()
        self.close()
        self.ended.emit(self._connection.end(reason, code, error))
