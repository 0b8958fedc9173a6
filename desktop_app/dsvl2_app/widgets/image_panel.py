"""The pictures beside the conversation: thumbnails, a place to drop more, a button to take one away."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image
from PySide6.QtCore import QObject, QRunnable, QSize, Qt, QThreadPool, Signal
from PySide6.QtGui import QIcon, QImage, QPixmap
from PySide6.QtWidgets import QLabel, QListWidget, QListWidgetItem, QPushButton, QVBoxLayout, QWidget

from dsvl2_app import texts
from dsvl2_app.state.session import Attachment
from dsvl2_runtime.errors import ImageError
from dsvl2_runtime.inputs.images import decode_image

THUMBNAIL = 176
"""Longest side in pixels."""


def read_picture(path: Path) -> Attachment:
    """Decode a picture and make its thumbnail.

    Raises:
        ImageError: it cannot be read.
    """
    decoded = decode_image(path)
    image, size = decoded.image, decoded.size
    image.thumbnail((THUMBNAIL, THUMBNAIL), Image.Resampling.LANCZOS)
    return Attachment(path, size, image)


def to_pixmap(image: Image.Image) -> QPixmap:
    """A Pillow picture in RGB for the screen."""
    data = image.tobytes()
    return QPixmap.fromImage(
        QImage(data, image.width, image.height, 3 * image.width, QImage.Format.Format_RGB888).copy()
    )


class PictureReader(QObject):
    """Reads pictures on another thread: decoding a large one takes seconds, which the window must not stand still.

    One after the other, so that they stay in their order and never fill the memory together.
    """

    was_read = Signal(object)
    """An `Attachment`."""
    failed = Signal(str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.unread = 0
        """Pictures that have neither been read nor failed yet."""
        self._pool = QThreadPool.globalInstance()  # lives longer than this, as a picture that is being read may
        self._pool.setMaxThreadCount(1)
        self.was_read.connect(self._count_down)
        self.failed.connect(self._count_down)

    def read(self, path: Path) -> None:
        """Start reading."""
        self.unread += 1
        self._pool.start(_Reading(self, path))

    def close(self, milliseconds: int) -> None:
        """Give up the pictures that wait, and wait so long for the one that is being read."""
        self._pool.clear()
        self._pool.waitForDone(milliseconds)

    def _count_down(self) -> None:
        self.unread -= 1


class _Reading(QRunnable):
    def __init__(self, reader: PictureReader, path: Path) -> None:
        super().__init__()
        self._reader, self._path = reader, path

    def run(self) -> None:
        try:
            picture = read_picture(self._path)
        except ImageError as error:
            self._reader.failed.emit(str(error))
        except Exception as error:
            # The window must hear of it, as of everything in the engine: questions wait for the picture.
            self._reader.failed.emit(f"picture {self._path}: internal error: {type(error).__name__}: {error}")
        else:
            self._reader.was_read.emit(picture)


class ImagePanel(QWidget):
    """Shows pictures; what shall happen to them is said by signals."""

    open_asked = Signal()
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
        self.list.setAccessibleName(texts.images())
        self.list.setAcceptDrops(False)  # drops go to the window, wherever they fall
        self.hint = QLabel(texts.drop_hint())
        self.hint.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.hint.setEnabled(False)
        self.open_button = QPushButton(texts.open_image())
        self.open_button.clicked.connect(self.open_asked)
        self.remove_button = QPushButton(texts.remove())
        self.remove_button.clicked.connect(self._ask_to_remove)
        self.list.itemSelectionChanged.connect(self._update_buttons)

        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.hint, 1)
        layout.addWidget(self.list, 1)
        layout.addWidget(self.open_button)
        layout.addWidget(self.remove_button)
        self.setFixedWidth(THUMBNAIL + 48)
        self.show_images([])

    def show_images(self, pictures: Sequence[Attachment]) -> None:
        """Show these and no others."""
        self.list.clear()
        for picture in pictures:
            item = QListWidgetItem(
                QIcon(to_pixmap(picture.thumbnail)), texts.image_label(picture.path.name, picture.size)
            )
            item.setToolTip(str(picture.path))
            self.list.addItem(item)
        self.list.setVisible(bool(pictures))
        self.hint.setVisible(not pictures)
        self._update_buttons()

    def _update_buttons(self) -> None:
        self.remove_button.setVisible(self.list.count() > 0)
        self.remove_button.setEnabled(self.list.count() == 1 or bool(self.list.selectedItems()))

    def _ask_to_remove(self) -> None:
        row = self.list.currentRow()
        self.remove_asked.emit(row if row >= 0 else 0)
