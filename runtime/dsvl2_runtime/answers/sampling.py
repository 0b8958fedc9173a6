"""Logits to the next token: greedy, or sampled with temperature, top-k, top-p and a repetition penalty."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dsvl2_runtime.errors import UsageError

LEAST_PENALTY, MOST_PENALTY = 0.01, 100.0
"""Far beyond what helps, and far from where float32 overflows."""


@dataclass(frozen=True, slots=True)
class GenerationOptions:
    """How an answer is chosen and where it ends."""

    max_new_tokens: int = 512
    temperature: float = 0.0
    """0 takes the likeliest token; the model card advises at most 0.7."""
    top_p: float = 1.0
    """Sample among the likeliest tokens that together reach this probability (arXiv 1904.09751)."""
    top_k: int = 0
    """Sample among this many likeliest tokens; 0 means all."""
    repetition_penalty: float = 1.0
    """Divides positive and multiplies negative logits of tokens seen before, in prompt or answer (arXiv 1909.05858)."""
    seed: int = 0
    stop: tuple[str, ...] = ()
    """Texts that end the answer; they are not part of it."""

    def __post_init__(self) -> None:
        checks = {
            "max_new_tokens": (self.max_new_tokens >= 1, "at least 1"),
            "temperature": (np.isfinite(self.temperature) and self.temperature >= 0, "0 or more"),
            "top_p": (0 < self.top_p <= 1, "above 0 and at most 1"),
            "top_k": (self.top_k >= 0, "0 or more"),
            "repetition_penalty": (
                LEAST_PENALTY <= self.repetition_penalty <= MOST_PENALTY,
                f"from {LEAST_PENALTY} to {MOST_PENALTY}",
            ),
            "seed": (self.seed >= 0, "0 or more"),
            "stop": (all(self.stop), "texts that are not empty"),
        }
        for name, (valid, wanted) in checks.items():
            if not valid:
                raise UsageError(f"{name} is {getattr(self, name)!r}; it must be {wanted}")


class Sampler:
    """Chooses tokens one after the other; remembers those seen for the repetition penalty."""

    def __init__(self, options: GenerationOptions, prompt_ids: NDArray[np.int64]) -> None:
        self._options = options
        self._seen = set(prompt_ids.tolist())
        self._generator = np.random.default_rng(options.seed)

    def next_id(self, logits: NDArray[np.float32]) -> int:
        """One token for logits [vocab] float32, all finite (`Decoder.run` sees to it), which are left as they are."""
        scores = self._penalised(logits)
        token_id = int(scores.argmax()) if self._options.temperature == 0 else self._sampled(scores)
        self._seen.add(token_id)
        return token_id

    def _penalised(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        penalty = np.float32(self._options.repetition_penalty)
        if penalty == 1:
            return logits
        seen = np.fromiter(self._seen, np.int64)
        scores = logits.copy()
        scores[seen] = np.where(logits[seen] > 0, logits[seen] / penalty, logits[seen] * penalty)
        return scores

    def _sampled(self, scores: NDArray[np.float32]) -> int:
        options = self._options
        order = np.argsort(-scores, kind="stable")
        if options.top_k:
            order = order[: options.top_k]
        below = scores[order].astype(np.float64) - float(scores[order[0]])
        with np.errstate(over="ignore"):  # near 0, all but the likeliest are infinitely far below
            probabilities = np.exp(below / options.temperature)
        probabilities /= probabilities.sum()
        if options.top_p < 1:
            # The token that crosses the limit still belongs to the set, so there is always one.
            count = int(np.searchsorted(np.cumsum(probabilities), options.top_p)) + 1
            order, probabilities = order[:count], probabilities[:count]
            probabilities /= probabilities.sum()
        return int(self._generator.choice(order, p=probabilities))
