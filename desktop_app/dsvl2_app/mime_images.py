"""What a clipboard or a drop holds for us: files, or an image without one."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from PySide6.QtCore import QMimeData
from PySide6.QtGui import QImage

from dsvl2_app.state.intake import PastedImage, Source
from dsvl2_runtime.errors import ResourceError
from dsvl2_runtime.inputs.formats import IMAGE_ENDINGS
from dsvl2_runtime.inputs.images import ImageBytes, image_source

ENCODED = {"image/png": ".png", "image/jpeg": ".jpg", "image/webp": ".webp", "image/bmp": ".bmp", "image/tiff": ".tiff"}
"""Forms in which other programs give an image, best first."""
HTML_SOURCE = re.compile(r"<img[^>]{0,2000}?\ssrc=[\"']?([^\"'\s>]{1,2000})", re.IGNORECASE)
LONGEST_HTML = 20_000
LONGEST_NAME = 120
"""Characters."""


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
    named = image_name(data) or name
    for form, ending in ENCODED.items():
        # Decoding a photograph takes seconds, so it is left to the thread that reads images.
        if data.hasFormat(form) and (content := bytes(data.data(form).data())):
            return [ImageBytes(str(Path(named).with_suffix(ending)), content)]
    image = data.imageData() if data.hasImage() else None
    if isinstance(image, QImage) and not image.isNull():
        return [PastedImage(named, lambda path: write_image(image, named, path))]
    for url in data.urls():
        image_source(url.toString())
    return []


def image_name(data: QMimeData) -> str | None:
    """What a browser calls the image that it gives: the last part of its address."""
    addresses = [url.toString() for url in data.urls() if not url.isLocalFile()]
    if data.hasHtml() and (found := HTML_SOURCE.search(data.html()[:LONGEST_HTML])):
        addresses.append(found[1])
    for address in addresses:
        name = PurePosixPath(unquote(urlsplit(address).path)).name if not address.startswith("data:") else ""
        safe = "".join(letter for letter in name if letter.isprintable() and letter not in "/\\\x00")[:LONGEST_NAME]
        if safe.strip(". "):
            return str(Path(safe).with_suffix(".png"))
    return None


def write_image(image: QImage, name: str, path: Path) -> None:
    """Write an image as PNG; called on the thread that keeps images.

    Raises:
        ResourceError: it cannot be written.
    """
    if not image.save(str(path), "PNG"):  # type: ignore[call-overload]
        raise ResourceError(f"{name}: it cannot be written to {path.parent}; free some space there")
