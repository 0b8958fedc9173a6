"""Language, theme, text size, and how the window starts."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QSlider, QWidget

from dsvl2_app import texts
from dsvl2_app.settings_keeper import SettingsKeeper
from dsvl2_app.widgets import theme
from dsvl2_app.widgets.settings.page import CONTROL_WIDTH, Page, choices, switch

STEP = 10
"""Percent."""


class GeneralPage(Page):
    """What most people look for."""

    def __init__(self, keeper: SettingsKeeper, parent: QWidget | None = None) -> None:
        super().__init__(texts.settings.general(), parent)
        settings = keeper.settings
        languages = [("system", texts.settings.as_system()), ("en", "English"), ("zh_CN", "简体中文")]
        self.language = choices(languages, settings.language, lambda value: keeper.change(language=value))
        self.add_row(*texts.settings.language(), self.language)
        themes = [
            ("system", texts.settings.as_system()),
            ("light", texts.settings.light()),
            ("dark", texts.settings.dark()),
        ]
        self.theme = choices(themes, theme.choice(), theme.apply)
        self.add_row(*texts.settings.theme(), self.theme)
        self.text_size = QSlider(Qt.Orientation.Horizontal)
        self.text_size.setRange(theme.LEAST_PERCENT // STEP, theme.MOST_PERCENT // STEP)
        self.text_size.setValue(theme.text_percent() // STEP)
        self.text_size.setFixedWidth(CONTROL_WIDTH)
        self.text_size.setTracking(False)  # each step lays out the whole window
        self.text_size.valueChanged.connect(lambda value: theme.apply(percent=value * STEP))
        self.add_row(*texts.settings.text_size(), self.text_size)
        self.opens_last = switch(settings.opens_last, lambda is_on: keeper.change(opens_last=is_on))
        self.add_row(*texts.settings.opens_last(), self.opens_last)
