"""Logits to the next token: greedy, or sampled with temperature, top-k, top-p and a repetition penalty."""

from __future__ import annotations

import math
from collections.abc import Sequence, Set
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dsvl2_runtime.errors import UsageError
from dsvl2_runtime.graphs.sequence import Logits

LEAST_PENALTY, MOST_PENALTY = 0.01, 100.0
"""Bounds far outside the useful range, within which float32 logits cannot overflow."""


@dataclass(frozen=True, slots=True)
class GenerationOptions:
    """How an answer is chosen and where it ends."""

    max_new_tokens: int = 512
    temperature: float = 0.0
    """0 takes the likeliest token; the model card recommends at most 0.7."""
    top_p: float = 1.0
    """Sample among the likeliest tokens that together reach this probability (arXiv 1904.09751)."""
    top_k: int = 0
    """Sample among this many likeliest tokens; 0 means all."""
    repetition_penalty: float = 1.0
    """Divides positive and multiplies negative logits of tokens seen before, in prompt or answer (arXiv 1909.05858)."""
    seed: int = 0
    stop: str | Sequence[str] = ()
    """Texts that end the answer and are not part of it; one, or several, which become a tuple."""
    repetition_guard: bool = True
    """End an answer that goes round in circles (`repetition.py`)."""
    no_repeat_ngram: int = 0
    """No run of so many tokens comes twice in the answer; 0 allows it. A table needs its repeated cells."""

    logprobs: bool = False
    """Say of each token how likely it was (`TextChunk.logprob`)."""
    json_schema: str = ""
    """A JSON schema that the answer fits, unless it is cut (`constraint.py`); empty for any answer."""

    def __post_init__(self) -> None:
        one = isinstance(self.stop, str)
        several = isinstance(self.stop, (Sequence, Set)) and not isinstance(self.stop, (bytes, bytearray))
        stop = (self.stop,) if one else tuple(self.stop) if several else None
        penalties = f"a number from {LEAST_PENALTY} to {MOST_PENALTY}"
        checks = {
            "max_new_tokens": (_whole(self.max_new_tokens, 1), "a whole number, at least 1"),
            "temperature": (_number(self.temperature, 0), "a number, 0 or more"),
            "top_p": (_number(self.top_p, 0, 1) and self.top_p > 0, "a number above 0 and at most 1"),
            "top_k": (_whole(self.top_k, 0), "a whole number, 0 or more"),
            "repetition_penalty": (_number(self.repetition_penalty, LEAST_PENALTY, MOST_PENALTY), penalties),
            "seed": (_whole(self.seed, 0), "a whole number, 0 or more"),
            "stop": (
                stop is not None and all(isinstance(text, str) and text for text in stop),
                "a text or several texts, none of them empty",
            ),
            "logprobs": (isinstance(self.logprobs, bool), "True or False"),
            "json_schema": (isinstance(self.json_schema, str), "a JSON schema as text"),
            "repetition_guard": (isinstance(self.repetition_guard, bool), "True or False"),
            "no_repeat_ngram": (_whole(self.no_repeat_ngram, 0), "a whole number, 0 or more"),
        }
        for name, (valid, wanted) in checks.items():
            if not valid:
                raise UsageError(f"{name} is {getattr(self, name)!r}; it must be {wanted}")
        object.__setattr__(self, "stop", stop)  # a list could be changed under a running answer


def _whole(value: object, least: int) -> bool:
    return isinstance(value, (int, np.integer)) and bool(value >= least)


def _number(value: object, least: float, most: float = math.inf) -> bool:
    if not isinstance(value, (int, float, np.integer, np.floating)):
        return False
    return math.isfinite(value) and bool(least <= value <= most)


class Sampler:
    """Chooses tokens one after the other; remembers those seen for the repetition penalty, and the answer's n-grams."""

    def __init__(self, options: GenerationOptions, prompt_ids: NDArray[np.int64], eos_id: int) -> None:
        self._options = options
        self._eos_id = eos_id
        self._answer: list[int] = []
        self._followers: dict[tuple[int, ...], set[int]] = {}
        """The first tokens of each n-gram of the answer to the tokens that came after them."""
        self._seen = set(prompt_ids.tolist())
        self._generator = np.random.default_rng(options.seed)

    def next_id(self, logits: Logits) -> int:
        """One token for logits [vocab] float32, all finite (`Decoder.run` sees to it), which are left as they are.

        Where the likeliest token is wanted, logits on a GPU stay there.
        """
        options = self._options
        if options.temperature == 0 and options.repetition_penalty == 1 and not options.no_repeat_ngram:
            token_id = int(logits.argmax())
        else:
            scores = self._without_repeats(self._penalised(np.asarray(logits)))
            token_id = int(scores.argmax()) if options.temperature == 0 else self._sampled(scores)
        self._seen.add(token_id)
        if self._options.no_repeat_ngram:
            self._followers.setdefault(self._last_tokens(), set()).add(token_id)
            self._answer.append(token_id)
        return token_id

    def _last_tokens(self) -> tuple[int, ...]:
        """The last tokens of the answer, one less than an n-gram has, or all of them."""
        return tuple(self._answer[max(0, len(self._answer) + 1 - self._options.no_repeat_ngram) :])

    def _without_repeats(self, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        """Scores in which no token can complete an n-gram of the answer once more; the end token always may come.

        Where a JSON schema allows nothing else, the repeated token comes all the same.
        """
        if not self._options.no_repeat_ngram:
            return scores
        repeats = self._followers.get(self._last_tokens(), set()) - {self._eos_id}
        others = scores.copy()
        others[list(repeats)] = -np.inf
        return others if np.isfinite(others).any() else scores

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
