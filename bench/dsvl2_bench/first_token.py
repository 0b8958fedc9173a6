"""Times what a person waits for: from a question about a new picture to the first token of its answer."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from dsvl2_runtime.answers.sampling import GenerationOptions
from dsvl2_runtime.model import VisionLanguageModel


@dataclass(frozen=True, slots=True)
class FirstToken:
    """How long the first token took, and of how much."""

    seconds: float
    tiles: int
    prompt_tokens: int


def first_token(model: VisionLanguageModel, question: str, size: tuple[int, int]) -> FirstToken:
    """Ask about a random picture of (height, width) whose features nobody has kept, and end at the first token.

    The picture is cut into tiles, the tiles are encoded and the whole prompt is read each time.
    """
    picture = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)  # [height, width, 3]
    model.image_cache.clear()
    start = time.perf_counter()
    inputs = model.prepare(question, [picture])
    answer = model.answer(inputs, GenerationOptions(max_new_tokens=1))
    next(answer)
    seconds = time.perf_counter() - start
    answer.close()  # type: ignore[attr-defined]  # a generator
    return FirstToken(seconds, sum(len(image.tiles) for image in inputs.images), len(inputs.input_ids))
