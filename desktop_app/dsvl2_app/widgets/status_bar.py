"""The line at the bottom: the model, what the engine does, and what it costs."""

from __future__ import annotations

import os

from PySide6.QtCore import QSize, QTimer
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QLayout, QProgressBar, QSizePolicy, QStatusBar, QWidget

from dsvl2_app import texts
from dsvl2_app.state.session import ChatSession
from dsvl2_app.state.usage import context_used, last_speed, memory_used
from dsvl2_app.widgets import controls, theme
from dsvl2_app.widgets.privacy_card import PrivacyCard

PROGRESS_WIDTH = 120
PROGRESS_STEPS = 1000
"""Qt counts no further than 31 bits, and a model has more bytes."""
MEMORY_MILLISECONDS = 2_000
"""Between two looks at the memory while the engine is at work; an idle window looks at nothing."""
ROOMY, ENOUGH = 900, 620
"""Pixels from which all figures have room, and the name of the shield."""


class StatusBar(QStatusBar):
    """Shows a session; the buttons of model and settings belong to whoever connects them."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setSizeGripEnabled(False)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.model_button = controls.button(texts.engine.no_model_name(), "cpu", "flat", texts.window.model_tip())
        self.phase = controls.label("", "muted")
        self.phase.setMinimumWidth(1)
        self.progress = QProgressBar()
        self.progress.setFixedWidth(PROGRESS_WIDTH)
        self.progress.setTextVisible(False)
        self.progress.setAccessibleName(texts.window.progress())
        self.speed = controls.label("", "muted")
        self.context = controls.label("", "muted")
        self.context.setToolTip(texts.window.context_tip())
        self.memory = controls.label("", "muted")
        self.memory.setToolTip(texts.window.memory_tip())
        self.shield = controls.button(texts.window.offline(), "shield-check", "flat", texts.window.offline_tip())
        self.shield.clicked.connect(self.show_privacy)
        self.settings_button = controls.button("", "settings", "flat", texts.window.settings())
        self.addWidget(self.model_button)
        self.addWidget(self.phase, 1)
        for figure in (self.speed, self.context, self.memory):
            figure.setContentsMargins(theme.SMALL, 0, theme.SMALL, 0)
        for widget in (self.progress, self.speed, self.context, self.memory, self.shield, self.settings_button):
            self.addPermanentWidget(widget)
        layout = self.layout()
        if layout is not None:  # figures are left out in a narrow window instead of making it wider
            layout.setSizeConstraint(QLayout.SizeConstraint.SetNoConstraint)
        self.setMinimumWidth(1)  # what the layout has set before
        self._engine_id: int | None = None
        self._timer = QTimer(self)
        self._timer.setInterval(MEMORY_MILLISECONDS)
        self._timer.timeout.connect(self._show_memory)

    def show_session(self, session: ChatSession, engine_id: int | None = None) -> None:
        """What the engine of a session does, and what is used.

        Args:
            session: whose state is shown.
            engine_id: of the engine's process.
        """
        is_other_engine, self._engine_id = engine_id != self._engine_id, engine_id
        self._show_phase(session)
        speed, used = last_speed(session), context_used(session)
        self.speed.setText(texts.window.speed(speed) if speed is not None else "")
        self.context.setText(texts.window.context(*used) if used is not None else "")
        is_busy = session.progress is not None or session.asked_turn is not None or session.engine_state == "loading"
        was_busy = self._timer.isActive()
        if is_other_engine or not self.memory.text() or (was_busy and not is_busy):  # not with each step of the engine
            self._show_memory()
        if is_busy and not was_busy:
            self._timer.start()
        elif not is_busy:
            self._timer.stop()

    @property
    def looks_at_memory(self) -> bool:
        """Whether the memory is looked at again and again."""
        return self._timer.isActive()

    def minimumSizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """As narrow as the window."""
        return QSize(1, super().minimumSizeHint().height())

    def show_privacy(self) -> PrivacyCard:
        """What is kept where."""
        card = PrivacyCard(self)
        card.show_above(self.shield)
        return card

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 - Qt's name
        """A narrow window shows fewer figures."""
        super().resizeEvent(event)
        for label in (self.speed, self.context, self.memory):
            label.setVisible(self.width() >= (ENOUGH if label is self.context else ROOMY))
        is_narrow = self.width() < ENOUGH
        self.shield.setText("" if is_narrow else texts.window.offline())
        self.progress.setFixedWidth(PROGRESS_WIDTH // 2 if is_narrow else PROGRESS_WIDTH)

    def _show_phase(self, session: ChatSession) -> None:
        progress = session.progress
        self.progress.setVisible(progress is not None)
        if session.model is not None:
            self.model_button.setText(texts.engine.model_name(session.model).replace("&", "&&"))
        if progress is not None:
            self.progress.setRange(0, PROGRESS_STEPS)
            self.progress.setValue(PROGRESS_STEPS * progress.done // max(1, progress.total))
            self.phase.setText(
                texts.engine.loading_bytes(progress.done, progress.total, session.loading.seconds)
                if progress.phase == "load"
                else texts.engine.phase(progress.phase)
            )
        elif session.engine_state == "failed":
            self.phase.setText(texts.engine.no_model())
        elif session.asked_turn is not None:
            self.phase.setText(texts.engine.preparing())
        elif session.engine_state == "ready":
            self.phase.setText(texts.engine.ready())
        elif session.engine_state == "off":
            self.phase.setText(texts.engine.not_loaded())
        else:
            self.phase.setText(texts.engine.loading())

    def _show_memory(self) -> None:
        used = memory_used(os.getpid(), self._engine_id)
        self.memory.setText(texts.window.memory(used))
