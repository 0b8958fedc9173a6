"""Icons that are drawn before they are needed, one in each turn of the event loop.

An icon takes 4 to 10 ms, since it is drawn in a dozen sizes; the first card of a conversation has four.
"""

from __future__ import annotations

from PySide6.QtCore import QObject, QTimer

from dsvl2_app.widgets import theme
from dsvl2_app.widgets.colours import Role

ICONS: tuple[tuple[str, Role], ...] = (
    ("square", "on_accent"), ("copy", "muted"), ("table", "muted"), ("refresh-cw", "muted"), ("ellipsis", "muted"),
    ("circle-alert", "warning"), ("zoom-in", "text"), ("undo-2", "text"), ("circle-stop", "text"),
)  # fmt: skip
"""In the order in which a conversation needs them: while its first question is answered, below the answer, by a
doubt and by what waits."""
PAUSE_MILLISECONDS = 30
"""Between two of them, in which the window shows itself."""


class IconsAhead(QObject):
    """Draws `ICONS` in the colours of the theme; once for each theme."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._left: list[tuple[str, Role]] = []
        self._timer = QTimer(self)
        self._timer.setInterval(PAUSE_MILLISECONDS)
        self._timer.timeout.connect(self._draw)
        theme.signals.changed.connect(self._begin)
        self._begin()

    @property
    def is_done(self) -> bool:
        """Whether all of them are drawn."""
        return not self._left

    def _begin(self) -> None:
        self._left = list(ICONS)
        self._timer.start()

    def _draw(self) -> None:
        if self._left:
            theme.icon(*self._left.pop(0))
        if not self._left:
            self._timer.stop()
