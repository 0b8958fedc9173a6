"""The dialog of settings: five pages, everything applied at once."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QAction
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QHBoxLayout,
    QListWidget,
    QListWidgetItem,
    QScrollArea,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from dsvl2_app import texts
from dsvl2_app.history_client import History
from dsvl2_app.settings_keeper import SettingsKeeper
from dsvl2_app.widgets import theme
from dsvl2_app.widgets.settings.advanced_page import AdvancedPage
from dsvl2_app.widgets.settings.general_page import GeneralPage
from dsvl2_app.widgets.settings.keys_page import KeysPage
from dsvl2_app.widgets.settings.model_page import ModelPage
from dsvl2_app.widgets.settings.page import Page
from dsvl2_app.widgets.settings.privacy_page import PrivacyPage

SIZE = QSize(720, 520)
LIST_WIDTH = 170


class SettingsDialog(QDialog):
    """One for a window; whoever opens it connects what its pages ask for."""

    def __init__(
        self, keeper: SettingsKeeper, history: History, actions: Sequence[QAction], parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle(texts.settings.title())
        self.resize(SIZE.boundedTo(self.screen().availableGeometry().size() * 0.9))
        self.general = GeneralPage(keeper)
        self.model = ModelPage(keeper)
        self.keys = KeysPage(keeper, actions)
        self.privacy = PrivacyPage(history)
        self.advanced = AdvancedPage(keeper)
        self.pages = QListWidget()
        self.pages.setAccessibleName(texts.settings.pages())
        self.pages.setFixedWidth(LIST_WIDTH)
        self.pages.setProperty("kind", "navigation")
        self.pages.setIconSize(theme.icon_size())
        self._stack = QStackedWidget()
        for page, icon in (
            (self.general, "settings"),
            (self.model, "cpu"),
            (self.keys, "keyboard"),
            (self.privacy, "lock"),
            (self.advanced, "info"),
        ):
            self._add(page, icon)
        self.pages.currentRowChanged.connect(self._stack.setCurrentIndex)
        self.pages.setCurrentRow(0)
        buttons = QDialogButtonBox()
        buttons.addButton(texts.settings.close(), QDialogButtonBox.ButtonRole.RejectRole)
        buttons.rejected.connect(self.reject)
        middle = QHBoxLayout()
        middle.setSpacing(theme.SMALL)
        middle.addWidget(self.pages)
        middle.addWidget(self._stack, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(theme.NORMAL, theme.NORMAL, theme.NORMAL, theme.NORMAL)
        layout.addLayout(middle, 1)
        layout.addWidget(buttons)

    def show_page(self, page: Page) -> None:
        """Turn to one of the pages."""
        for row in range(self._stack.count()):
            scroll = self._stack.widget(row)
            if isinstance(scroll, QScrollArea) and scroll.widget() is page:
                self.pages.setCurrentRow(row)

    def _add(self, page: Page, icon: str) -> None:
        item = QListWidgetItem(theme.icon(icon, "muted"), page.title)
        item.setSizeHint(QSize(0, theme.BUTTON_HEIGHT + theme.TINY))
        self.pages.addItem(item)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QScrollArea.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setWidget(page)
        self._stack.addWidget(scroll)
