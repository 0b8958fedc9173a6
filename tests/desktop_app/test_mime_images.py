"""What clipboards and drops of other programs hold."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QByteArray, QMimeData, QUrl

from dsvl2_app.mime_images import image_name, image_sources
from dsvl2_app.state.intake import PastedImage
from dsvl2_runtime.inputs.images import ImageBytes
from windows import some_image

pytestmark = pytest.mark.gui


def html(source: str) -> QMimeData:
    data = QMimeData()
    data.setHtml(f'<meta charset="utf-8"><img alt="a" src="{source}">')
    return data


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("https://example.org/bills/May%20bill.jpg?size=2", "May bill.png"),
        ("https://example.org/", None),
        ("data:image/png;base64,iVBORw0KGgo/x.png", None),
        ("https://example.org/..%2F..%2Fevil.png", "evil.png"),
        ("https://example.org/账单.webp", "账单.png"),
    ],
)
def test_a_picture_of_a_browser_has_its_own_name(source: str, name: str | None) -> None:
    """Of the address alone, which is not asked for; it is no path, whatever it holds."""
    assert image_name(html(source)) == name


def test_an_encoded_picture_is_not_decoded_here(qapp: object) -> None:
    """Decoding a photograph takes seconds: it is left to the thread that reads images."""
    data = html("https://example.org/bill.jpg")
    data.setData("image/png", QByteArray(b"content"))
    data.setImageData(some_image())
    assert image_sources(data, "pasted 1.png") == [ImageBytes("bill.png", b"content")]


def test_a_picture_without_an_encoded_form_is_written_later(qapp: object) -> None:
    data = QMimeData()
    data.setImageData(some_image())
    (source,) = image_sources(data, "pasted 1.png")
    assert isinstance(source, PastedImage)
    assert source.name == "pasted 1.png"


def test_files_come_before_the_picture_that_accompanies_them(qapp: object) -> None:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile("/pictures/bill.png")])
    data.setImageData(some_image())
    (source,) = image_sources(data, "pasted 1.png")
    assert str(source).endswith("bill.png")
