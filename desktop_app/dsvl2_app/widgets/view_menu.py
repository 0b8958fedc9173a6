"""The menu of how the window looks."""

from __future__ import annotations

from PySide6.QtGui import QActionGroup, QKeySequence
from PySide6.QtWidgets import QApplication, QMenu, QWidget

from dsvl2_app import texts
from dsvl2_app.widgets import theme
from dsvl2_app.widgets.panes import Panes
from dsvl2_app.widgets.picture_view import PictureView

TEXT_STEP = 10
"""Percent."""


class ViewMenu(QMenu):
    """The sidebar, the panes, the theme and the size of texts."""

    def __init__(self, panes: Panes, parent: QWidget) -> None:
        super().__init__(texts.window.view_menu(), parent)
        self._add_panes(panes)
        self.addSeparator()
        for text, keys, change in (
            (texts.window.larger_text(), ("Ctrl++", "Ctrl+="), TEXT_STEP),
            (texts.window.smaller_text(), ("Ctrl+-",), -TEXT_STEP),
            (texts.window.normal_text(), ("Ctrl+0",), 0),
        ):
            action = self.addAction(text)
            action.setShortcuts([QKeySequence(key) for key in keys])
            action.triggered.connect(lambda _checked=False, change=change: _zoom(change))
        self._themes = self.addMenu(texts.window.theme_menu())
        self._group = QActionGroup(self)
        self._add_themes()

    def _add_panes(self, panes: Panes) -> None:
        sidebar = self.addAction(texts.window.show_sidebar())
        sidebar.setCheckable(True)
        sidebar.setShortcut(QKeySequence("Ctrl+B"))
        sidebar.triggered.connect(panes.toggle_sidebar)
        panes.sidebar_shown.connect(sidebar.setChecked)
        following = self.addAction(texts.window.next_pane())
        following.setShortcut(QKeySequence("F6"))
        following.triggered.connect(panes.focus_next)

    def _add_themes(self) -> None:
        choices: tuple[tuple[theme.Choice, str], ...] = (
            ("system", texts.window.theme_system()),
            ("light", texts.window.theme_light()),
            ("dark", texts.window.theme_dark()),
        )
        actions = {}
        for choice, text in choices:
            action = self._themes.addAction(text)
            action.setCheckable(True)
            action.triggered.connect(lambda _checked=False, choice=choice: theme.apply(choice))
            self._group.addAction(action)
            actions[choice] = action
        self._actions = actions
        self._show_choice()
        theme.signals.changed.connect(self._show_choice)

    def _show_choice(self) -> None:
        self._actions[theme.choice()].setChecked(True)


def _zoom(percent: int) -> None:
    """The picture, if it has the focus, else the texts; 0 is the usual size."""
    view = QApplication.focusWidget()
    if isinstance(view, PictureView):
        (view.zoom_in if percent > 0 else view.zoom_out if percent < 0 else view.fit)()
        return
    theme.apply(percent=theme.text_percent() + percent if percent else 100)
