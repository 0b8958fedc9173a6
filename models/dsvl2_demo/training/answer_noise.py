"""Mistakes in the answers given so far, while what should follow stays the truth.

Greedy answers hold mistakes. A model that has only seen true beginnings finds its place on the page by the letters
before; behind a wrong one it finds none, guesses a word it knows, and repeats a line or skips one: the fifth of the
pages where that happened held two thirds of all wrong characters. Scheduled sampling (Bengio et al. 2015) takes the
model's own mistakes; drawn ones need no second look at the batch.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from dsvl2_demo.training.conversation import NEWLINE, Conversation
from dsvl2_demo.training.vocabulary import encode

READING_TASKS = (
    "value", "transcribe", "line", "label", "title", "button", "cell", "row", "chart", "header", "continue",
)  # fmt: skip
CLEAN = 0.4
"""Share of conversations without a slip."""

MOST = 0.12
"""Largest share of slipped tokens in a conversation; the mean over all is 3.6 %."""

LINE_SLIPS = 0.06
"""Share of the lines of a transcription that are left out or said twice."""

_LINE_END = encode(NEWLINE)[0]


def with_slips(talk: Conversation, rng: random.Random) -> Conversation:
    """The conversation as it would stand after mistakes: letters replaced, lost or doubled, lines lost or doubled.

    Positions are dropped or doubled with their targets, so behind each mistake the next true token is learned.
    """
    if rng.random() < CLEAN:
        return talk
    rate = rng.uniform(0, MOST)
    input_ids = talk.input_ids.copy()
    times = [1] * len(input_ids)
    for task, first, last in talk.tasks:
        if task not in READING_TASKS:
            continue
        letters = range(first + 1, last)  # `first` is the end of the question
        for index in letters:
            if rng.random() < rate:
                slip = rng.random()
                if slip < 0.6:
                    input_ids[index] = talk.input_ids[rng.choice(letters)]
                else:
                    times[index] = 0 if slip < 0.8 else 2
    return _repeated(replace(talk, input_ids=input_ids), times, _line_slips(talk, rng))


def _line_slips(talk: Conversation, rng: random.Random) -> dict[int, tuple[int, int]]:
    """(end, times) of lines that are lost or doubled, by the position they start at; the last line of each stays."""
    slips = {}
    for task, first, last in talk.tasks:
        if task == "transcribe":
            ends = [index for index in range(first + 1, last) if talk.input_ids[index] == _LINE_END]
            for start, end in pairwise([first, *ends]):
                if rng.random() < LINE_SLIPS:
                    slips[start + 1] = (end + 1, rng.choice((0, 2)))
    return slips


def _repeated(talk: Conversation, times: Sequence[int], lines: dict[int, tuple[int, int]]) -> Conversation:
    order: list[int] = []
    starts = np.zeros(len(talk.input_ids) + 1, np.int64)
    index = 0
    while index < len(talk.input_ids):
        end, repeats = lines.get(index, (index + 1, 1))
        for _ in range(repeats):
            for position in range(index, end):
                order += [position] * times[position]
        starts[index + 1 : end + 1] = len(order)
        index = end
    spans = tuple((task, int(starts[first]), int(starts[last])) for task, first, last in talk.tasks)
    kept = np.array(order, np.int64)
    return Conversation(
        talk.input_ids[kept],
        talk.targets[kept],
        spans,
        tuple(talk.here[position] for position in order),
        tuple(talk.ahead[position] for position in order),
    )
