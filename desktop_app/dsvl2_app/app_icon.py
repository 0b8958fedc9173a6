"""The icon of the program, drawn from one SVG in the sizes that systems ask for."""

from __future__ import annotations

from importlib.resources import files

from PySide6.QtCore import QByteArray
from PySide6.QtGui import QIcon, QImage, QPainter, QPixmap
from PySide6.QtSvg import QSvgRenderer

SIDES = (16, 22, 24, 32, 48, 64, 128, 256, 512)
"""Of the icon theme `hicolor`, in pixels."""


def svg() -> bytes:
    """The drawing."""
    return (files("dsvl2_app") / "icons" / "app.svg").read_bytes()


def draw(side: int) -> QImage:
    """The icon with so many pixels along each side, on nothing."""
    image = QImage(side, side, QImage.Format.Format_ARGB32_Premultiplied)
    image.fill(0)
    painter = QPainter(image)
    QSvgRenderer(QByteArray(svg())).render(painter)
    painter.end()
    return image


def app_icon() -> QIcon:
    """For windows and the tray."""
    icon = QIcon()
    for side in SIDES[:-1]:
        icon.addPixmap(QPixmap.fromImage(draw(side)))
    return icon
