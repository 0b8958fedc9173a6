"""A second look: where the model is not sure, it sees the picture enlarged, and the surer one of both answers counts.

An image that cannot be seen larger as a whole is seen larger in parts (`parts_look.py`). Places are looked at again in
another way (`closer_look.py`), because their numbers are never sure.

An enlarged picture is cut into more tiles, so that print of 11 pixels is seen like print of 16. That is no better as
such: other answers become wrong by it. But a wrong answer is seldom a sure one (`confidence.py`).
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Protocol

from PIL import Image

from dsvl2_runtime.answers.closer_look import with_closer_places
from dsvl2_runtime.answers.confidence import UNSURE, confidence_of
from dsvl2_runtime.answers.generate import TextChunk
from dsvl2_runtime.answers.parts_look import (
    SURELY_ABSENT,
    Place,
    is_read_at_one_place,
    lies_in,
    may_be_read_in_a_part,
    part_rounds,
)
from dsvl2_runtime.answers.sampling import GenerationOptions
from dsvl2_runtime.answers.tasks import says_not_shown
from dsvl2_runtime.config import ModelConfig
from dsvl2_runtime.errors import ContextOverflowError, ImageError, OutOfMemoryError
from dsvl2_runtime.geometry import ENLARGEMENT
from dsvl2_runtime.graphs.memory_plan import has_room_for_sequence
from dsvl2_runtime.graphs.sequence import Sequence as TokenSequence
from dsvl2_runtime.inputs.images import DecodedImage, content_hash, decode_image
from dsvl2_runtime.inputs.processor import ModelInputs, PromptImage, ReadImage
from dsvl2_runtime.inputs.tokenizer import DET
from dsvl2_runtime.progress import Stopped, Watch

SURE = 0.9
"""Confidence of an answer that needs no second look."""


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


class LookSequences:
    """The sequences of the first and of the second look; several questions about the same pictures share both.

    Args:
        new: makes an empty one.
        first: of the first look, if there is one already.
    """

    def __init__(self, new: Callable[[], TokenSequence], first: TokenSequence | None = None) -> None:
        self.new = new
        self.first = new() if first is None else first
        self._second: TokenSequence | None = None

    def second(self) -> TokenSequence | None:
        """Of the second look; None where there is no memory for it."""
        if self._second is None:
            self._second = self.further()
        return self._second

    def further(self) -> TokenSequence | None:
        """One that is used once; None where there is no memory for it."""
        if not has_room_for_sequence(self.first.cache.nbytes):
            return None
        try:
            return self.new()
        except OutOfMemoryError:
            return None


class Looks:
    """One question, answered after one look or two.

    Args:
        model: that answers.
        images: that the question is about.
        prepare: the prompt about as many images as tensors, with the images enlarged so many times.
        options: with `logprobs`.
        watch: as for any answer; it sees the phases of both looks.
        sequences: become prompt and answer of each look.
        on_look: called before each look but the first, with its number; nothing in it should hold this object.
    """

    def __init__(
        self,
        model: AnsweringModel,
        images: Sequence[PromptImage],
        prepare: Callable[[Sequence[PromptImage], float], ModelInputs],
        options: GenerationOptions,
        watch: Watch,
        sequences: LookSequences,
        on_look: Callable[[int], None] = lambda number: None,
    ) -> None:
        self._model, self._prepare, self._options, self._watch = model, prepare, options, watch
        self._images, self._sequences, self._on_look = images, sequences, on_look
        self.inputs = prepare(images, 1.0)
        """Of the look whose answer counts."""
        self.sequence = sequences.first
        """Of the same look."""
        self.count = 1
        """How many looks there were."""
        self.read_in: Place | None = None
        """Of the one image, in which the answer was read that counts; None where it was read in the whole image."""

    def chunks(self, *, look_again: bool | None = None) -> Generator[TextChunk, None, None]:
        """The pieces of the answer.

        Args:
            look_again: not piece by piece as they come, but those of the surer answer as soon as it is known;
                by default where that was found to make this model's answers better.

        Raises:
            GenerationError, BusyError: as of any answer, behind the pieces that had come by then.
        """
        if not (self._model.looks_again if look_again is None else look_again):
            yield from self.first()
            return
        first: list[TextChunk] = []
        try:
            for chunk in self.first():
                first.append(chunk)
            counts = self.again(first) or first
        except BaseException:  # whatever ends it: a signal, or a model that says something that is not finite
            yield from first
            raise
        yield from counts

    def first(self) -> Iterator[TextChunk]:
        """The pieces of the first answer as they come."""
        return self._model.answer(self.inputs, self._options, self._watch, self.sequence)

    def again(self, first: Sequence[TextChunk]) -> Sequence[TextChunk] | None:
        """The pieces of the answer that counts instead of the first one; None where that one counts.

        So it does where it is sure, where nothing else would be seen, where there is no room for another look, and
        where the watch ends it.

        Args:
            first: all pieces of the first answer (`known_answer` makes them of one that is over).
        """
        try:
            return self._surer(first) or self._closer(first)
        except (OutOfMemoryError, MemoryError):
            return None

    def _surer(self, first: Sequence[TextChunk]) -> Sequence[TextChunk] | None:
        """The pieces of another answer, if the first one was not sure and that one is surer."""
        confidence = _confidence(first)
        if confidence is None or confidence >= SURE:
            return None
        if len(self._images) == 1 and (rounds := part_rounds(self.inputs.images[0].size, self._model.config)):
            return self._in_parts(rounds, first, confidence) if confidence < UNSURE else None
        return self._enlarged(confidence)

    def _enlarged(self, confidence: float) -> Sequence[TextChunk] | None:
        """The pieces of the answer about the enlarged images, if it is surer than the first one."""
        try:
            inputs = self._prepare(self._images, ENLARGEMENT)
        except ContextOverflowError:
            return None
        if [image.tiling for image in inputs.images] == [image.tiling for image in self.inputs.images]:
            return None  # the model would see the same
        sequence = self._sequences.second()
        if sequence is None:
            return None
        self._begin_look()
        second = list(self._model.answer(inputs, self._options, self._watch, sequence))
        found = _confidence(second)
        if found is None or found <= confidence:
            return None
        self.inputs, self.sequence = inputs, sequence
        return second

    def _in_parts(
        self, rounds: Sequence[Sequence[Place]], first: Sequence[TextChunk], confidence: float
    ) -> Sequence[TextChunk] | None:
        """The pieces of the surest answer about a part of the one image there is, if it is surer than the first one."""
        if self._options.json_schema or not may_be_read_in_a_part(_text(first)):
            return None
        source = self._source(self._model.config.vision_config.image_size)
        sequence = self._sequences.second()
        if source is None or sequence is None:
            return None
        surest: Sequence[TextChunk] | None = None
        empty: list[Place] = []
        with suppress(Stopped, OutOfMemoryError, MemoryError):
            for place in (place for places in rounds for place in places):
                if any(lies_in(place, whole) for whole in empty):
                    continue
                try:
                    found = self._ask_about(source.image.crop(place), sequence, ENLARGEMENT)
                except ContextOverflowError:
                    continue  # a half may have more tiles than a quarter
                sure = _confidence(found) or 0.0
                if sure >= SURELY_ABSENT and says_not_shown(_text(found)):
                    empty.append(place)
                elif sure > confidence and is_read_at_one_place(_text(found)):
                    surest, confidence, self.read_in = found, sure, place
                if confidence >= SURE:
                    break
        return surest

    def _closer(self, first: Sequence[TextChunk]) -> Sequence[TextChunk] | None:
        """The pieces of the first answer with closer places, if it has any in the one image there is."""
        answer = _text(first)
        if DET not in answer or first[-1].finish_reason != "stop" or len(self._images) != 1:
            return None
        config = self._model.config
        tile_pixels = config.vision_config.image_size
        source = self._source(tile_pixels)
        if source is None:
            return None
        image = self.inputs.images[0]
        seen_width, _ = image.tiling.seen_size(*image.size, tile_pixels)
        try:
            text = with_closer_places(answer, source, seen_width, tile_pixels, self._ask_about_window)
        except Stopped:
            return None
        return [replace(first[0], text=text), *(replace(chunk, text="") for chunk in first[1:])]

    def _source(self, tile_pixels: int) -> DecodedImage | None:
        """The one image with all its pixels; None where nobody has them any more."""
        image = self._images[0]
        if not isinstance(image, ReadImage):
            return decode_image(image, tile_pixels)
        if image.source is None:
            return None
        try:
            decoded = decode_image(image.source, tile_pixels)
        except ImageError:
            return None
        return decoded if content_hash(decoded) == image.sha256 else None

    def _ask_about_window(self, window: Image.Image) -> str:
        sequence = self._sequences.further()
        return "" if sequence is None else _text(self._ask_about(window, sequence))

    def _ask_about(self, image: Image.Image, sequence: TokenSequence, enlargement: float = 1.0) -> Sequence[TextChunk]:
        """The pieces of the answer about a piece of the image.

        Raises:
            Stopped: by the watch.
            ContextOverflowError: it does not fit.
        """
        inputs = self._prepare([image], enlargement)
        self._begin_look()
        found = list(self._model.answer(inputs, self._options, self._watch, sequence))
        if found[-1].finish_reason in ("cancelled", "timeout"):
            raise Stopped(found[-1].finish_reason)
        return found

    def _begin_look(self) -> None:
        self.count += 1
        self._on_look(self.count)


def known_answer(text: str, confidence: float | None) -> list[TextChunk]:
    """The pieces of a whole answer that was given before, for `Looks.again`."""
    logprob = None if confidence is None else math.log(max(confidence, sys.float_info.min))
    return [TextChunk(text, None, "stop", logprob)]


def _text(chunks: Sequence[TextChunk]) -> str:
    return "".join(chunk.text for chunk in chunks)


def _confidence(chunks: Sequence[TextChunk]) -> float | None:
    """Of a whole answer; None of one that was cut."""
    if not chunks or chunks[-1].finish_reason != "stop":
        return None
    logprobs = [chunk.logprob for chunk in chunks if chunk.token_id is not None or chunk.logprob is not None]
    return confidence_of(logprobs, _text(chunks))
