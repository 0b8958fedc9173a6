"""How far logits of a case are from those that the CPU gives in float32, whichever of two tied experts was chosen."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dsvl2_runtime.answers.confidence import token_logprob
from dsvl2_runtime.graphs.sequence import Logits

DEEPEST_DIFFERENCE = 2e-2
"""Of logits, as a relative norm. The graphs compute in float16, with eleven bits, and only the experts of prompts in
bfloat16, with eight; small models were measured 0.003 to 0.01 from float32, and this is twice the largest of them."""
MOST_OTHER_CHOICES = 5
"""Of the 51 positions of a case that may have other experts than in float32. With the small bundles, evaluated in NumPy
as halves, it was one in seventy, two in a case at most; a router that lost its precision chooses others more often."""
MOST_LOGPROB_ERROR = 2e-4
"""Between a logarithm that the GPU computes and the CPU's from the same logits: sums of 102,400 powers in float32, for
which 2e-5 was seen on a CPU. What a captured step leaves out, as the zero that a sum begins with, is far more."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The positions of one case, first the prompt's last and then each step."""

    differences: list[float]
    """From the nearest of the right answers; all of them count."""
    as_in_float32: list[float]
    """From the answer with the experts that float32 chooses."""
    others: list[int]
    """Positions that are nearest to an answer with other experts."""
    logprob_errors: Sequence[float] = ()
    """Of the steps; see `logprob_error`."""

    @property
    def ok(self) -> bool:
        """Whether every position is near enough; a difference that is no number is not."""
        near = all(difference < DEEPEST_DIFFERENCE for difference in self.differences)
        near = near and all(error < MOST_LOGPROB_ERROR for error in self.logprob_errors)
        return near and len(self.others) <= MOST_OTHER_CHOICES

    def fields(self) -> dict[str, Any]:
        """For a line of what was found. Steps have the numbers that they have in `steps`, from 0."""
        prompt, *steps = self.differences
        return {
            "ok": self.ok,
            "prompt": prompt,
            "first_step": steps[0],
            "worst_step": max(steps),
            "mean_step": round(statistics.mean(steps), 6),
            "other_experts": ["prompt" if position == 0 else position - 1 for position in self.others],
            "as_in_float32": {"prompt": self.as_in_float32[0], "worst_step": max(self.as_in_float32[1:])},
            "steps": [round(step, 4) for step in steps],
            "logprob_error": max(self.logprob_errors, default=None),
        }


def logprob_error(logits: Logits) -> float:
    """How far a GPU's logarithm of the likeliest token's probability is from the CPU's; NaN where it gives none."""
    best = int(logits.argmax())
    known = None if isinstance(logits, np.ndarray) else logits.known_logprob(best)
    return math.nan if known is None else abs(known - token_logprob(np.asarray(logits), best))


def verdict(
    prompt: NDArray[np.float32],
    steps: NDArray[np.float32],
    reference: Mapping[str, Any],
    pictures: int,
    logprob_errors: Sequence[float] = (),
) -> Verdict:
    """Compare a case.

    Args:
        prompt: logits [vocab].
        steps: [steps, vocab].
        reference: what `reference.write_reference` kept.
        pictures: which of its cases.
        logprob_errors: of the steps.
    """
    right = [reference[f"prompt{pictures}"], *reference[f"steps{pictures}"]]
    others, belong_to = reference[f"others{pictures}"], reference[f"others_at{pictures}"]
    differences, as_in_float32, at_others = list[float](), list[float](), list[int]()
    for position, found in enumerate((prompt, *steps)):
        first = _relative(found, right[position])
        best = min((_relative(found, other) for other in others[belong_to == position]), default=first)
        if best < first:
            at_others.append(position)
        differences.append(best if best < first else first)
        as_in_float32.append(first)
    return Verdict(differences, as_in_float32, at_others, logprob_errors)


def _relative(found: Any, expected: Any) -> float:
    return round(float(np.linalg.norm(found - expected) / np.linalg.norm(expected)), 6)
