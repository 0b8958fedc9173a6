"""How long an answer will still take, from what earlier answers took and from what this one has done."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from dsvl2_runtime.answers.estimate import Estimate
from dsvl2_runtime.engine.protocol import EnginePhase, Progressed
from dsvl2_runtime.machine.speeds import Speeds

MOST_RISE, RISE_SECONDS = 1.2, 5.0
"""What is shown never becomes more than this many times what was shown within so many seconds before."""
ROUNDED_FROM, ROUNDED_TO = 20.0, 5.0
"""Seconds: above the first, what is shown is a multiple of the second."""
STEPS: tuple[EnginePhase, ...] = ("vision", "prefill", "decode")
"""What a user sees as the steps of an answer; opening the pictures belongs to the first."""


def rounded(seconds: float) -> int:
    """Whole seconds, in steps of five where there are many; nobody can know better."""
    if seconds > ROUNDED_FROM:
        return int(round(seconds / ROUNDED_TO) * ROUNDED_TO)
    return max(1, round(seconds))


@dataclass(frozen=True, slots=True)
class Remaining:
    """What can be said about an answer that is not there yet."""

    phase: EnginePhase
    step: int
    """Of `steps`, from 1."""
    steps: int
    seconds: float | None
    """That are left; None where nothing tells."""
    share: float
    """From 0 to 1, of the whole answer; it never falls."""


@dataclass(slots=True)
class _Unit:
    """One kind of work: how much of it there is, how much is done, and what one piece takes."""

    total: int
    seconds: float | None
    """Of one piece, as earlier answers tell."""
    done: int = 0
    measured: float = 0.0
    """Seconds that the pieces of this answer have taken."""
    pieces: int = 0

    @property
    def left(self) -> float | None:
        """Seconds; what this answer has measured counts for more than what others did."""
        missing = self.total - self.done
        if missing <= 0:
            return 0.0
        if self.pieces and (self.seconds is None or self.pieces * 4 >= self.total):
            return missing * self.measured / self.pieces
        return None if self.seconds is None else missing * self.seconds


@dataclass(slots=True)
class TimeLeft:
    """Follows one answer. Loading a model is followed by `LoadingTime`."""

    expected: Estimate
    speeds: Speeds | None
    clock: Callable[[], float] = time.monotonic
    _units: dict[EnginePhase, _Unit] = field(default_factory=dict)
    _phase: EnginePhase = "images"
    _begun: float = 0.0
    _last: float = 0.0
    _shown: float | None = None
    _shown_at: float = 0.0
    _share: float = 0.0

    def __post_init__(self) -> None:
        speeds, expected = self.speeds or Speeds(), self.expected
        self._begun = self._last = self.clock()
        self._units = {
            "vision": _Unit(expected.num_tiles, speeds.seconds_per_tile),
            "prefill": _Unit(expected.prompt_tokens, speeds.seconds_per_prompt_token),
            "decode": _Unit(expected.answer_tokens, speeds.seconds_per_answer_token),
        }

    def take(self, progress: Progressed) -> None:
        """Count what was done."""
        now = self.clock()
        unit = self._units.get(progress.phase)
        if unit is not None:
            if progress.phase != "decode":  # an answer ends before the longest that is allowed
                unit.total = progress.total
            elif progress.done >= unit.total:
                unit.total = min(progress.total, progress.done + max(1, progress.done // 4))
            if self._phase == progress.phase and progress.done > unit.done:
                unit.measured += now - self._last
                unit.pieces += progress.done - unit.done
            unit.done = max(unit.done, progress.done)
            for earlier in STEPS[: STEPS.index(progress.phase)]:
                self._units[earlier].done = self._units[earlier].total
        self._phase, self._last = progress.phase, now

    def remaining(self) -> Remaining:
        """What to show now."""
        now = self.clock()
        phase = "vision" if self._phase == "images" else self._phase
        step = STEPS.index(phase) + 1 if phase in STEPS else 1
        seconds = self._seconds(now)
        if seconds is not None:
            elapsed = now - self._begun
            self._share = max(self._share, min(1.0, elapsed / (elapsed + seconds) if elapsed + seconds else 0.0))
        return Remaining(self._phase, step, len(STEPS), seconds, self._share)

    def _seconds(self, now: float) -> float | None:
        parts = [unit.left for unit in self._units.values()]
        if any(part is None for part in parts):
            return None
        # The piece of work at hand has begun at the last report, and more than itself it cannot save.
        waited = now - self._last
        total = sum(part for part in parts if part is not None)
        seconds = max(total - waited, total / 10)
        if self._shown is not None:
            seconds = min(seconds, self._shown * MOST_RISE)
        if self._shown is None or seconds < self._shown or now - self._shown_at >= RISE_SECONDS:
            self._shown, self._shown_at = seconds, now
        return seconds


@dataclass(slots=True)
class LoadingTime:
    """How long a model still loads, from the bytes that are there and the time that they took."""

    clock: Callable[[], float] = time.monotonic
    done: int = 0
    total: int = 0
    _begun: float = 0.0

    def __post_init__(self) -> None:
        self._begun = self.clock()

    def take(self, progress: Progressed) -> None:
        """Count bytes."""
        self.done, self.total = progress.done, progress.total

    @property
    def seconds(self) -> float | None:
        """That are left; None before anything is there."""
        if not self.done or not self.total:
            return None
        return (self.clock() - self._begun) * (self.total - self.done) / self.done
