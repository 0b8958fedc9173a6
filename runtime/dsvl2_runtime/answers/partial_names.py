"""The end of a text that is still being written and may become a name."""

from __future__ import annotations

from collections.abc import Iterable


def partial_length(text: str, names: Iterable[str]) -> int:
    """Characters at the end of a text that are the beginning of one of the names, and not all of it."""
    return max((size for name in names for size in range(1, len(name)) if text.endswith(name[:size])), default=0)
