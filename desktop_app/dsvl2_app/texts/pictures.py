"""Pictures: how they come in, how they are shown, why one is refused."""

from __future__ import annotations

from PySide6.QtCore import QCoreApplication

from dsvl2_app.texts import errors
from dsvl2_runtime.engine.wire_error import WireError


def open_image() -> str:
    """The button, the menu entry and the dialog."""
    return QCoreApplication.translate("pictures", "&Open picture…")


def open_short() -> str:
    """The button above the picture."""
    return QCoreApplication.translate("pictures", "&Open")


def open_tip() -> str:
    """Of that button."""
    return QCoreApplication.translate("pictures", "Open pictures or a PDF (Ctrl+O)")


def open_dots() -> str:
    """The button in the empty pane."""
    return QCoreApplication.translate("pictures", "&Open…")


def paste_image() -> str:
    """The menu entry."""
    return QCoreApplication.translate("pictures", "&Paste picture")


def remove() -> str:
    """The button below the pictures."""
    return QCoreApplication.translate("pictures", "Remove")


def images() -> str:
    """What a screen reader calls the list and the pane."""
    return QCoreApplication.translate("pictures", "Pictures")


def drop_title() -> str:
    """In place of the picture while there is none."""
    return QCoreApplication.translate("pictures", "Show me something")


def drop_hint() -> str:
    """Below that."""
    return QCoreApplication.translate(
        "pictures", "Drop a picture or a PDF here, paste one with Ctrl+V, or take a piece of the screen."
    )


def or_try() -> str:
    """Before the examples."""
    return QCoreApplication.translate("pictures", "Or try:")


def example(name: str) -> str:
    """A button that opens an example."""
    return {
        "receipt": QCoreApplication.translate("pictures", "A receipt"),
        "visit": QCoreApplication.translate("pictures", "A form"),
        "settings": QCoreApplication.translate("pictures", "Some settings"),
    }[name]


def no_picture() -> str:
    """What a screen reader calls the view while it is empty."""
    return QCoreApplication.translate("pictures", "No picture")


def picture_name(name: str, size: tuple[int, int]) -> str:
    """What a screen reader calls the picture."""
    text = QCoreApplication.translate("pictures", "Picture {name}, {width} by {height} pixels")
    return text.format(name=name, width=size[0], height=size[1])


def box_name(number: int, label: str) -> str:
    """What a screen reader calls a box."""
    return QCoreApplication.translate("pictures", "box {number}: {label}").format(number=number, label=label)


def read_here() -> str:
    """The name of the part of a picture in which an answer was read."""
    return QCoreApplication.translate("pictures", "read here")


def chip_figures(size: tuple[int, int], tokens: int | None) -> tuple[str, ...]:
    """The lines of a chip below its name."""
    pixels = f"{size[0]} × {size[1]}"
    if tokens is None:
        return (pixels,)
    return pixels, QCoreApplication.translate("pictures", "{tokens} tokens").format(tokens=f"{tokens:,}")


def chip_keys() -> str:
    """How the row of pictures is used from the keyboard."""
    return QCoreApplication.translate("pictures", "Delete removes a picture, Ctrl with an arrow moves it")


def over_budget() -> str:
    """Of a picture for which the context has no room."""
    return QCoreApplication.translate("pictures", "no room for this picture in the model's context")


def remove_others() -> str:
    """The menu entry."""
    return QCoreApplication.translate("pictures", "Remove the &others")


def remove_all() -> str:
    """The button beside the pictures."""
    return QCoreApplication.translate("pictures", "Remove all pictures")


def move_left() -> str:
    """The menu entry."""
    return QCoreApplication.translate("pictures", "Move to the &left")


def move_right() -> str:
    """The menu entry."""
    return QCoreApplication.translate("pictures", "Move to the &right")


def recent() -> str:
    """The button beside the one that opens files."""
    return QCoreApplication.translate("pictures", "Pictures of before")


def zoom_in() -> str:
    """The button above the picture."""
    return QCoreApplication.translate("pictures", "Zoom in (+)")


def zoom_out() -> str:
    """The button above the picture."""
    return QCoreApplication.translate("pictures", "Zoom out (-)")


def fit() -> str:
    """The button above the picture."""
    return QCoreApplication.translate("pictures", "Show the whole picture (0)")


def tile_grid() -> str:
    """The button above the picture."""
    return QCoreApplication.translate("pictures", "Show the tiles that the model sees")


