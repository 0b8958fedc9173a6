"""The questions that were asked about each page of a document, as one thing."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dsvl2_app.state.answer_text import copied_markdown
from dsvl2_app.state.turn import Turn


def page_turns(turns: Sequence[Turn], turn: Turn) -> list[Turn]:
    """Those that were asked about pages together with a turn, in their order; none if it was not asked about a page."""
    if not turn.is_alone:
        return []
    first = last = turns.index(turn)
    while first > 0 and _belongs(turns[first - 1], turn):
        first -= 1
    while last + 1 < len(turns) and _belongs(turns[last + 1], turn):
        last += 1
    return list(turns[first : last + 1])


def copied_pages(turns: Sequence[Turn], heading: Callable[[int], str]) -> str:
    """Their answers as Markdown under headings; a page without an answer has none.

    Args:
        turns: as of `page_turns`.
        heading: of a page, by its number.
    """
    answers = [(turn.page or 0, copied_markdown(turn)) for turn in turns]
    return "\n\n".join(f"## {heading(page)}\n\n{answer}" for page, answer in answers if answer)


def _belongs(other: Turn, turn: Turn) -> bool:
    return other.is_alone and (other.question, other.task) == (turn.question, turn.task)
