"""Texts of menus without the key that is marked in them."""

from __future__ import annotations

import re

MARK = re.compile(r"\(&\w\)|&(?=\w)")
"""`&File`, and where the letter is none of the word, as in Chinese, the letter in brackets behind it."""


def plain(text: str) -> str:
    """The words of a menu entry, as a title or a screen reader has them."""
    return MARK.sub("", text)
