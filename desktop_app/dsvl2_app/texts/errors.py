"""What the runtime says, in the language of the window: errors and notices.

The runtime writes English. What it can say is listed here as the runtime spells it, with names for what changes, so
that a translation can be found for it. What is not listed, as a rare error or the words of a library, is shown in
English.
"""

from __future__ import annotations

import re
from functools import cache

from PySide6.QtCore import QT_TRANSLATE_NOOP, QCoreApplication

from dsvl2_runtime.engine.wire_error import WireError
from dsvl2_runtime.notices import Notice
from dsvl2_runtime.texts import SENTENCES

PICTURE = "picture {source}: {found}; {advice}"
SAID: tuple[object, ...] = (
    QT_TRANSLATE_NOOP("errors", "picture {source}: {found}; {advice}"),
    QT_TRANSLATE_NOOP("errors", "no such file"),
    QT_TRANSLATE_NOOP("errors", "check the path"),
    QT_TRANSLATE_NOOP("errors", "not a regular file"),
    QT_TRANSLATE_NOOP("errors", "give the path of a picture"),
    QT_TRANSLATE_NOOP("errors", "an empty file"),
    QT_TRANSLATE_NOOP("errors", "save the picture again"),
    QT_TRANSLATE_NOOP("errors", "save it again"),
    QT_TRANSLATE_NOOP("errors", "add it again"),
    QT_TRANSLATE_NOOP("errors", "use a picture that is not empty"),
    QT_TRANSLATE_NOOP("errors", "cut it into pieces"),
    QT_TRANSLATE_NOOP("errors", "wait until it is complete"),
    QT_TRANSLATE_NOOP("errors", "it grows while it is read"),
    QT_TRANSLATE_NOOP("errors", "its content is not what was added"),
    QT_TRANSLATE_NOOP("errors", "not a picture of a known format"),
    QT_TRANSLATE_NOOP("errors", "use PNG, {formats}"),
    QT_TRANSLATE_NOOP("errors", "an address, and nothing is downloaded"),
    QT_TRANSLATE_NOOP("errors", "save the picture first"),
    QT_TRANSLATE_NOOP("errors", "it begins like a {format} file, but is damaged"),
    QT_TRANSLATE_NOOP("errors", "it is {format}, which is not read"),
    QT_TRANSLATE_NOOP("errors", "it is damaged ({error})"),
    QT_TRANSLATE_NOOP("errors", "it cannot be read ({error})"),
    QT_TRANSLATE_NOOP("errors", "check the path and its permissions"),
    QT_TRANSLATE_NOOP("errors", "{width}x{height} pixels, too narrow to see anything"),
    QT_TRANSLATE_NOOP("errors", "{width}x{height} pixels"),
    QT_TRANSLATE_NOOP("errors", "scale it to at most {pixels} pixels"),
    QT_TRANSLATE_NOOP("errors", "far too many pixels ({error})"),
    QT_TRANSLATE_NOOP("errors", "{size} bytes"),
    QT_TRANSLATE_NOOP("errors", "use a file of at most {size}"),
    QT_TRANSLATE_NOOP("errors", "print it into a new PDF, or save the page as PNG"),
    QT_TRANSLATE_NOOP(
        "errors",
        "the prompt needs at least {prompt_tokens} tokens ({image_tokens} of them for pictures), and the answer one "
        "more; this model takes {context_tokens}; use fewer or smaller pictures or a shorter text",
    ),
    QT_TRANSLATE_NOOP(
        "errors",
        "the prompt needs at least {prompt_tokens} tokens ({image_tokens} of them for pictures), and the answer one "
        "more; this model takes {context_tokens}; begin a new conversation, or let the oldest of its {earlier_turns} "
        "earlier turns be dropped",
    ),
    QT_TRANSLATE_NOOP(
        "errors",
        "there is not enough memory for this; close other programs, or use fewer pictures, a smaller model or another "
        "precision",
    ),
    QT_TRANSLATE_NOOP("errors", "the time limit passed before this was done; allow more time"),
    QT_TRANSLATE_NOOP("errors", "this was stopped before it was done"),
    QT_TRANSLATE_NOOP("errors", "no model is loaded; load one first"),
    QT_TRANSLATE_NOOP("errors", "{path}: no such folder; {advice}"),
    QT_TRANSLATE_NOOP("errors", "{path}: missing, so this folder is no bundle; {advice}"),
    QT_TRANSLATE_NOOP("errors", "make a bundle with `dsvl2-onnx export`"),
    QT_TRANSLATE_NOOP(
        "errors", "`dsvl2-onnx ls` lists the models that have a name; make a bundle with `dsvl2-onnx export`"
    ),
    QT_TRANSLATE_NOOP("errors", "internal error: {error}"),
)
"""Whole messages, and what they are put together from; `{…}` stands for anything."""
NOTICES: tuple[object, ...] = (
    QT_TRANSLATE_NOOP(
        "errors",
        "the conversation is too long; its oldest questions ({turns}), with their answers and pictures ({images}), are "
        "no longer seen",
    ),
    QT_TRANSLATE_NOOP(
        "errors",
        "the conversation now has {images} pictures, and of more than {most_tiled} each is seen as one tile; those "
        "that were there before are read again",
    ),
    QT_TRANSLATE_NOOP(
        "errors", "the conversation has only {images} of its pictures left, so each is seen in full again"
    ),
    QT_TRANSLATE_NOOP(
        "errors", "the answer ends within a list of boxes of {label!r}; what is left of it is dropped: {shown!r}"
    ),
    QT_TRANSLATE_NOOP("errors", "{count} of the boxes of {label!r} are none and are dropped, such as {shown!r}"),
    QT_TRANSLATE_NOOP(
        "errors",
        "the model does not say in which of the {images} pictures its boxes lie; they are taken to lie in the last one",
    ),
    QT_TRANSLATE_NOOP("errors", "picture {image} is transparent everywhere; its colours are shown as if it were not"),
    QT_TRANSLATE_NOOP(
        "errors", "picture {image} has damaged EXIF data; it is shown as it was stored, perhaps not upright"
    ),
    QT_TRANSLATE_NOOP("errors", "picture {image} has several frames; only the first one is shown"),
    QT_TRANSLATE_NOOP("errors", "picture {image} has several pages; only the first one is shown"),
    QT_TRANSLATE_NOOP(
        "errors", "picture {image} is transparent and could hardly be seen on white; it is shown on {ground}"
    ),
    QT_TRANSLATE_NOOP(
        "errors",
        "picture {image} has {width}x{height} pixels, but the model sees it at {seen_width}x{seen_height}, because "
        "more than {most_tiled} pictures get one tile each; ask about {most_tiled} at a time",
    ),
    QT_TRANSLATE_NOOP(
        "errors",
        "picture {image} was read in an enlarged part: {left} to {right} pixels from the left, {top} to {bottom} from "
        "the top",
    ),
    QT_TRANSLATE_NOOP(
        "errors",
        "picture {image} has {width}x{height} pixels, but the model sees it at {seen_width}x{seen_height}; small "
        "print may be lost: cut out the part that matters",
    ),
    QT_TRANSLATE_NOOP(
        "errors",
        "picture {image} does not use all the values of its format; {lowest:g} is shown as black and {highest:g} as "
        "white",
    ),
    QT_TRANSLATE_NOOP("errors", "the model is not sure of this answer ({percent} %)"),
    QT_TRANSLATE_NOOP("errors", "the model is not sure of {what} ({percent} %)"),
    QT_TRANSLATE_NOOP("errors", "less than 1"),
    QT_TRANSLATE_NOOP("errors", "picture {image} has one colour all over, so there is nothing to read in it"),
    QT_TRANSLATE_NOOP(
        "errors",
        "the document of picture {image} is a form that Adobe Reader alone draws (XFA), so the page may only say that; "
        "print it from there into a new PDF",
    ),
    QT_TRANSLATE_NOOP(
        "errors",
        "no typeface of this system has the letters of the labels, so the drawing has numbers: {legend}",
    ),
    QT_TRANSLATE_NOOP("errors", "the GPU is not used: {obstacle}; {advice}"),
    QT_TRANSLATE_NOOP(
        "errors",
        "{used} threads are used instead of {asked}, because this process may use {processors} logical processors",
    ),
    QT_TRANSLATE_NOOP(
        "errors",
        "This is the demonstration model: 21 million parameters, trained on drawn receipts, forms, windows, tables and "
        "other pages. It is often wrong.",
    ),
)
"""The sentences of notices, and what the demonstration model says of itself, as the runtime has them."""


