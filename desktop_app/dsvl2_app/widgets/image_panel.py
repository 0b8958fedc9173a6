"""The images beside the conversation: thumbnails, a place to drop more, a button to take one away."""

from __future__ import annotations

import html
from collections.abc import Sequence
from pathlib import Path

from PIL import Image
from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QIcon, QImage, QPixmap
from PySide6.QtWidgets import QLabel, QListWidget, QListWidgetItem, QPushButton, QVBoxLayout, QWidget

from dsvl2_app import texts
from dsvl2_app.state.intake import THUMBNAIL
from dsvl2_app.state.session import Attachment


def to_pixmap(image: Image.Image) -> QPixmap:
    """A Pillow image in RGB for the screen."""
    data = image.tobytes()
    return QPixmap.fromImage(
        QImage(data, image.width, image.height, 3 * image.width, QImage.Format.Format_RGB888).copy()
    )


class ImagePanel(QWidget):
    """Shows images, and emits a signal where one is to go."""

    remove_asked = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.list = QListWidget()
        self.list.setIconSize(QSize(THUMBNAIL, THUMBNAIL))
        self.list.setViewMode(QListWidget.ViewMode.IconMode)
        self.list.setFlow(QListWidget.Flow.TopToBottom)
        self.list.setWrapping(False)
        self.list.setMovement(QListWidget.Movement.Static)
        self.list.setSpacing(6)
        self.list.setAccessibleName(texts.pictures.images())
        self.list.setAcceptDrops(False)  # drops go to the window, wherever they fall
        self.list.setMinimumHeight(1)
        self.hint = QLabel(texts.pictures.drop_hint())
        self.hint.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.hint.setProperty("tone", "muted")
        self.remove_button = QPushButton(texts.pictures.remove())
        self.remove_button.clicked.connect(self._ask_to_remove)
        self.list.itemSelectionChanged.connect(self._update_buttons)

        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.hint, 1)
        layout.addWidget(self.list, 1)
        layout.addWidget(self.remove_button)
        self.show_images([])

    def show_images(self, images: Sequence[Attachment]) -> None:
        """Show these and no others."""
        self.list.clear()
        for image in images:
            label = texts.pictures.image_label(Path(image.name).name, image.size)
            item = QListWidgetItem(QIcon(to_pixmap(image.thumbnail)), label)
            item.setToolTip(f"<p>{html.escape(image.name)}</p>")  # without a tag Qt guesses what is markup
            self.list.addItem(item)
        self.list.setVisible(bool(images))
        self.hint.setVisible(not images)
        self._update_buttons()

    def _update_buttons(self) -> None:
        self.remove_button.setVisible(self.list.count() > 0)
        self.remove_button.setEnabled(self.list.count() == 1 or bool(self.list.selectedItems()))

    def _ask_to_remove(self) -> None:
        row = self.list.currentRow()
        self.remove_asked.emit(row if row >= 0 else 0)
