"""Notices an answer that goes round in circles, as models of this family do on a white page or an empty table.

Two signs end an answer: its last tokens are the same few tokens again and again, or it is one number that does not end.
The bounds are wide, because a page may hold what looks like a circle: sixty equal cells of a table, a line of dots, a
form with twenty equal lines. An answer that is cut off too early is worse than one that ends a little late.
"""

from __future__ import annotations

import numpy as np

LONGEST_PERIOD = 128
"""Tokens of the longest piece whose repetition is noticed."""
MANY_REPEATS, MANY_TOKENS = 64, 128
"""A short piece is stopped when it came so often, and has so many tokens with all its repeats."""
LONG_REPEATS, LONG_TOKENS = 6, 400
"""A longer piece, such as a line or a row of a table, may come less often."""
MOST_DIGITS = 128
"""Digits in a row; no number that a page shows has as many."""

_PERIODS = np.arange(1, LONGEST_PERIOD + 1)  # [period]


class RepetitionGuard:
    """Watches the tokens of one answer; a step costs some microseconds."""

    def __init__(self) -> None:
        self._recent = np.full(LONGEST_PERIOD, -1, np.int64)
        """The last tokens, the newest first."""
        self._equal = np.zeros(LONGEST_PERIOD, np.int64)
        """[period] for each period, how many of the last tokens equal the one that many tokens before."""
        self._digits = 0

    def push(self, token_id: int, text: str) -> bool:
        """Take in the next token and its text; True when the answer repeats itself."""
        self._equal = np.where(self._recent == token_id, self._equal + 1, 0)
        self._recent = np.roll(self._recent, 1)
        self._recent[0] = token_id
        covered = self._equal + _PERIODS
        repeats = covered // _PERIODS
        short = (repeats >= MANY_REPEATS) & (covered >= MANY_TOKENS)
        long = (repeats >= LONG_REPEATS) & (covered >= LONG_TOKENS)
        for character in text:
            self._digits = self._digits + 1 if character.isdigit() else 0
        return bool((short | long).any()) or self._digits >= MOST_DIGITS
