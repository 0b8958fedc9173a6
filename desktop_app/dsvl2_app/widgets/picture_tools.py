"""The tools above the picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import Signal
from PySide6.QtGui import QAction, QIcon
from PySide6.QtWidgets import QHBoxLayout, QMenu, QPushButton, QWidget

from dsvl2_app import texts
from dsvl2_app.state.session import Attachment
from dsvl2_app.texts.mnemonics import plain
from dsvl2_app.widgets import controls, theme
from dsvl2_app.widgets.pixmaps import to_pixmap


class PictureTools(QWidget):
    """Buttons; what they do is their owner's."""

    recent_asked = Signal(object)
    """An `Attachment` of before."""
    save_asked = Signal()
    copy_asked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        show_sidebar = plain(texts.window.show_sidebar())
        self.sidebar = controls.button("", "panel-left", "flat", show_sidebar)
        self.open = controls.button(texts.pictures.open_short(), "image-plus", tip=texts.pictures.open_tip())
        self.recent = controls.button("", "history", "flat", texts.pictures.recent())
        self.region = controls.button("", "square-dashed-mouse-pointer", "flat", texts.pictures.ask_about_part())
        self.region.setCheckable(True)
        self.tiles = controls.button("", "grid-3x3", "flat", texts.pictures.tile_grid())
        self.tiles.setCheckable(True)
        self.zoom_out = controls.button("", "zoom-out", "flat", texts.pictures.zoom_out())
        self.zoom_in = controls.button("", "zoom-in", "flat", texts.pictures.zoom_in())
        self.fit = controls.button("", "maximize", "flat", texts.pictures.fit())
        self.more = controls.button("", "download", "flat", texts.pictures.more())
        self.save = QAction(texts.pictures.save_with_boxes(), self)
        self.copy = QAction(texts.pictures.copy_with_boxes(), self)
        theme.set_icon(self.save, "download", "muted")
        theme.set_icon(self.copy, "copy", "muted")
        self.save.triggered.connect(self.save_asked)
        self.copy.triggered.connect(self.copy_asked)
        menu = QMenu(self)
        menu.addActions([self.save, self.copy])
        self.more.setMenu(menu)
        self._recent_menu = QMenu(self)
        self.recent.setMenu(self._recent_menu)
        self._row = QHBoxLayout(self)
        self._row.setContentsMargins(0, 0, 0, 0)
        self._row.setSpacing(theme.TINY)
        for tool in (self.sidebar, self.open, self.recent):
            self._row.addWidget(tool)
        self._row.addStretch(1)
        for tool in self._view_tools():
            self._row.addWidget(tool)
        self._has_picture = self._needs_sidebar = False
        self._width = 10_000
        self._added: list[QWidget] = []
        self._others: tuple[Attachment, ...] = ()
        self.show_recent(())
        self.show_picture(False)

    def add(self, tool: QWidget) -> None:
        """Put a tool at the left of the one that opens files."""
        self._added.append(tool)
        self._row.insertWidget(self._row.indexOf(self.open), tool)
        self._arrange()

    def show_picture(self, there_is_one: bool) -> None:
        """The tools of a picture are there with a picture; those that add one are in the empty pane itself."""
        self._has_picture = there_is_one
        self._arrange()

    def show_sidebar_button(self, shown: bool) -> None:
        """Where the sidebar is hidden, something has to show it."""
        self._needs_sidebar = shown
        self._arrange()

    def show_recent(self, images: Sequence[Attachment]) -> None:
        """What can be brought back."""
        self._others = tuple(images)
        self._recent_menu.clear()
        for image in images:
            action = self._recent_menu.addAction(QIcon(to_pixmap(image.thumbnail)), Path(image.name).name)
            action.triggered.connect(lambda _checked=False, image=image: self.recent_asked.emit(image))
        self._arrange()

    def fit_into(self, width: int) -> None:
        """Show as many tools as there is room for."""
        self._width = width
        self._arrange()

    def _view_tools(self) -> tuple[QPushButton, ...]:
        return (self.region, self.tiles, self.zoom_out, self.zoom_in, self.fit, self.more)

    def _arrange(self) -> None:
        """What the wheel and keys replace goes first where there is little room."""
        for action in (self.save, self.copy):
            action.setEnabled(self._has_picture)
        wanted: list[QWidget] = [self.sidebar] if self._needs_sidebar else []
        if self._has_picture:
            wanted += [*self._added, self.open, *([self.recent] if self._others else []), *self._view_tools()]
        elif self._others:
            wanted.append(self.recent)
        self.open.setText(texts.pictures.open_short())
        # Each is asked once, because that takes the style some microseconds.
        widths = {tool: max(tool.sizeHint().width(), tool.minimumWidth()) + theme.TINY for tool in wanted}
        for dispensable in (self.tiles, self.zoom_out, self.zoom_in, self.recent, self.more, self.fit, self.region):
            if dispensable in wanted and sum(widths[tool] for tool in wanted) > self._width:
                wanted.remove(dispensable)
        if sum(widths[tool] for tool in wanted) > self._width:
            self.open.setText("")  # its icon and its tip say it as well; no word is cut
        for tool in (self.sidebar, *self._added, self.open, self.recent, *self._view_tools()):
            tool.setVisible(tool in wanted)
        self.setVisible(bool(wanted))
