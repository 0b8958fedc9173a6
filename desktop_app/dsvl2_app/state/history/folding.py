"""Text as it is searched: without differences of case and of width, in any language; and where words stand in it."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

EXCERPT = 90
"""Characters around the first mark."""
BEFORE = 24


def fold(text: str) -> str:
    """The searched form: compatibility forms are one ("Ａ" is "A"), and so are cases ("ß" is "ss").

    Character by character, so that the places in it can be told in the original.
    """
    return "".join(map(_fold_character, text))


def _fold_character(character: str) -> str:
    return unicodedata.normalize("NFKC", character).casefold()


def words_of(query: str) -> list[str]:
    """What is searched: each word of the query has to be there, anywhere."""
    return list(dict.fromkeys(fold(query).split()))


def excerpt(text: str, words: Sequence[str]) -> tuple[str, tuple[tuple[int, int], ...]] | None:
    """One line of a text around the first of the words, and where they stand in that line; None if none is there."""
    places = find(text, words)
    if not places:
        return None
    begin = max(0, places[0][0] - BEFORE)
    end = min(len(text), begin + EXCERPT)
    line = "".join(" " if character.isspace() else character for character in text[begin:end])
    before, after = ("…" if begin else ""), ("…" if end < len(text) else "")
    moved = len(before) - begin
    marks = tuple((left + moved, min(right, end) + moved) for left, right in places if left < end)
    return before + line + after, marks


def find(text: str, words: Sequence[str]) -> list[tuple[int, int]]:
    """(begin, end) of the words in a text, in order; those that overlap are one."""
    folded, origins = [], []
    for index, character in enumerate(text):
        piece = _fold_character(character)
        folded.append(piece)
        origins += [index] * len(piece)
    whole = "".join(folded)
    found = []
    for word in words:
        at = whole.find(word)
        while at >= 0:
            found.append((origins[at], origins[at + len(word) - 1] + 1))
            at = whole.find(word, at + len(word))
    merged: list[tuple[int, int]] = []
    for begin, end in sorted(found):
        if merged and begin <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((begin, end))
    return merged
