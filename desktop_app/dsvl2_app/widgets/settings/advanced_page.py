"""Where the program's files are, its version, and what others add, such as the log."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtWidgets import QWidget

from dsvl2_app import texts
from dsvl2_app.settings_keeper import SettingsKeeper
from dsvl2_app.widgets import controls
from dsvl2_app.widgets.settings.page import Page
from dsvl2_app.widgets.settings.privacy_page import open_folder
from dsvl2_runtime import __version__
from dsvl2_runtime.machine.files import cache_folder


class AdvancedPage(Page):
    """For whoever wants to know."""

    def __init__(self, keeper: SettingsKeeper, parent: QWidget | None = None) -> None:
        super().__init__(texts.settings.advanced(), parent)
        if keeper.path is not None:
            self._add_folder(texts.settings.settings_file(), keeper.path, keeper.path.parent)
        self._add_folder(texts.settings.cache(), cache_folder(), cache_folder())
        self.add_row(texts.settings.program(), f"dsvl2-onnx {__version__}")

    def _add_folder(self, name: str, shown: Path, folder: Path) -> None:
        button = controls.button(texts.settings.open_folder(), "folder-open")
        button.clicked.connect(lambda: open_folder(folder))
        self.add_row(name, str(shown), button)
