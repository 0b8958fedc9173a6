"""A conversation about pictures as token ids, with the answers marked: what one training example is.

The format is the official one (`dsvl2_runtime.inputs.prompt`); here answers are known and every one of them is
learned from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dsvl2_demo.questions.tasks import Turn
from dsvl2_demo.questions.traces import Place, Trace, places_in
from dsvl2_demo.training.vocabulary import BOS_ID, EOS_ID, IMAGE_ID, encode, last_characters
from dsvl2_runtime.inputs.tokenizer import ASSISTANT, USER

NEWLINE = "\n"
IGNORED = -100
"""Target of positions that are not learned from."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """Token ids `[seq] int64` and what should follow each of them `[seq] int64`, `IGNORED` outside the answers."""

    input_ids: NDArray[np.int64]
    targets: NDArray[np.int64]
    tasks: tuple[tuple[str, int, int], ...]
    """(task, first, last) of each answer: the span of positions whose targets it is, end exclusive."""
    here: tuple[Place | None, ...]
    """`[seq]`, where the text of each token is seen; None where it is not."""
    ahead: tuple[Place | None, ...]
    """`[seq]`, where the text of what follows each token is seen."""


def text_tokens(turns: Sequence[Turn]) -> int:
    """About how many tokens the questions and answers take; enough to sort by length."""
    return sum(len(encode(turn.question)) + len(encode(turn.answer)) + 8 for turn in turns)


def conversation(turns: Sequence[Turn], image_tokens: Sequence[int]) -> Conversation:
    """Bos, the pictures, each question and its answer with eos.

    Args:
        turns: questions in their order.
        image_tokens: number of positions of each picture.
    """
    ids: list[int] = [BOS_ID, *encode(f"{USER}: ")]
    for index, count in enumerate(image_tokens):
        ids += [*(encode("\n") if index else ()), *[IMAGE_ID] * count]
    places: list[Place | None] = [None] * len(ids)
    spans: list[tuple[str, int, int]] = []
    for index, turn in enumerate(turns):
        question = f"{f'{USER}: ' if index else NEWLINE}{turn.question}\n\n{ASSISTANT}:"
        ids += encode(question)
        answer = [*encode(turn.answer), EOS_ID]
        spans.append((turn.task, len(ids) - 1, len(ids) - 1 + len(answer)))
        ids += answer
        places += [*_token_places(question, turn.asked), *_token_places(turn.answer, turn.read), None]
    targets = np.full(len(ids), IGNORED, np.int64)
    whole = np.array(ids, np.int64)
    for _, first, last in spans:
        targets[first:last] = whole[first + 1 : last + 1]
    return Conversation(whole[:-1], targets[:-1], tuple(spans), tuple(places[:-1]), tuple(places[1:]))


def _token_places(text: str, traces: Sequence[Trace]) -> list[Place | None]:
    places = places_in(text, traces)
    return [places[index] for index in last_characters(text)]
