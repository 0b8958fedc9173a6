"""The line at the bottom: the model, what the engine does, and what it costs."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QProgressBar, QStatusBar, QWidget

from dsvl2_app import texts
from dsvl2_app.state.session import ChatSession
from dsvl2_app.widgets import controls

PROGRESS_WIDTH = 120


class StatusBar(QStatusBar):
    """Shows a session; its buttons belong to whoever connects them."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setSizeGripEnabled(False)
        self.model_button = controls.button(texts.engine.no_model_name(), "cpu", "flat", texts.window.model_tip())
        self.phase = controls.label("", "muted")
        self.phase.setMinimumWidth(1)
        self.progress = QProgressBar()
        self.progress.setFixedWidth(PROGRESS_WIDTH)
        self.progress.setTextVisible(False)
        self.progress.setAccessibleName(texts.window.progress())
        self.settings_button = controls.button("", "settings", "flat", texts.window.settings())
        self.addWidget(self.model_button)
        self.addWidget(self.phase, 1)
        self.addPermanentWidget(self.progress)
        self.addPermanentWidget(self.settings_button)
        self.progress.setAlignment(Qt.AlignmentFlag.AlignVCenter)

    def show_session(self, session: ChatSession) -> None:
        """What the engine of a session does."""
        progress = session.progress
        self.progress.setVisible(progress is not None)
        if session.model is not None:
            self.model_button.setText(texts.engine.model_name(session.model))
        if progress is not None:
            self.progress.setRange(0, 1000)  # Qt counts no further than 31 bits, and a model has more bytes
            self.progress.setValue(1000 * progress.done // max(1, progress.total))
            self.phase.setText(texts.engine.phase(progress.phase))
        elif session.engine_state == "failed":
            self.phase.setText(texts.engine.no_model())
        elif session.engine_state == "ready" and session.model is not None:
            self.phase.setText(texts.engine.ready())
        else:
            self.phase.setText(texts.engine.loading())
