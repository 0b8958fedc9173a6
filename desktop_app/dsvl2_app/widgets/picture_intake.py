"""What happens to pictures: opened, dropped, pasted, cut out, saved. The window gives the pane's wishes to it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QMimeData, QObject, QRect, QStandardPaths, Signal
from PySide6.QtGui import QGuiApplication, QImage
from PySide6.QtWidgets import QFileDialog, QWidget

from dsvl2_app import texts
from dsvl2_app.background import Background
from dsvl2_app.image_reader import ImageReader
from dsvl2_app.mime_images import image_sources
from dsvl2_app.state.decoding import write_part
from dsvl2_app.state.intake import PastedImage, Source
from dsvl2_app.state.parts import pixels_with_boxes, save_with_boxes
from dsvl2_app.state.session import Attachment
from dsvl2_app.texts.mnemonics import plain
from dsvl2_runtime.answers.boxes import Box
from dsvl2_runtime.answers.draw_boxes import WRITTEN_FORMATS
from dsvl2_runtime.engine.wire_error import wire_error
from dsvl2_runtime.errors import ImageError
from dsvl2_runtime.inputs.formats import IMAGE_ENDINGS

CHOOSABLE = (*IMAGE_ENDINGS, ".pdf")


class PictureIntake(QObject):
    """Takes pictures in and gives them out; what blocks is done on other threads."""

    refused = Signal(object)
    """A `WireError`: something did not become a picture, or a picture was not saved."""
    told = Signal(str)
    """A sentence for the user."""

    def __init__(self, reader: ImageReader, last_folder: str, window: QWidget) -> None:
        super().__init__(window)
        self._window = window
        self._reader = reader
        self._background = Background("draw boxes", self)
        self._background.failed.connect(self.refused)
        self._pasted_count = 0
        self._copied = np.empty((0, 0, 4), np.uint8)
        """The pixels that the clipboard looks at."""
        self.last_folder = last_folder
        """From which pictures were opened, or into which one was saved."""

    def add(self, sources: Sequence[Source]) -> None:
        """Read them in the background."""
        for source in sources:
            self._reader.read(source)

    def choose(self) -> None:
        """Let the user choose files, beginning where the last ones were."""
        names, _ = QFileDialog.getOpenFileNames(
            self._window,
            plain(texts.pictures.open_image()),
            self.last_folder or _pictures_folder(),
            texts.window.file_filter(CHOOSABLE),
        )
        if names:
            self.last_folder = str(Path(names[0]).parent)
        self.add([Path(name) for name in names])

    def paste(self, data: QMimeData | None) -> None:
        """Take the image, or the files, that a clipboard holds; the system may have no clipboard to give."""
        if data is None or not self.take(data):
            self.told.emit(texts.pictures.no_image_to_paste())

    def take(self, data: QMimeData) -> bool:
        """Take the images and files of a clipboard or a drop; False if there are none."""
        try:
            sources = image_sources(data, texts.pictures.pasted_image(self._pasted_count + 1))
        except ImageError as error:
            self.refused.emit(wire_error(error))
            return True
        self._pasted_count += any(isinstance(source, PastedImage) for source in sources)
        self.add(sources)
        return bool(sources)

    def add_part(self, image: Attachment, region: QRect) -> None:
        """Make a picture of a part of another one."""
        left, top, width, height = region.x(), region.y(), region.width(), region.height()
        name = texts.pictures.region_name(Path(image.name).stem, left, top, width, height)
        corners = left, top, left + width, top + height
        self.add([PastedImage(name, lambda out: write_part(image.content.path, corners, out))])

    def save(self, image: Attachment, boxes: Sequence[Box]) -> None:
        """Let the user choose a place for a picture with its boxes."""
        folder = Path(self.last_folder or _pictures_folder())
        proposed = folder / f"{Path(image.name).stem}-boxes.png"
        endings = " ".join("*" + ending for ending in WRITTEN_FORMATS)
        title = plain(texts.pictures.save_with_boxes())
        name, _ = QFileDialog.getSaveFileName(
            self._window, title, str(proposed), texts.pictures.written_formats(endings)
        )
        if not name:
            return
        out = Path(name) if Path(name).suffix else Path(name + ".png")
        self.last_folder = str(out.parent)
        self._background.run(
            lambda: save_with_boxes(image.content.path, boxes, out),
            lambda saved: self.told.emit(texts.pictures.was_saved(saved.name)),
        )

    def copy(self, image: Attachment, boxes: Sequence[Box]) -> None:
        """Put a picture with its boxes into the clipboard."""
        self._background.run(lambda: pixels_with_boxes(image.content.path, boxes), self._put_into_clipboard)

    def close(self) -> None:
        """Begin nothing more but what was asked for."""
        self._background.close()

    def _put_into_clipboard(self, drawn: NDArray[np.uint8]) -> None:
        self._copied = drawn
        height, width, _ = drawn.shape
        image = QImage(drawn.data, width, height, 4 * width, QImage.Format.Format_RGB32)
        QGuiApplication.clipboard().setImage(image)
        self.told.emit(texts.pictures.was_copied())


def drag_text(data: QMimeData) -> tuple[str, bool]:
    """What would come of a drop, told by the names of files alone, and whether anything would."""
    files = [url.toLocalFile() for url in data.urls() if url.isLocalFile()]
    others = sum(not file.lower().endswith(CHOOSABLE) for file in files)
    if not files:
        if data.hasImage():
            return texts.pictures.drop_to_add(), True
        return texts.pictures.drop_link(), False
    if len(files) == 1:
        return (texts.pictures.drop_no_picture(), False) if others else (texts.pictures.drop_to_add(), True)
    return texts.pictures.drop_counts(len(files), others), others < len(files)


def _pictures_folder() -> str:
    return QStandardPaths.writableLocation(QStandardPaths.StandardLocation.PicturesLocation)
