"""A second look: where the model is not sure, it sees the picture enlarged, and the surer one of both answers counts.

Places are looked at again in another way (`closer_look.py`), because their numbers are never sure.

An enlarged picture is cut into more tiles, so that print of 11 pixels is seen like print of 16. That is no better as
such: other answers become wrong by it. But a wrong answer is seldom a sure one (`confidence.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from PIL import Image

from dsvl2_runtime.answers.closer_look import with_closer_places
from dsvl2_runtime.answers.confidence import confidence_of
from dsvl2_runtime.answers.generate import TextChunk
from dsvl2_runtime.answers.sampling import GenerationOptions
from dsvl2_runtime.config import ModelConfig
from dsvl2_runtime.errors import ContextOverflowError
from dsvl2_runtime.graphs.sequence import Sequence as TokenSequence
from dsvl2_runtime.inputs.images import decode_image
from dsvl2_runtime.inputs.processor import ModelInputs, PromptImage, ReadImage
from dsvl2_runtime.inputs.tokenizer import DET
from dsvl2_runtime.progress import Watch

SURE = 0.9
"""Confidence of an answer that needs no second look."""
ENLARGEMENT = 1.5


class AnsweringModel(Protocol):
    """What of a `VisionLanguageModel` is needed."""

    config: ModelConfig

    @property
    def looks_again(self) -> bool:
        """Whether a second look was found to make its answers better."""

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
        images: that the question is about.
        prepare: the prompt about as many images as tensors, with the images enlarged so many times.
        options: with `logprobs`.
        watch: as for any answer; it sees the phases of both looks.
        sequences: become prompt and answer of each look.
    """

    def __init__(
        self,
        model: AnsweringModel,
        images: Sequence[PromptImage],
        prepare: Callable[[Sequence[PromptImage], float], ModelInputs],
        options: GenerationOptions,
        watch: Watch,
        sequences: LookSequences,
    ) -> None:
        self._model, self._prepare, self._options, self._watch = model, prepare, options, watch
        self._images, self._sequences = images, sequences
        self.inputs = prepare(images, 1.0)
        """Of the look whose answer counts."""
        self.sequence = sequences.of(1.0)
        """Of the same look."""
        self.count = 1
        """How many looks there were."""

    def chunks(self, *, look_again: bool | None = None) -> Generator[TextChunk, None, None]:
        """The pieces of the answer.

        Args:
            look_again: not piece by piece as they come, but those of the surer answer as soon as it is known;
                by default where that was found to make this model's answers better.

        Raises:
            GenerationError, BusyError: as of any answer, behind the pieces that had come by then.
        """
        once = self._model.answer(self.inputs, self._options, self._watch, self.sequence)
        if not (self._model.looks_again if look_again is None else look_again):
            yield from once
            return
        first: list[TextChunk] = []
        try:
            for chunk in once:
                first.append(chunk)
            counts = self._surer(first) or self._closer(first) or first
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
            inputs = self._prepare(self._images, ENLARGEMENT)
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

    def _closer(self, first: Sequence[TextChunk]) -> Sequence[TextChunk] | None:
        """The pieces of the first answer with closer places, if it has any in the one image there is."""
        answer = _text(first)
        if DET not in answer or first[-1].finish_reason != "stop" or len(self._images) != 1:
            return None
        source = self._images[0]
        if isinstance(source, ReadImage):
            return None
        config = self._model.config
        tile_pixels = config.vision_config.image_size
        image = self.inputs.images[0]
        seen_width, _ = image.tiling.seen_size(*image.size, tile_pixels)
        text = with_closer_places(answer, decode_image(source, tile_pixels), seen_width, tile_pixels, self._ask_about)
        return [replace(first[0], text=text), *(replace(chunk, text="") for chunk in first[1:])]

    def _ask_about(self, window: Image.Image) -> str:
        self.count += 1
        inputs = self._prepare([window], 1.0)
        return _text(list(self._model.answer(inputs, self._options, self._watch, self._sequences.new())))


def _text(chunks: Sequence[TextChunk]) -> str:
    return "".join(chunk.text for chunk in chunks)


def _confidence(chunks: Sequence[TextChunk]) -> float | None:
    """Of a whole answer; None of one that was cut."""
    if not chunks or chunks[-1].finish_reason != "stop":
        return None
    logprobs = [chunk.logprob for chunk in chunks if chunk.token_id is not None or chunk.logprob is not None]
    return confidence_of(logprobs, _text(chunks))