def message(error: WireError) -> str:
    """An error."""
    values = error.values
    translated = QCoreApplication.translate("errors", PICTURE)
    if error.name == "ImageError" and translated != PICTURE:  # its parts are known, whatever stands in the name
        found, advice = said(str(values["found"])), said(str(values["advice"]))
        return translated.format(source=values["source"], found=found, advice=advice)
    return said(error.message)


def notice(told: Notice) -> str:
    """A notice."""
    return QCoreApplication.translate("errors", SENTENCES[told.code]).format_map(
        {name: said(value) if isinstance(value, str) else value for name, value in told.values.items()}
    )


def said(english: str) -> str:
    """A sentence or a part of one in the language of the window; English where it has no translation."""
    whole = QCoreApplication.translate("errors", english)
    if whole != english:
        return whole
    for pattern, template in _patterns():
        found = pattern.fullmatch(english)
        if found is not None:
            translated = QCoreApplication.translate("errors", template)
            if translated == template:
                return english
            return translated.format(**{name: said(part) for name, part in found.groupdict().items()})
    return english


@cache
def _patterns() -> tuple[tuple[re.Pattern[str], str], ...]:
    """What is recognised, the most particular first: a template with many words before one with few."""
    templates = sorted(
        (text for text in map(str, SAID) if "{" in text), key=lambda text: -len(re.sub(r"\{\w+\}", "", text))
    )
    return tuple((re.compile(_pattern(text), re.DOTALL), text) for text in templates)


def _pattern(template: str) -> str:
    """A regular expression; the last gap takes as much as it can, the others as little, so that it is linear enough."""
    parts = re.split(r"\{(\w+)\}", template)
    return "".join(f"(?P<{part}>.+?)" if number % 2 else re.escape(part) for number, part in enumerate(parts))
