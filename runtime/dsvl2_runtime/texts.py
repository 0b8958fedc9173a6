"""The English sentences of notices. Only the edges import this module: command line, JSON, window."""

from __future__ import annotations

from dsvl2_runtime.notices import Notice, NoticeCode

SENTENCES: dict[NoticeCode, str] = {
    "answer.unsure": "the model is not sure of this answer ({percent} %)",
    "answer.unsure_of": "the model is not sure of {what} ({percent} %)",
    "chat.dropped": (
        "the conversation is too long; its oldest questions ({turns}), with their answers and pictures ({images}), are "
        "no longer seen"
    ),
    "chat.one_tile": (
        "the conversation now has {images} pictures, and of more than {most_tiled} each is seen as one tile; those "
        "that were there before are read again"
    ),
    "chat.tiled": ("the conversation has only {images} of its pictures left, so each is seen in full again"),
    "boxes.cut": "the answer ends within a list of boxes of {label!r}; what is left of it is dropped: {shown!r}",
    "boxes.dropped": "{count} of the boxes of {label!r} are none and are dropped, such as {shown!r}",
    "boxes.last_image": (
        "the model does not say in which of the {images} pictures its boxes lie; they are taken to lie in the last one"
    ),
    "boxes.numbered": "no typeface of this system has the letters of the labels, so the drawing has numbers: {legend}",
    "image.alpha_ignored": "picture {image} is transparent everywhere; its colours are shown as if it were not",
    "image.exif_damaged": "picture {image} has damaged EXIF data; it is shown as it was stored, perhaps not upright",
    "image.first_frame": "picture {image} has several frames; only the first one is shown",
    "image.first_page": "picture {image} has several pages; only the first one is shown",
    "image.ground": "picture {image} is transparent and could hardly be seen on white; it is shown on {ground}",
    "image.one_tile": (
        "picture {image} has {width}x{height} pixels, but the model sees it at {seen_width}x{seen_height}, because "
        "more than {most_tiled} pictures get one tile each; ask about {most_tiled} at a time"
    ),
    "image.read_in_part": (
        "picture {image} was read in an enlarged part: {left} to {right} pixels from the left, {top} to {bottom} from "
        "the top"
    ),
    "image.scaled_down": (
        "picture {image} has {width}x{height} pixels, but the model sees it at {seen_width}x{seen_height}; small "
        "print may be lost: cut out the part that matters"
    ),
    "image.stretched": (
        "picture {image} does not use all the values of its format; {lowest:g} is shown as black and {highest:g} as "
        "white"
    ),
    "image.uniform": "picture {image} has one colour all over, so there is nothing to read in it",
    "model.note": "{note}",
    "pdf.placeholder": (
        "the document of picture {image} is a form that Adobe Reader alone draws (XFA), so the page may only say that; "
        "print it from there into a new PDF"
    ),
    "provider.fallback": "the GPU is not used: {obstacle}; {advice}",
    "threads.capped": (
        "{used} threads are used instead of {asked}, because this process may use {processors} logical processors"
    ),
}


def notice_text(notice: Notice) -> str:
    """One English sentence without a full stop."""
    return SENTENCES[notice.code].format_map(notice.values)


def notice_json(notice: Notice) -> dict[str, str]:
    """`{"code": …, "text": …}`, the form of a warning in every JSON report."""
    return {"code": notice.code, "text": notice_text(notice)}
