"""How long one sitting of a run lasts, and how its stages are fitted into it."""

from __future__ import annotations

import time
from dataclasses import dataclass

RESERVED_SHARE = 0.12
"""Of a sitting that has to finish its stages, for measuring and saving behind them."""
FEWEST_RESERVED, MOST_RESERVED = 20.0, 120.0
"""Seconds."""
SAVING_SECONDS = 10.0
"""Left for the last save when measuring is broken off."""


@dataclass(frozen=True, slots=True)
class Sitting:
    """Times of `time.monotonic()`."""

    end: float
    """When everything has to be over."""
    training_end: float | None = None
    """When the last stage has to be over; None if stages take their own minutes, however many sittings they need."""

    @staticmethod
    def of(minutes: float, began: float | None, *, finish: bool, measures: bool = True) -> Sitting:
        """The sitting that begins now.

        Args:
            minutes: it lasts.
            began: when those minutes began, as `time.time()` says; None for now.
            finish: whether the stages have to be over at its end.
            measures: whether many pages are measured behind them.
        """
        gone = 0.0 if began is None else max(0.0, time.time() - began)
        end = time.monotonic() + minutes * 60 - gone
        reserved = min(MOST_RESERVED, max(FEWEST_RESERVED, RESERVED_SHARE * minutes * 60 if measures else 0.0))
        return Sitting(end, end - reserved if finish else None)

    @property
    def measuring_end(self) -> float:
        """When measuring is broken off, so that there is time to save."""
        return self.end - SAVING_SECONDS

    def planned_seconds(self, start: float, now: float, planned: float) -> float:
        """How much of the plan a step fulfils.

        Args:
            start: when the step began.
            now: when it ended.
            planned: seconds of training that the stages still had in plan when it began.
        """
        if self.training_end is None:
            return now - start
        left = self.training_end - start
        return planned * min(1.0, (now - start) / left) if left > 0 else planned