def ask_about_part() -> str:
    """The button above the picture."""
    return QCoreApplication.translate("pictures", "Ask about a part: draw a rectangle (Shift and drag)")


def more() -> str:
    """The button above the picture with a menu."""
    return QCoreApplication.translate("pictures", "More")


def save_with_boxes() -> str:
    """The menu entry and the dialog."""
    return QCoreApplication.translate("pictures", "Save the picture with its &boxes…")


def copy_with_boxes() -> str:
    """The menu entry."""
    return QCoreApplication.translate("pictures", "Copy the p&icture with its boxes")


def was_saved(name: str) -> str:
    """It is there."""
    return QCoreApplication.translate("pictures", "Saved as {name}.").format(name=name)


def was_copied() -> str:
    """It is in the clipboard."""
    return QCoreApplication.translate("pictures", "The picture is in the clipboard.")


def written_formats(endings: str) -> str:
    """Of the dialog that saves a picture."""
    return QCoreApplication.translate("pictures", "Pictures ({endings})").format(endings=endings)


def region_name(name: str, left: int, top: int, width: int, height: int) -> str:
    """What a part of a picture is called."""
    return f"{name} [{left},{top} {width}×{height}].png"


def drop_to_add() -> str:
    """While something that can be read is dragged over the window."""
    return QCoreApplication.translate("pictures", "Drop to add")


def drop_counts(files: int, others: int) -> str:
    """While several files are dragged over the window."""
    if others == 0:
        return QCoreApplication.translate("pictures", "Drop to add {files} files").format(files=files)
    if others == 1:
        text = QCoreApplication.translate("pictures", "{files} files, 1 is not a picture")
    else:
        text = QCoreApplication.translate("pictures", "{files} files, {others} are not pictures")
    return text.format(files=files, others=others)


def drop_no_picture() -> str:
    """While one file that is no picture is dragged over the window."""
    return QCoreApplication.translate("pictures", "This is not a picture or a PDF")


def drop_link() -> str:
    """While a link is dragged over the window."""
    return QCoreApplication.translate("pictures", "A web link: nothing is downloaded")


def pasted_image(number: int) -> str:
    """What an image without a file is called."""
    return QCoreApplication.translate("pictures", "pasted {number}.png").format(number=number)


def pages() -> str:
    """What a screen reader calls the strip of pages."""
    return QCoreApplication.translate("pictures", "Pages of the document")


def page(number: int, count: int) -> str:
    """What a screen reader calls a page."""
    return QCoreApplication.translate("pictures", "Page {number} of {count}").format(number=number, count=count)


def page_short(number: int) -> str:
    """On the chip of a page."""
    return QCoreApplication.translate("pictures", "Page {number}").format(number=number)


def page_name(name: str, number: int) -> str:
    """What a page is called as a picture."""
    return QCoreApplication.translate("pictures", "{name}, page {number}").format(name=name, number=number)


def page_range() -> str:
    """What the field below the pages is for."""
    return QCoreApplication.translate("pictures", "Pages to ask about, such as 1-3,7; Enter takes them")


def pages_fit(fitting: int, count: int) -> str:
    """Below the pages."""
    if fitting >= count:
        return QCoreApplication.translate("pictures", "All {count} pages fit").format(count=count)
    if fitting == 1:
        return QCoreApplication.translate("pictures", "One page of {count} fits").format(count=count)
    text = QCoreApplication.translate("pictures", "{fitting} pages of {count} fit")
    return text.format(fitting=fitting, count=count)


def each_page() -> str:
    """The button below the pages that asks about each by itself."""
    return QCoreApplication.translate("pictures", "Each &page")


def each_page_tip() -> str:
    """Under the pointer."""
    return QCoreApplication.translate(
        "pictures", "Ask about each chosen page by itself, one after the other; those that wait can be taken back"
    )


def each_page_fits() -> str:
    """Below the pages while that is chosen."""
    return QCoreApplication.translate("pictures", "One question for each chosen page")


def close_document() -> str:
    """The button above the pages."""
    return QCoreApplication.translate("pictures", "Take the document away")


def refused_image(error: WireError) -> str:
    """An image that cannot be read or kept."""
    return errors.message(error)


def no_image_to_paste() -> str:
    """The clipboard holds something else."""
    return QCoreApplication.translate("pictures", "There is no picture in the clipboard.")
