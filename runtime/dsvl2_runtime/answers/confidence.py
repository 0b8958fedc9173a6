"""How sure the model is of an answer: the probability that it gave to these tokens and to the end behind them.

On drawn pages that the demonstration model had never seen, answers with less than 0.5 were mostly wrong and those with
more than 0.9 nearly all right (its model card has the figures). It is no proof: a model may be sure of what is wrong.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dsvl2_runtime.graphs.sequence import Logits
from dsvl2_runtime.inputs.tokenizer import DET
from dsvl2_runtime.notices import Notice

UNSURE = 0.5
"""An answer with less is more likely wrong than right."""
SHORT_TOKENS = 64
"""Of a longer answer it is no news that some letter in it may be wrong."""


def token_logprob(logits: Logits, token_id: int) -> float:
    """Natural logarithm of a token's probability, from logits [vocab] float32; -inf are tokens that may not come.

    Logits on a GPU stay there where it has computed the logarithm already.
    """
    if not isinstance(logits, np.ndarray):
        known = logits.known_logprob(token_id)
        if known is not None:
            return known
    scores: NDArray[np.float32] = np.asarray(logits)
    peak = float(scores.max())
    return float(scores[token_id]) - peak - math.log(float(np.exp(scores - peak).sum(dtype=np.float64)))


def confidence_of(logprobs: Sequence[float | None], text: str) -> float | None:
    """The probability of all tokens of an answer together.

    None where one is not known, and where the answer has boxes: a coordinate that is a little larger or smaller is as
    right, so 38 of 40 boxes were right whose answers had less than 0.05.
    """
    if DET in text:
        return None
    known = [logprob for logprob in logprobs if logprob is not None]
    return math.exp(math.fsum(known)) if known and len(known) == len(logprobs) else None


def unsure_notices(confidence: float | None, tokens: int, what: str = "") -> tuple[Notice, ...]:
    """What should be said about an answer.

    Args:
        confidence: of the answer, from 0 to 1; None where it is not known.
        tokens: of the answer.
        what: a name of what was asked for, if there is one.
    """
    if confidence is None or confidence >= UNSURE or tokens > SHORT_TOKENS:
        return ()
    percent: int | str = round(100 * confidence) or "less than 1"
    return (
        Notice("answer.unsure_of", {"what": what, "percent": percent})
        if what
        else Notice("answer.unsure", {"percent": percent}),
    )
