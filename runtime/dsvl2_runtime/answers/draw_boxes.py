"""Boxes drawn on an image, each with its label, or the number of its label, on a ground of its colour."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw

from dsvl2_runtime.answers.boxes import Box
from dsvl2_runtime.answers.label_faces import Labels, choose_labels
from dsvl2_runtime.errors import UsageError
from dsvl2_runtime.inputs.images import ImageSource, decode_image
from dsvl2_runtime.machine.files import disk_errors, new_file
from dsvl2_runtime.notices import Notice

COLOURS = ("#d00000", "#0050d0", "#007a33", "#8a2be2", "#b35900", "#00727a")
"""Dark enough for white letters (contrast of at least 4.5 to 1, WCAG 2.1)."""
WRITTEN_FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}
LEAST_LETTERS, LETTERS_PER_SIDE = 14, 45
"""Pixels of a letter: one of so many parts of the shorter side, and at least so many."""
LONGEST_LABEL = 60


def require_drawing_format(out: Path) -> None:
    """Refuse a file ending that no drawing can be written with.

    Raises:
        UsageError: it is none of `WRITTEN_FORMATS`.
    """
    if out.suffix.lower() not in WRITTEN_FORMATS:
        raise UsageError(f"{out}: boxes cannot be drawn into this kind of file; use {', '.join(WRITTEN_FORMATS)}")


def draw_boxes(source: ImageSource, boxes: Sequence[Box]) -> Image.Image:
    """An upright copy of an image with its boxes.

    Raises:
        ImageError, OutOfMemoryError: as `images.decode_image`.
    """
    return _drawn(source, boxes)[0]


def _drawn(source: ImageSource, boxes: Sequence[Box]) -> tuple[Image.Image, Labels]:
    """The copy, and how its labels are written: typefaces are searched once."""
    decoded = decode_image(source)
    image = decoded.image
    scale = image.width / decoded.size[0]  # a very large image was halved
    letter = max(LEAST_LETTERS, min(image.size) // LETTERS_PER_SIDE)
    labels, line = choose_labels([_written(box) for box in boxes], letter), max(2, letter // 7)
    canvas = ImageDraw.Draw(image)
    colour_of = {label: COLOURS[index % len(COLOURS)] for index, label in enumerate({box.label: 0 for box in boxes})}
    for box in boxes:
        left, top, right, bottom = (round(part * scale) for part in box.px)
        corners = [min(left, image.width - 1), min(top, image.height - 1)]
        corners += [min(max(right, corners[0]), image.width - 1), min(max(bottom, corners[1]), image.height - 1)]
        canvas.rectangle(corners, outline=colour_of[box.label], width=line)
    for box in boxes:  # after all the lines, so that none crosses a label
        if box.label:
            _draw_label(canvas, labels, box, scale, colour_of[box.label])
    return image, labels


def _draw_label(canvas: ImageDraw.ImageDraw, labels: Labels, box: Box, scale: float, colour: str) -> None:
    """Above its box where there is room, else at its upper edge; never beyond the image."""
    text, font = labels.texts[_written(box)], labels.face
    margin = 3
    left, top, right, bottom = canvas.textbbox((0, 0), text, font=font)
    width, height = right - left + 2 * margin, bottom - top + 2 * margin
    x = max(0, min(round(box.px[0] * scale), canvas.im.size[0] - width))
    y = round(box.px[1] * scale) - height
    y = max(0, y if y >= 0 else round(box.px[1] * scale))
    canvas.rectangle((x, y, x + width, y + height), fill=colour)
    canvas.text((x + margin - left, y + margin - top), text, fill="white", font=font)


def _written(box: Box) -> str:
    """A label on one line, and not too long."""
    return " ".join(box.label.split())[:LONGEST_LABEL]


def _number_notices(labels: Labels) -> tuple[Notice, ...]:
    """What the numbers in a drawing mean, where no typeface of this system has the letters of its labels."""
    if not labels.are_numbers:
        return ()
    legend = ", ".join(f"{number} {label}" for label, number in labels.texts.items() if label)
    return (Notice("boxes.numbered", {"legend": legend}),)


def write_drawing(out: Path, source: ImageSource, boxes: Sequence[Box]) -> tuple[Notice, ...]:
    """Draw the boxes of an image into a file, which appears when it is complete.

    Returns:
        What the numbers mean, where they stand for labels.

    Raises:
        UsageError: the file's ending is that of no format that can be written.
        ResourceError: it cannot be written.
        ImageError, OutOfMemoryError: as `images.decode_image`.
    """
    require_drawing_format(out)
    image, labels = _drawn(source, boxes)
    with disk_errors(out), new_file(out) as path:
        image.save(path, WRITTEN_FORMATS[out.suffix.lower()])
    return _number_notices(labels)
