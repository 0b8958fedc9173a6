"""How a capture is begun in the window: a button over the picture, and the same in the file menu."""

from __future__ import annotations

from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QHBoxLayout, QMenu, QWidget

from dsvl2_app.state.app_request import CaptureKind
from dsvl2_app.state.cost import image_cost
from dsvl2_app.state.session import ChatSession
from dsvl2_app.state.time_left import rounded
from dsvl2_app.texts import capture as texts
from dsvl2_app.texts.mnemonics import plain
from dsvl2_app.widgets import controls, theme
from dsvl2_app.widgets.capture_flow import CaptureFlow, image_tokens
from dsvl2_app.widgets.capture_overlay import Describe
from dsvl2_runtime.answers.estimate import TokenCounts, estimate

KEYS = "Ctrl+Shift+S"
DELAY_SECONDS = 3
"""Enough to open the menu that is to be captured."""


class CaptureButton(QWidget):
    """A click captures a region; the arrow beside it offers the rest. It may be the first choice where it stands."""

    def __init__(self, flow: CaptureFlow, menu: QMenu, *, is_first: bool = False) -> None:
        super().__init__()
        kind: controls.ButtonKind = "primary" if is_first else "normal"
        self.button = controls.button(texts.capture_button(), "crop", kind, QKeySequence(KEYS).toString())
        self.button.clicked.connect(lambda: flow.start("region"))
        self.arrow = controls.button("", "chevron-down", "flat", plain(texts.capture_menu()))
        self.arrow.clicked.connect(lambda: menu.popup(self.arrow.mapToGlobal(self.arrow.rect().bottomLeft())))
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self.button)
        layout.addWidget(self.arrow)


def area_cost(session: ChatSession) -> Describe:
    """Tokens of an area with the model that is loaded, and seconds as far as earlier answers tell."""

    def describe(width: int, height: int) -> str:
        config = None if session.model is None else session.model.config
        if config is None:
            return image_tokens(width, height)
        _, tokens = image_cost((width, height), 1, config)
        counts = TokenCounts.of_sizes([(width, height)], "", config)
        expected = estimate(counts, session.speeds, session.options.max_new_tokens)
        if expected.seconds is None:
            return texts.area_tokens(tokens)
        return texts.area_cost(tokens, rounded(expected.seconds))

    return describe


def capture_menu(flow: CaptureFlow, parent: QWidget) -> QMenu:
    """Region, window, screen, and a region after a delay."""
    menu = QMenu(texts.capture_menu(), parent)
    theme.set_icon(menu, "crop", "muted")
    entries: tuple[tuple[str, str, CaptureKind, int], ...] = (
        (texts.capture_region(), "square-dashed", "region", 0),
        (texts.capture_window(), "app-window", "window", 0),
        (texts.capture_screen(), "monitor", "screen", 0),
        (texts.capture_later(DELAY_SECONDS), "clock", "region", DELAY_SECONDS),
    )
    for text, icon, kind, delay in entries:
        action = QAction(text, menu)
        theme.set_icon(action, icon, "muted")
        action.triggered.connect(lambda _checked=False, kind=kind, delay=delay: flow.start(kind, delay))
        menu.addAction(action)
    menu.actions()[0].setShortcut(QKeySequence(KEYS))
    return menu
