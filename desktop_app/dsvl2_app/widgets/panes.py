"""Three panes beside each other, as far as the window is wide enough: conversations, pictures, the conversation."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, QRect, Qt, Signal
from PySide6.QtGui import QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QApplication, QHBoxLayout, QSplitter, QWidget

from dsvl2_app.state.layout import Layout
from dsvl2_app.widgets import theme

WIDE = 1000
"""Pixels from which all three stand beside each other; below, the sidebar is a drawer over the others."""
NARROW = 720
"""Below, the picture is a strip above the conversation."""
LOW, LEAST_BESIDE = 360, 560
"""A window that is lower has no room for a strip; from this width on, the two stay beside each other in it."""
STRIP_HEIGHT = 160
STRIP_SHARE = 0.36
"""Of the height, which the strip never exceeds at first."""
DRAWER_WIDTH = 280
SHADE = 90
"""Opacity of 255, behind an open drawer."""


class Shade(QWidget):
    """Darkens what lies behind the drawer; a click on it closes the drawer."""

    clicked = Signal()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """Half dark in both themes."""
        colour = theme.colour("text") if not theme.is_dark() else theme.colour("sunken")
        colour.setAlpha(SHADE)
        QPainter(self).fillRect(event.rect(), colour)

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        """Anywhere."""
        self.clicked.emit()
        event.accept()


class PaneSplitter(QSplitter):
    """A line of one pixel that can be taken hold of from both sides."""

    def __init__(self, orientation: Qt.Orientation) -> None:
        super().__init__(orientation)
        self.setHandleWidth(1)
        self.setChildrenCollapsible(False)


class Panes(QWidget):
    """Arranges three panes by the width that there is."""

    sidebar_shown = Signal(bool)
    """Whether the sidebar can be seen now."""

    def __init__(self, sidebar: QWidget, picture: QWidget, talk: QWidget) -> None:
        super().__init__()
        self.sidebar, self.picture, self.talk = sidebar, picture, talk
        self._wants_sidebar = True
        self._sidebar_width, self._share = Layout().sidebar_width, Layout().picture_share
        self._drawer_is_open = False
        self._inner = PaneSplitter(Qt.Orientation.Horizontal)
        self._inner.addWidget(picture)
        self._inner.addWidget(talk)
        self._outer = PaneSplitter(Qt.Orientation.Horizontal)
        self._outer.addWidget(sidebar)
        self._outer.addWidget(self._inner)
        self._outer.setStretchFactor(1, 1)
        self._shade = Shade(self)
        self._shade.hide()
        self._shade.clicked.connect(self.close_drawer)
        sidebar.setAutoFillBackground(True)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._outer)
        self._outer.splitterMoved.connect(self._remember)
        self._inner.splitterMoved.connect(self._remember)
        self._is_wide: bool | None = None
        self._is_narrow: bool | None = None
        sidebar.installEventFilter(self)

    @property
    def is_wide(self) -> bool:
        """Whether the sidebar has a place of its own."""
        return self.width() >= WIDE

    @property
    def is_narrow(self) -> bool:
        """Whether the picture is a strip above the conversation."""
        return self.width() < (LEAST_BESIDE if self.height() < LOW else NARROW)

    def restore(self, layout: Layout) -> None:
        """Divide the panes as they were."""
        self._wants_sidebar = layout.shows_sidebar
        self._sidebar_width, self._share = layout.sidebar_width, layout.picture_share
        self._is_wide = self._is_narrow = None
        self._arrange()

    @property
    def sidebar_width(self) -> int:
        """As it was divided last, in pixels."""
        return self._sidebar_width

    @property
    def picture_share(self) -> float:
        """As it was divided last."""
        return self._share

    @property
    def wants_sidebar(self) -> bool:
        """Whether it is shown where there is room."""
        return self._wants_sidebar

    def toggle_sidebar(self) -> None:
        """Show or hide it; in a window that is not wide it opens as a drawer."""
        if self.is_wide:
            self._wants_sidebar = not self._wants_sidebar
            self.sidebar.setVisible(self._wants_sidebar)
            self._divide()
            self.sidebar_shown.emit(self._wants_sidebar)
        elif self._drawer_is_open:
            self.close_drawer()
        else:
            self._open_drawer()

    def close_drawer(self) -> None:
        """Close it; in a wide window nothing happens."""
        if not self._drawer_is_open:
            return
        self._drawer_is_open = False
        self._shade.hide()
        self.sidebar.hide()
        self.sidebar_shown.emit(False)
        self.talk.setFocus()

    def focus_next(self) -> None:
        """Give the focus to the next pane that can be seen."""
        panes = [pane for pane in (self.sidebar, self.picture, self.talk) if pane.isVisible()]
        focused = QApplication.focusWidget()
        at = next((i for i, pane in enumerate(panes) if focused is not None and pane.isAncestorOf(focused)), -1)
        for step in range(1, len(panes) + 1):
            pane = panes[(at + step) % len(panes)]
            target = next((child for child in _in_order(pane) if child.isVisible() and child.isEnabled()), None)
            if target is not None:
                target.setFocus(Qt.FocusReason.TabFocusReason)
                return

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 - Qt's name
        """Another width may need another arrangement."""
        super().resizeEvent(event)
        self._arrange()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        """Escape closes the drawer."""
        if isinstance(event, QKeyEvent) and self._drawer_is_open:
            is_press = event.type() == QEvent.Type.KeyPress
            if is_press and event.key() == Qt.Key.Key_Escape:
                self.close_drawer()
                return True
        return super().eventFilter(watched, event)

    def _arrange(self) -> None:
        if self.is_wide != self._is_wide:
            self._is_wide = self.is_wide
            self._drawer_is_open = False
            self._shade.hide()
            if self.is_wide:
                self._outer.insertWidget(0, self.sidebar)
                self._outer.setStretchFactor(0, 0)
                self.sidebar.setVisible(self._wants_sidebar)
            else:
                self.sidebar.setParent(self)
                self.sidebar.hide()
            self.sidebar_shown.emit(self.is_wide and self._wants_sidebar)
        if self.is_narrow != self._is_narrow:
            self._is_narrow = self.is_narrow
            down, across = Qt.Orientation.Vertical, Qt.Orientation.Horizontal
            self._inner.setOrientation(down if self.is_narrow else across)
            self._inner.setStretchFactor(0, 0 if self.is_narrow else 1)
            self._inner.setStretchFactor(1, 1)
        self._divide()
        if self._drawer_is_open:
            self._place_drawer()

    def _divide(self) -> None:
        """Give each pane its size."""
        beside = self.width()
        if self.is_wide and self._wants_sidebar:
            beside -= self._sidebar_width
            self._outer.setSizes([self._sidebar_width, beside])
        if self.is_narrow:
            strip = min(STRIP_HEIGHT, int(self.height() * STRIP_SHARE))
            self._inner.setSizes([strip, self.height() - strip])
        else:
            self._inner.setSizes([int(beside * self._share), int(beside * (1 - self._share))])

    def _remember(self) -> None:
        """The user has moved a line."""
        if self.is_wide and self.sidebar.isVisible():
            self._sidebar_width = self.sidebar.width()
        if not self.is_narrow:
            self._share = min(max(self.picture.width() / max(1, self._inner.width()), 0.1), 0.9)

    def _open_drawer(self) -> None:
        self._drawer_is_open = True
        self._place_drawer()
        self._shade.show()
        self._shade.raise_()
        self.sidebar.show()
        self.sidebar.raise_()
        self.sidebar_shown.emit(True)
        self.sidebar.setFocus()

    def _place_drawer(self) -> None:
        self._shade.setGeometry(self.rect())
        self.sidebar.setGeometry(QRect(0, 0, min(DRAWER_WIDTH, self.width() - 40), self.height()))


def _in_order(pane: QWidget) -> list[QWidget]:
    """What of a pane takes the focus by Tab, in the order of Tab."""
    found: list[QWidget] = []
    widget = pane.nextInFocusChain()
    while widget is not None and widget is not pane:
        if pane.isAncestorOf(widget) and widget.focusPolicy() & Qt.FocusPolicy.TabFocus:
            found.append(widget)
        widget = widget.nextInFocusChain()
    return found
