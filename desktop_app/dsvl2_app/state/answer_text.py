"""An answer as text that can be shown: nothing in it is obeyed, and its boxes are marks that a view can replace."""

from __future__ import annotations

import re

from dsvl2_app.state.turn import Turn
from dsvl2_runtime.answers import tasks
from dsvl2_runtime.answers.boxes import mark_boxes, show_boxes

BIDI_CONTROLS = (0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
"""Unicode's property `Bidi_Control`: they can turn the reading direction of what follows."""
LINE_ENDS = {0x0B: "\n", 0x0C: "\n", 0x85: "\n", 0x2028: "\n", 0x2029: "\n"}
INVISIBLE = (0x00AD, 0x180E, 0x200B, 0x2060, 0xFEFF, *range(0xE0000, 0xE0080), *range(0xFFF9, 0xFFFC))
"""What nobody sees and what can hide words in a text that is copied."""
FIRST_MARK, LAST_MARK = 0xE000, 0xF8FF
"""Private characters; those that a text has itself become signs for what cannot be shown."""
MARKS = re.compile(f"[{chr(FIRST_MARK)}-{chr(LAST_MARK)}]")
CONTROL_PICTURES = 0x2400

_VISIBLE = (
    {code: chr(CONTROL_PICTURES + code) for code in range(0x20) if chr(code) not in "\n\t"}
    | {0x7F: "\u2421"}
    | dict.fromkeys((*range(0x80, 0xA0), *BIDI_CONTROLS, *INVISIBLE), "\ufffd")
    | dict.fromkeys(range(FIRST_MARK, LAST_MARK + 1), "\ufffd")
    | LINE_ENDS
)
_PARTIAL_NAME = re.compile(r"<(?:\|(?:/?[a-z]{0,9}\|?)?)?\Z")


def visible(text: str) -> str:
    """A text in which characters that nobody sees, or that turn the direction of others, are signs that can be seen."""
    return text.replace("\r\n", "\n").replace("\r", "\n").translate(_VISIBLE)


def box_mark(number: int) -> str:
    """What stands for the box with a number, from 0; a view makes a chip of it."""
    return chr(FIRST_MARK + number) if FIRST_MARK + number <= LAST_MARK else ""


def marked_number(mark: str) -> int:
    """The number of the box that a mark stands for."""
    return ord(mark) - FIRST_MARK


def shown_markdown(turn: Turn) -> str:
    """The answer as Markdown, with `box_mark` for each box; as much of it as can be shown while it comes."""
    answer = visible(turn.answer)
    if turn.is_open:
        answer = _PARTIAL_NAME.sub("", answer)
    return mark_boxes(answer, turn.image_sizes, box_mark)


def copied_markdown(turn: Turn) -> str:
    """The answer as Markdown without its boxes, to be taken elsewhere."""
    return show_boxes(visible(turn.answer), "off", turn.image_sizes).strip()


def without_boxes(answer: str) -> str:
    """An answer whose boxes lie anywhere, without them."""
    return show_boxes(visible(answer), "off", ()).strip()


def has_table(turn: Turn) -> bool:
    """Whether the answer holds a table."""
    return len(tasks.table_rows(copied_markdown(turn))) > 1


def copied_csv(turn: Turn) -> str:
    """The table of the answer as CSV."""
    return tasks.as_csv(copied_markdown(turn)) + "\n"
