"""The boxes in an answer: `<|ref|>label<|/ref|><|det|>[[x1, y1, x2, y2]]<|/det|>`, with 0 and 999 at the edges.

A model writes numbers as it writes words, so every list is suspect: an odd count, lists in lists, runs of digits, a
missing end. What is no box is dropped and said so; nothing here raises for any text.

Source: `parse_ref_bbox` of `inference.py` in github.com/deepseek-ai/DeepSeek-VL2, which draws on the last image.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from dsvl2_runtime.answers.partial_names import partial_length
from dsvl2_runtime.inputs.tokenizer import DET, DET_END, REF, REF_END
from dsvl2_runtime.notices import Notice

LARGEST = 999
"""The coordinate of the right and the lower edge."""
BoxStyle = Literal["off", "text", "px", "norm"]
"""How boxes stand in a shown answer: left out, as the model wrote them, in pixels, or from 0 to 999."""
LONGEST_SHOWN = 40
"""Characters of a dropped box in a notice."""

_LIST = re.compile(r"\[([^\[\]]*)\]")
_WHOLE = re.compile(r"-?[0-9]+")
_MARKUP = re.compile(
    rf"(?:{re.escape(REF)}(?P<label>(?:(?!{re.escape(REF)}|{re.escape(DET)}).)*?){re.escape(REF_END)}\s*)?"
    rf"{re.escape(DET)}(?P<lists>(?:(?!{re.escape(REF)}|{re.escape(DET)}).)*?)(?P<end>{re.escape(DET_END)}|"
    rf"(?={re.escape(REF)}|{re.escape(DET)})|\Z)",
    re.DOTALL,
)
_NAME = re.compile(rf"{re.escape(REF)}|{re.escape(REF_END)}|{re.escape(DET)}|{re.escape(DET_END)}")


@dataclass(frozen=True, slots=True)
class Box:
    """One place in one image."""

    label: str
    """What the model says is there; may be empty."""
    image: int
    """Which image of the prompt, counted from 1."""
    norm999: tuple[int, int, int, int]
    """(left, top, right, bottom) from 0 to 999."""
    px: tuple[int, int, int, int]
    """(left, top, right, bottom) in pixels of the upright image."""


def parse_boxes(
    answer: str, image_sizes: Sequence[tuple[int, int]], *, is_cut: bool = False
) -> tuple[tuple[Box, ...], tuple[Notice, ...]]:
    """The boxes of an answer, and what was dropped.

    Args:
        answer: what the model wrote, with its special tokens by name.
        image_sizes: (width, height) in pixels of each image of the prompt, upright. The model does not say which of
            them it means; as in the reference it is the last one.
        is_cut: the answer ended before the model ended it, so that a last list may lack its end.
    """
    boxes: list[Box] = []
    notices: list[Notice] = []
    for markup in _MARKUP.finditer(answer):
        found, dropped = _boxes_of(markup, image_sizes)
        boxes += found
        if dropped:
            shown = dropped[0][:LONGEST_SHOWN]
            code: Literal["boxes.cut", "boxes.dropped"]
            code = "boxes.cut" if is_cut and not markup["end"] and markup.end() == len(answer) else "boxes.dropped"
            notices.append(Notice(code, {"count": len(dropped), "shown": shown, "label": _label(markup)}))
    if boxes and len(image_sizes) > 1:
        notices.append(Notice("boxes.last_image", {"images": len(image_sizes)}))
    return tuple(boxes), tuple(notices)


def _as_it_is(box: Box) -> Box:
    return box


def show_boxes(
    answer: str,
    style: BoxStyle,
    image_sizes: Sequence[tuple[int, int]],
    move: Callable[[Box], Box] = _as_it_is,
) -> str:
    """An answer with its boxes in another style; what is no box is left out of every style but `text`.

    Args:
        answer: what the model wrote.
        style: how boxes are shown.
        image_sizes: as for `parse_boxes`.
        move: from an image that was asked about to the one of which that is a part.
    """
    if style == "text":
        return answer

    def shown(markup: re.Match[str]) -> str:
        boxes = [move(box) for box in _boxes_of(markup, image_sizes)[0]]
        numbers = [f"[{', '.join(map(str, box.px if style == 'px' else box.norm999))}]" for box in boxes]
        return " ".join(part for part in (_label(markup), *(numbers if style != "off" else ())) if part)

    return _NAME.sub("", _MARKUP.sub(shown, answer))


def mark_boxes(answer: str, image_sizes: Sequence[tuple[int, int]], mark: Callable[[int], str]) -> str:
    """An answer with a mark in place of each box, made from its number in `parse_boxes`, from 0.

    Args:
        answer: what the model wrote.
        image_sizes: as for `parse_boxes`.
        mark: text for the box with a number.
    """
    numbers = itertools.count()

    def marked(markup: re.Match[str]) -> str:
        boxes = _boxes_of(markup, image_sizes)[0]
        return _label(markup) + "".join(mark(next(numbers)) for _ in boxes)

    return _NAME.sub("", _MARKUP.sub(marked, answer))


def with_places(
    answer: str, image_sizes: Sequence[tuple[int, int]], place: Callable[[Box], tuple[int, int, int, int]]
) -> str:
    """An answer whose boxes lie elsewhere, written as the model writes them.

    Args:
        answer: what the model wrote, without lists that are no box.
        image_sizes: as for `parse_boxes`.
        place: a box to (left, top, right, bottom) from 0 to 999.
    """

    def moved(markup: re.Match[str]) -> str:
        lists = ", ".join(f"[{', '.join(map(str, place(box)))}]" for box in _boxes_of(markup, image_sizes)[0])
        behind = markup.end("lists") - markup.start()
        return f"{markup[0][: markup.start('lists') - markup.start()]}[{lists}]{markup[0][behind:]}"

    return _MARKUP.sub(moved, answer)


class BoxStream:
    """Shows an answer in another style while it comes: holds back what may be part of a box until that is whole."""

    def __init__(
        self, style: BoxStyle, image_sizes: Sequence[tuple[int, int]], move: Callable[[Box], Box] = _as_it_is
    ) -> None:
        self._move = move
        self._style: BoxStyle = style
        self._image_sizes = image_sizes
        self._held = ""

    def push(self, text: str) -> str:
        """The text that can be shown by now."""
        if self._style == "text":
            return text
        self._held += text
        begins = self._held.rfind(DET_END) + len(DET_END) if DET_END in self._held else 0
        later = min((at for at in (self._held.find(name, begins) for name in (REF, DET)) if at >= 0), default=-1)
        keep = later if later >= 0 else len(self._held) - partial_length(self._held, (REF, REF_END, DET, DET_END))
        keep = max(keep, begins)
        whole, self._held = self._held[:keep], self._held[keep:]
        return show_boxes(whole, self._style, self._image_sizes, self._move)

    def flush(self) -> str:
        """The rest."""
        held, self._held = self._held, ""
        return show_boxes(held, self._style, self._image_sizes, self._move)


def _label(markup: re.Match[str]) -> str:
    return _NAME.sub("", markup["label"] or "").strip()


def _boxes_of(markup: re.Match[str], image_sizes: Sequence[tuple[int, int]]) -> tuple[list[Box], list[str]]:
    """The boxes of one label, and the lists that are none."""
    boxes, dropped = [], []
    for numbers, is_whole in _lists(markup["lists"]):
        norm999 = _coordinates(numbers)
        # Without any end, the last digits of the last number may be missing.
        if norm999 is None or not image_sizes or not (is_whole or markup["end"]):
            dropped.append(numbers)
        else:
            boxes.append(Box(_label(markup), len(image_sizes), norm999, to_pixels(norm999, image_sizes[-1])))
    return boxes, dropped


def _lists(text: str) -> Iterator[tuple[str, bool]]:
    """The innermost lists, whatever they lie in, and what is left at the end; True for those with their bracket."""
    end = 0
    for found in _LIST.finditer(text):
        yield found[1].strip(), True
        end = found.end()
    if rest := text[end:].strip(" \t\r\n,[]"):
        yield rest, False


def _coordinates(numbers: str) -> tuple[int, int, int, int] | None:
    """(left, top, right, bottom) from 0 to 999, or None where the text is not that."""
    parts = [part.strip() for part in numbers.split(",", maxsplit=4)]
    if len(parts) != 4 or not all(_WHOLE.fullmatch(part) and len(part) <= len(str(LARGEST)) for part in parts):
        return None
    left, top, right, bottom = (int(part) for part in parts)
    if not (0 <= left <= right <= LARGEST and 0 <= top <= bottom <= LARGEST):
        return None
    return left, top, right, bottom


def to_pixels(norm999: tuple[int, int, int, int], size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Coordinates from 0 to 999 as pixels of an image of (width, height)."""
    left, top, right, bottom = (
        round(part * side / LARGEST) for part, side in zip(norm999, (*size, *size), strict=True)
    )
    return left, top, right, bottom
