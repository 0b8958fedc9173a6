"""The headings under which a list of conversations is grouped."""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal

from dsvl2_app.state.history.records import Summary

Group = Literal["pinned", "today", "yesterday", "week", "month", "older"]
WEEK, MONTH = 7, 30
"""Days."""


def group_of(summary: Summary, today: date) -> Group:
    """Where a conversation stands, by the days of the local calendar; one from the future is of today."""
    if summary.is_pinned:
        return "pinned"
    days = (today - datetime.fromtimestamp(summary.updated_at).date()).days
    for group, limit in (("today", 0), ("yesterday", 1), ("week", WEEK), ("month", MONTH)):
        if days <= limit:
            return group  # type: ignore[return-value]
    return "older"
