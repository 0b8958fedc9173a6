"""Mistakes in the answers given so far, while what should follow stays the truth.

Greedy answers hold mistakes. A model that has only seen true beginnings finds its place on the page by the letters
before; behind a wrong one it finds none, guesses a word it knows, and repeats a line or skips one: the fifth of the
pages where that happened held two thirds of all wrong characters. Scheduled sampling (Bengio et al. 2015) takes the
model's own mistakes; drawn ones need no second look at the batch.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from operator import itemgetter

import numpy as np
from numpy.typing import NDArray

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
    times = np.ones(len(input_ids), np.int64)
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


def _repeated(talk: Conversation, times: NDArray[np.int64], lines: Mapping[int, tuple[int, int]]) -> Conversation:
    """Each position so many times, and lines so many times as a whole.

    Args:
        talk: the true conversation.
        times: `[seq]`.
        lines: (end, times) by the position where a line starts.
    """
    count = len(talk.input_ids)
    order = list[NDArray[np.int64]]()
    starts = np.zeros(count + 1, np.int64)
    done = made = 0
    for start, (end, repeats) in [*sorted(lines.items()), (count, (count, 0))]:
        order.append(np.repeat(np.arange(done, start), times[done:start]))
        starts[done + 1 : start + 1] = made + np.cumsum(times[done:start])
        line = np.repeat(np.arange(start, end), times[start:end])
        order += [line] * repeats
        made = int(starts[start]) + repeats * len(line)
        starts[start + 1 : end + 1] = made
        done = end
    kept = np.concatenate(order)
    places = itemgetter(*kept.tolist())
    spans = tuple((task, int(starts[first]), int(starts[last])) for task, first, last in talk.tasks)
    return Conversation(talk.input_ids[kept], talk.targets[kept], spans, places(talk.here), places(talk.ahead))
