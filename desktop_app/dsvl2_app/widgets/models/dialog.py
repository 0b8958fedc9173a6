"""The sheet of models: their list, and the page that converts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QSize
from PySide6.QtWidgets import QDialog, QStackedLayout, QWidget

from dsvl2_app import texts
from dsvl2_app.converter import Converter
from dsvl2_app.settings_keeper import SettingsKeeper
from dsvl2_app.state.session import ChatSession
from dsvl2_app.widgets.models.conversion_page import ConversionPage
from dsvl2_app.widgets.models.model_list import ModelList
from dsvl2_runtime.engine.protocol import Load

SIZE = QSize(720, 560)


class ModelDialog(QDialog):
    """Of one window. A conversion goes on when it is closed."""

    def __init__(
        self,
        keeper: SettingsKeeper,
        session: ChatSession,
        load: Callable[[], Load],
        converter: Converter,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle(texts.models.title())
        self.resize(SIZE.boundedTo(self.screen().availableGeometry().size() * 0.9))
        self._keeper = keeper
        self.list = ModelList(keeper, session, load)
        self.page = ConversionPage(converter)
        self._stack = QStackedLayout(self)
        self._stack.addWidget(self.list)
        self._stack.addWidget(self.page)
        self.list.conversion_asked.connect(self.show_conversion)
        self.page.back_asked.connect(self.show_list)
        self.page.converted.connect(self._add)
        if converter.conversion is not None and converter.is_running:
            self._stack.setCurrentWidget(self.page)
            converter.changed.emit()

    def show_list(self) -> None:
        """Turn to the list, looked at anew."""
        self.list.look_again()
        self._stack.setCurrentWidget(self.list)

    def show_conversion(self, checkpoint: Path) -> None:
        """Turn to the page that converts."""
        self.page.show_checkpoint(checkpoint)
        self._stack.setCurrentWidget(self.page)

    def close_work(self) -> None:
        """End its threads."""
        self.list.close_work()
        self.page.close_work()

    def _add(self, folder: Path) -> None:
        if str(folder) not in self._keeper.settings.models:
            self._keeper.change(models=(*self._keeper.settings.models, str(folder)))
