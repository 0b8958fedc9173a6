"""The settings of the window: read once, told to everybody when they change, written in a thread."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, Signal

from dsvl2_app.messenger import Messenger
from dsvl2_app.state.settings import Settings, load_settings, save_settings
from dsvl2_runtime.errors import ResourceError, UsageError


class SettingsKeeper(Messenger):
    """Settings that are applied at once.

    Args:
        path: the file; None keeps nothing.
        parent: as in Qt.
    """

    changed = Signal(object)
    """The new `Settings`."""
    not_saved = Signal(str)
    """Why the file cannot be written."""

    def __init__(self, path: Path | None = None, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.path = path
        self.problem = ""
        """Why the file was not read; the defaults hold then."""
        try:
            self.settings = load_settings(path)
        except UsageError as error:
            self.settings, self.problem = Settings(), str(error)
        self._writer = ThreadPoolExecutor(1, "settings")  # one thread, so that the last change is written last

    def change(self, **values: Any) -> None:
        """Change some settings, and write all of them.

        Raises:
            ValidationError: one of them is not allowed.
        """
        settings = replace(self.settings, **values)
        if settings != self.settings:
            self.settings = settings
            with suppress(RuntimeError):  # the program ends
                self._writer.submit(self._write, settings)
            self.changed.emit(settings)

    def close(self) -> None:
        """End the thread when everything is written; a small file, so nobody has to wait for long."""
        self._writer.shutdown(wait=False)

    def wait_until_gone(self) -> None:
        """Wait until everything is written."""
        self._writer.shutdown(wait=True)

    def _write(self, settings: Settings) -> None:
        try:
            save_settings(self.path, settings)
        except ResourceError as error:
            self.send(self.not_saved.emit, str(error))
