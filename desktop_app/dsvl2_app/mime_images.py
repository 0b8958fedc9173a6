"""What a clipboard or a drop holds for us: files, or an image without one."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QMimeData
from PySide6.QtGui import QImage

from dsvl2_app.state.intake import PastedImage, Source
from dsvl2_runtime.errors import ResourceError
from dsvl2_runtime.inputs.formats import IMAGE_ENDINGS
from dsvl2_runtime.inputs.images import image_source


def holds_image(data: QMimeData) -> bool:
    """Whether what is pasted into a text is an image: files of images, or an image alone.

    Cells of a spreadsheet come as text and as an image of them; links come as text and as addresses.
    """
    files = (url.toLocalFile().lower() for url in data.urls() if url.isLocalFile())
    return any(file.endswith(IMAGE_ENDINGS) for file in files) or (data.hasImage() and not data.text().strip())


def image_sources(data: QMimeData, name: str) -> list[Source]:
    """The files, or else the image, under a name for it; nothing if there is neither.

    Raises:
        ImageError: there are only addresses, and nothing is downloaded.
    """
    files = [Path(url.toLocalFile()) for url in data.urls() if url.isLocalFile()]
    if files:
        return list(files)
    image = data.imageData() if data.hasImage() else None
    if isinstance(image, QImage) and not image.isNull():
        return [PastedImage(name, lambda path: write_image(image, name, path))]
    for url in data.urls():
        image_source(url.toString())
    return []


def write_image(image: QImage, name: str, path: Path) -> None:
    """Write an image as PNG; called on the thread that keeps images.

    Raises:
        ResourceError: it cannot be written.
    """
    if not image.save(str(path), "PNG"):  # type: ignore[call-overload]
        raise ResourceError(f"{name}: it cannot be written to {path.parent}; free some space there")
