"""The cases of the parity check: the same pictures, question and tokens here and on the machine with the GPU."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from dsvl2_runtime.graphs.sequence import Logits, Sequence
from dsvl2_runtime.inputs.processor import Images
from dsvl2_runtime.model import VisionLanguageModel

STEPS = 50
"""Decode steps of a case."""
PICTURES = (0, 1, 2, 3)
QUESTION = "What does the picture show, and what is written in it?"


def picture(number: int) -> NDArray[np.uint8]:
    """A picture that needs no file: stripes and blocks, another shape for each number."""
    height, width = ((300, 620), (520, 400), (240, 240))[number % 3]
    y, x = np.mgrid[:height, :width]
    channels = [(x * (3 + number) + y) % 256, (y * 5 + 40 * number) % 256, ((x // 40 + y // 30) % 2) * 255]
    return np.stack(channels, axis=-1).astype(np.uint8)


def case_logits(
    model: VisionLanguageModel,
    images: Images,
    tokens: NDArray[np.int64],
    chunk: int | None,
    sequence: Sequence | None = None,
    on_step: Callable[[Logits], object] = lambda logits: None,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Logits [vocab] behind the prompt, and [steps, vocab] behind each of some tokens that follow it.

    Args:
        model: that is compared.
        images: of the case.
        tokens: that follow the prompt, whatever it would answer.
        chunk: positions of a run of the prompt.
        sequence: becomes prompt and tokens; by default a new one.
        on_step: given the logits of each step where the model keeps them.
    """
    sequence = sequence or model.new_sequence()
    prompt = model.next_token_logits(QUESTION, images, prefill_chunk=chunk, sequence=sequence)
    decoder, embedding = model.components.decoder, model.components.embedding
    steps = []
    for token in tokens:
        sequence.append(int(token))
        logits = decoder.run(sequence, embedding.tokens(np.array([token], np.int64)))
        on_step(logits)
        steps.append(np.array(logits))
    return prompt, np.stack(steps)


def case_tokens(vocab_size: int) -> NDArray[np.int64]:
    """Tokens that follow the prompt in every case, [steps]."""
    return np.random.default_rng(5).integers(0, vocab_size, STEPS)
