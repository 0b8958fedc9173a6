"""Pictures: how they come in, how they are shown, why one is refused."""

from __future__ import annotations

from PySide6.QtCore import QCoreApplication

from dsvl2_runtime.engine.wire_error import WireError


def open_image() -> str:
    """The button, the menu entry and the dialog."""
    return QCoreApplication.translate("pictures", "&Open picture…")


def open_short() -> str:
    """The button above the picture."""
    return QCoreApplication.translate("pictures", "Open")


def paste_image() -> str:
    """The menu entry."""
    return QCoreApplication.translate("pictures", "&Paste picture")


def remove() -> str:
    """The button below the pictures."""
    return QCoreApplication.translate("pictures", "Remove")


def images() -> str:
    """What a screen reader calls the list and the pane."""
    return QCoreApplication.translate("pictures", "Pictures")


def drop_hint() -> str:
    """In place of the pictures while there are none."""
    return QCoreApplication.translate("pictures", "Drop a picture here,\npaste one,\nor open a file.")


def pasted_image(number: int) -> str:
    """What an image without a file is called."""
    return QCoreApplication.translate("pictures", "pasted {number}.png").format(number=number)


def refused_image(error: WireError) -> str:
    """An image that cannot be read or kept."""
    return error.message


def still_reading() -> str:
    """A question came before its pictures."""
    return QCoreApplication.translate("pictures", "A picture is still being read. Ask again in a moment.")


def no_image_to_paste() -> str:
    """The clipboard holds something else."""
    return QCoreApplication.translate("pictures", "There is no picture in the clipboard.")


def image_label(name: str, size: tuple[int, int]) -> str:
    """Under a thumbnail."""
    return f"{name}\n{size[0]} × {size[1]}"
