"""What the engine is given: threads, the longest answer, and the way to the models."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QDoubleSpinBox, QSpinBox, QWidget

from dsvl2_app import texts
from dsvl2_app.settings_keeper import SettingsKeeper
from dsvl2_app.state.settings import LONGEST_ANSWER
from dsvl2_app.widgets import controls, theme
from dsvl2_app.widgets.settings.page import CONTROL_WIDTH, Page, switch
from dsvl2_runtime.machine.cores import choose_threads


class ModelPage(Page):
    """Of whatever model is loaded."""

    models_asked = Signal()

    def __init__(self, keeper: SettingsKeeper, parent: QWidget | None = None) -> None:
        super().__init__(texts.settings.model(), parent)
        settings = keeper.settings
        self.threads = QSpinBox()
        self.threads.setRange(0, max(choose_threads(None).count, settings.threads))
        self.threads.setSpecialValueText(texts.settings.all_cores())
        self.threads.setValue(settings.threads)
        self.threads.valueChanged.connect(lambda value: keeper.change(threads=value))
        self.longest = QSpinBox()
        self.longest.setRange(1, LONGEST_ANSWER)
        self.longest.setSingleStep(64)
        self.longest.setSuffix(texts.settings.tokens())
        self.longest.setValue(settings.longest_answer)
        self.longest.valueChanged.connect(lambda value: keeper.change(longest_answer=value))
        self.temperature = QDoubleSpinBox()
        self.temperature.setRange(0, 2)
        self.temperature.setSingleStep(0.1)
        self.temperature.setDecimals(1)
        self.temperature.setValue(settings.temperature)
        self.temperature.valueChanged.connect(lambda value: keeper.change(temperature=round(value, 1)))
        for (name, sentence), field in (
            (texts.settings.threads(), self.threads),
            (texts.settings.longest_answer(), self.longest),
            (texts.settings.temperature(), self.temperature),
        ):
            field.setKeyboardTracking(False)  # half a number is none
            field.setFixedWidth(CONTROL_WIDTH)
            field.setMinimumHeight(theme.BUTTON_HEIGHT)
            self.add_row(name, sentence, field)
        self.looks_again = switch(settings.looks_again, lambda is_on: keeper.change(looks_again=is_on))
        self.add_row(*texts.second_look.automatic(), self.looks_again)
        self.models = controls.button(texts.settings.set_up_model(), "cpu")
        self.models.clicked.connect(self.models_asked)
        self.add_row(texts.settings.model(), texts.settings.models_sentence(), self.models)
