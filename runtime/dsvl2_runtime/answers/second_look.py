"""A second look: where the model is not sure, it sees the picture enlarged, and the surer one of both answers counts.

An enlarged picture is cut into more tiles, so that print of 11 pixels is seen like print of 16. That is no better as
such: other answers become wrong by it. But a wrong answer is seldom a sure one (`confidence.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from dsvl2_runtime.answers.confidence import confidence_of
from dsvl2_runtime.answers.generate import TextChunk
from dsvl2_runtime.answers.sampling import GenerationOptions
from dsvl2_runtime.errors import ContextOverflowError
from dsvl2_runtime.graphs.sequence import Sequence as TokenSequence
from dsvl2_runtime.inputs.processor import ModelInputs
from dsvl2_runtime.progress import Watch

SURE = 0.9
"""Confidence of an answer that needs no second look."""
ENLARGEMENT = 1.5


class AnsweringModel(Protocol):
    """What of a `VisionLanguageModel` is needed."""

    def new_sequence(self) -> TokenSequence:
        """An empty sequence."""

    def answer(
        self, inputs: ModelInputs, options: GenerationOptions, watch: Watch, sequence: TokenSequence, /
    ) -> Iterator[TextChunk]:
        """Answer what was prepared."""


@dataclass(slots=True)
class LookSequences:
    """The sequences of the first and of the second look; several questions about the same pictures share both."""

    new: Callable[[], TokenSequence]
    _made: dict[float, TokenSequence] = field(default_factory=dict)

    def of(self, enlargement: float) -> TokenSequence:
        """The one for pictures that are enlarged so many times."""
        if enlargement not in self._made:
            self._made[enlargement] = self.new()
        return self._made[enlargement]


class Looks:
    """One question, answered after one look or two.

    Args:
        model: that answers.
        prepare: prompt and pictures as tensors, the pictures enlarged so many times.
        options: with `logprobs`.
        watch: as for any answer; it sees the phases of both looks.
        sequences: become prompt and answer of each look.
    """

    def __init__(
        self,
        model: AnsweringModel,
        prepare: Callable[[float], ModelInputs],
        options: GenerationOptions,
        watch: Watch,
        sequences: LookSequences,
    ) -> None:
        self._model, self._prepare, self._options, self._watch = model, prepare, options, watch
        self._sequences = sequences
        self.inputs = prepare(1.0)
        """Of the look whose answer counts."""
        self.sequence = sequences.of(1.0)
        """Of the same look."""
        self.count = 1
        """How many looks there were."""

    def chunks(self, *, look_again: bool) -> Generator[TextChunk, None, None]:
        """The pieces of the answer.

        Args:
            look_again: not piece by piece as they come, but those of the surer answer as soon as it is known.

        Raises:
            GenerationError, BusyError: as of any answer, behind the pieces that had come by then.
        """
        once = self._model.answer(self.inputs, self._options, self._watch, self.sequence)
        if not look_again:
            yield from once
            return
        first: list[TextChunk] = []
        try:
            for chunk in once:
                first.append(chunk)
            counts = self._surer(first) or first
        except BaseException:  # whatever ends it: a signal, or a model that says something that is not finite
            yield from first
            raise
        yield from counts

    def _surer(self, first: Sequence[TextChunk]) -> Sequence[TextChunk] | None:
        """The pieces of a second answer, if the first one was not sure and that one is surer."""
        confidence = _confidence(first)
        if confidence is None or confidence >= SURE:
            return None
        try:
            inputs = self._prepare(ENLARGEMENT)
        except ContextOverflowError:
            return None
        if [image.tiling for image in inputs.images] == [image.tiling for image in self.inputs.images]:
            return None  # the model would see the same
        self.count += 1
        sequence = self._sequences.of(ENLARGEMENT)
        second = list(self._model.answer(inputs, self._options, self._watch, sequence))
        found = _confidence(second)
        if found is None or found <= confidence:
            return None
        self.inputs, self.sequence = inputs, sequence
        return second


def _confidence(chunks: Sequence[TextChunk]) -> float | None:
    """Of a whole answer; None of one that was cut."""
    if not chunks or chunks[-1].finish_reason != "stop":
        return None
    logprobs = [chunk.logprob for chunk in chunks if chunk.token_id is not None or chunk.logprob is not None]
    return confidence_of(logprobs, "".join(chunk.text for chunk in chunks))
