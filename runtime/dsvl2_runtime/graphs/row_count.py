"""How many rows of a cache are valid, and how many there is room for, wherever the rows lie."""

from __future__ import annotations

from dsvl2_runtime.errors import SequenceFullError, UsageError


class RowCount:
    """What every cache has in common: a length within a context."""

    def __init__(self, context_tokens: int) -> None:
        self.context_tokens = context_tokens
        """Positions that there is room for."""
        self.length = 0
        """How many rows are valid."""

    def require_room(self, seq: int) -> None:
        """Refuse to run beyond the context.

        Raises:
            SequenceFullError: there are fewer than `seq` free rows.
        """
        if self.length + seq > self.context_tokens:
            raise SequenceFullError(self.length, seq, self.context_tokens)

    def advance(self, seq: int) -> None:
        """Count the `seq` rows that a run has just written as valid."""
        self.length += seq

    def truncate(self, length: int) -> None:
        """Forget all rows from `length` on; they stay where they are and the next run overwrites them.

        Raises:
            UsageError: there are not so many valid rows.
        """
        if not 0 <= length <= self.length:
            raise UsageError(f"the cache has {self.length} rows and cannot be cut to {length}")
        self.length = length
