"""Converts a checkpoint in a process of its own, then verifies the bundle; nothing here waits."""

from __future__ import annotations

from PySide6.QtCore import QObject, QProcess, Signal

from dsvl2_app.background import Background
from dsvl2_app.state.conversion import Conversion
from dsvl2_app.state.models import program, verify
from dsvl2_runtime.engine.wire_error import WireError


class Converter(QObject):
    """One conversion at a time."""

    changed = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.conversion: Conversion | None = None
        self._process: QProcess | None = None
        self._checks = Background("verify a bundle", self)
        self._checks.failed.connect(self._not_verified)

    @property
    def is_running(self) -> bool:
        """Whether a conversion goes on."""
        return self.conversion is not None and self.conversion.is_running

    def start(self, conversion: Conversion) -> None:
        """Begin, or go on with what an earlier attempt has left."""
        if self.is_running:
            return
        self.conversion = conversion
        conversion.log.clear()
        conversion.begin("converting")
        process = QProcess(self)
        command, *arguments = program(*conversion.arguments)
        process.setProgram(command)
        process.setArguments(arguments)
        process.readyReadStandardOutput.connect(self._read)
        process.readyReadStandardError.connect(self._read)
        process.finished.connect(self._on_finished)
        process.errorOccurred.connect(self._on_error)
        self._process = process
        process.start()
        self.changed.emit()

    def cancel(self) -> None:
        """End it; what is finished is kept for the next attempt."""
        if self.conversion is None or not self.is_running:
            return
        self.conversion.step = "cancelled"
        self._end_process()
        self.changed.emit()

    def close(self) -> None:
        """End everything, because the window closes."""
        self.cancel()
        self._checks.close()

    def _end_process(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.finished.disconnect(self._on_finished)
        process.errorOccurred.disconnect(self._on_error)
        process.finished.connect(process.deleteLater)
        process.kill()  # the journal says what is whole, whenever it ends

    def _read(self) -> None:
        if self._process is not None and self.conversion is not None:
            self.conversion.take_output(bytes(self._process.readAllStandardOutput().data()))
            self.conversion.take_errors(bytes(self._process.readAllStandardError().data()))
            self.changed.emit()

    def _on_finished(self, code: int, status: QProcess.ExitStatus) -> None:
        self._read()
        conversion, process, self._process = self.conversion, self._process, None
        if process is not None:
            process.deleteLater()
        if conversion is None:
            return
        if code != 0 or status == QProcess.ExitStatus.CrashExit:
            conversion.end(code or 1)
        else:
            conversion.begin("verifying")
            self._checks.run(lambda: verify(conversion.out, self._send_progress), self._verified)
        self.changed.emit()

    def _on_error(self, error: QProcess.ProcessError) -> None:
        if error == QProcess.ProcessError.FailedToStart and self.conversion is not None:
            self.conversion.log.append(self._process.errorString() if self._process is not None else "")
            self.conversion.end(1)
            self._process = None
            self.changed.emit()

    def _send_progress(self, done: int, total: int) -> None:
        self._checks.send(self._take_progress, (done, total))  # called on the thread

    def _take_progress(self, progress: tuple[int, int]) -> None:
        if self.conversion is not None and self.conversion.step == "verifying":
            self.conversion.take_progress(*progress)
            self.changed.emit()

    def _verified(self, _files: int) -> None:
        if self.conversion is not None and self.conversion.step == "verifying":
            self.conversion.step = "done"
            self.changed.emit()

    def _not_verified(self, error: WireError) -> None:
        if self.conversion is not None and self.conversion.step == "verifying":
            self.conversion.log.append(error.message)
            self.conversion.end(1)
            self.changed.emit()
