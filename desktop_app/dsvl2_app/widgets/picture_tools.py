"""The tools above the picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import Signal
from PySide6.QtGui import QIcon
from PySide6.QtWidgets import QHBoxLayout, QMenu, QPushButton, QWidget

from dsvl2_app import texts
from dsvl2_app.state.session import Attachment
from dsvl2_app.widgets import controls, theme
from dsvl2_app.widgets.pixmaps import to_pixmap

ROOMY = 430
"""Pixels from which there is room for all tools; below, those that the wheel and keys replace are hidden."""


class PictureTools(QWidget):
    """Buttons; what they do is their owner's."""

    recent_asked = Signal(object)
    """An `Attachment` of before."""
    save_asked = Signal()
    copy_asked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        show_sidebar = texts.window.show_sidebar().replace("&", "")
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
        menu = QMenu(self)
        save = menu.addAction(texts.pictures.save_with_boxes())
        copy = menu.addAction(texts.pictures.copy_with_boxes())
        theme.set_icon(save, "download", "muted")
        theme.set_icon(copy, "copy", "muted")
        save.triggered.connect(self.save_asked)
        copy.triggered.connect(self.copy_asked)
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
        self._has_picture = False
        self._others: tuple[Attachment, ...] = ()
        self.show_recent(())
        self.show_picture(False)

    def add(self, tool: QWidget) -> None:
        """Put a tool at the left of the one that opens files."""
        self._row.insertWidget(self._row.indexOf(self.open), tool)

    def show_picture(self, there_is_one: bool) -> None:
        """The tools of a picture are there with a picture."""
        self._has_picture = there_is_one
        self._arrange()

    def show_recent(self, images: Sequence[Attachment]) -> None:
        """What can be brought back."""
        self._others = tuple(images)
        self._recent_menu.clear()
        for image in images:
            action = self._recent_menu.addAction(QIcon(to_pixmap(image.thumbnail)), Path(image.name).name)
            action.triggered.connect(lambda _checked=False, image=image: self.recent_asked.emit(image))
        self.recent.setVisible(bool(images))

    def fit_into(self, width: int) -> None:
        """Show as many tools as there is room for."""
        is_roomy = width >= ROOMY
        self.zoom_in.setProperty("fits", is_roomy)
        self._is_roomy = is_roomy
        self._arrange()

    _is_roomy = True

    def _view_tools(self) -> tuple[QPushButton, ...]:
        return (self.region, self.tiles, self.zoom_out, self.zoom_in, self.fit, self.more)

    def _arrange(self) -> None:
        for tool in self._view_tools():
            is_needed = self._is_roomy or tool in (self.region, self.fit, self.more)
            tool.setVisible(self._has_picture and is_needed)
