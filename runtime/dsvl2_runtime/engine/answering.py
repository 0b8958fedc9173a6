"""One question as the engine answers it: what of it is kept from the questions before, and what is sent for it."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from collections.abc import Sequence as Items
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Protocol, cast

from dsvl2_runtime.answers.answer import Answer
from dsvl2_runtime.answers.generate import TextChunk
from dsvl2_runtime.answers.second_look import Looks, LookSequences, known_answer
from dsvl2_runtime.engine.load_meter import memory_bytes
from dsvl2_runtime.engine.prompt_parts import ChatMessage, ImagePart, TokenPart
from dsvl2_runtime.engine.protocol import (
    Ask,
    Event,
    Finished,
    LooksAgain,
    NoModelError,
    Prepared,
    Progressed,
    Replaced,
    Wrote,
)
from dsvl2_runtime.engine.read_images import ReadImages
from dsvl2_runtime.errors import ImageError
from dsvl2_runtime.inputs.processor import ModelInputs, PromptImage
from dsvl2_runtime.inputs.prompt import ContentPart, ImagePlace, Message, SpecialToken, special_parts
from dsvl2_runtime.machine.speeds import SpeedMeter, Speeds, known_speeds, remember_speeds
from dsvl2_runtime.model import VisionLanguageModel
from dsvl2_runtime.progress import Progress, ProgressCallback, Stopped, Watch

PROGRESS_SECONDS = 0.05
"""Progress within a phase is sent at most this often."""

Send = Callable[[Event], None]


class Stops(Protocol):
    """Knows which turns were stopped."""

    def is_stopped(self, turn: int) -> bool:
        """Whether nobody wants the rest of a turn's answer."""


@dataclass(frozen=True, slots=True)
class Question:
    """An `Ask` that was read."""

    ask: Ask
    deadline: float | None
    """On the clock of `time.monotonic`."""


@dataclass(slots=True)
class Kept:
    """What one answer leaves for the next one of the same model."""

    sequences: LookSequences
    """What a prompt has in common with that of the same look is not computed again."""
    images: ReadImages

    @classmethod
    def nothing(cls, model: VisionLanguageModel) -> Kept:
        """Before the first question."""
        return cls(LookSequences(model.new_sequence), ReadImages(model.config, threads=model.threads))


def answer(
    model: VisionLanguageModel | None,
    question: Question,
    stops: Stops,
    send: Send,
    kept: Kept | None = None,
) -> Speeds | None:
    """Answer one question, piece by piece; where the model is not sure of it, perhaps after a second look.

    Args:
        model: that is loaded, if any.
        question: that was read.
        stops: says whether it was stopped.
        send: takes the events.
        kept: of the questions before.

    Returns:
        What is known by now of the model's speeds.

    Raises:
        NoModelError: there is no model to answer it.
        Dsvl2Error: as `VisionLanguageModel.generate`.
    """
    if model is None:
        raise NoModelError
    ask, start = question.ask, time.monotonic()
    kept = kept or Kept.nothing(model)
    meter, send_progress = SpeedMeter(), progress_sender(send, ask.turn)

    def on_progress(progress: Progress) -> None:
        meter.note(progress)
        send_progress(progress)

    watch = Watch(on_progress, lambda: stops.is_stopped(ask.turn), question.deadline)
    messages, images = model_messages(ask.messages, special_tokens=ask.special_tokens)
    looks_again = ask.first is not None or (model.looks_again if ask.look_again is None else ask.look_again)
    options = replace(ask.options, logprobs=True) if looks_again else ask.options

    def before_each(number: int) -> None:
        send(Progressed("images", number, len(images), ask.turn))
        watch.check()

    def prepare(sources: Items[PromptImage], enlargement: float) -> ModelInputs:
        return model.prepare(messages, sources, enlargement)

    def on_look(number: int) -> None:
        if number == 2:  # several windows are one closer look
            send(LooksAgain(ask.turn, end))

    try:
        with users_names(images):
            read = kept.images.read(images, before_each)
            looks = Looks(model, read, prepare, options, watch, kept.sequences, on_look)
    except Stopped as stop:
        send(Finished(ask.turn, stop.reason, 0, round(time.monotonic() - start, 3)))
        return known_speeds(model.speed_key)
    inputs = looks.inputs
    sizes = tuple(image.size for image in inputs.images)
    send(Prepared(ask.turn, inputs.notices, len(inputs.input_ids), inputs.num_image_tokens, sizes))
    if ask.first is None:
        first, end = _first_look(ask.turn, looks, send, start)
        if end.reason == "stop":
            meter.answered(end.tokens)
    else:
        known = ask.first
        first = known_answer(known.text, known.confidence)
        end = Finished(ask.turn, "stop", known.tokens, known.seconds, confidence=known.confidence)
    counts = looks.again(first) if looks_again else None
    if counts is not None:
        again = Answer((chunk for chunk in counts), looks.inputs, looks.sequence, ()).read()
        if again.text != "".join(chunk.text for chunk in first):
            send(Replaced(ask.turn, again.text))
        end = replace(end, tokens=len(again.token_ids) or end.tokens, confidence=again.confidence)
    seconds = round(time.monotonic() - start, 3) + (0.0 if ask.first is None else ask.first.seconds)
    send(replace(end, seconds=seconds, memory_bytes=memory_bytes(), looks=looks.count, read_in=looks.read_in))
    return remember_speeds(model.speed_key, meter.take())


def _first_look(turn: int, looks: Looks, send: Send, start: float) -> tuple[list[TextChunk], Finished]:
    """The pieces of the first answer, which are sent as they come, and its end."""
    first, tokens, first_token_seconds = list[TextChunk](), 0, 0.0
    chunks = cast("Generator[TextChunk, None, None]", looks.first())
    answer = Answer(chunks, looks.inputs, looks.sequence, looks.inputs.notices)
    for chunk in answer:
        first.append(chunk)
        if chunk.token_id is not None:
            tokens += 1
            first_token_seconds = first_token_seconds or round(time.monotonic() - start, 3)
        if chunk.text:
            send(Wrote(turn, chunk.text))
    seconds, reused = round(time.monotonic() - start, 3), looks.sequence.reused
    return first, Finished(
        turn, answer.finish_reason or "stop", tokens, seconds, reused, first_token_seconds, memory_bytes(),
        answer.confidence,
    )  # fmt: skip


def model_messages(
    messages: Items[ChatMessage], *, special_tokens: bool = False
) -> tuple[list[Message], list[ImagePart]]:
    """The messages as the prompt builder takes them, and their images in the order of their places.

    Args:
        messages: of an `Ask`.
        special_tokens: whether the names of the grounding tokens in texts mean these tokens.
    """
    images: list[ImagePart] = []
    converted = []
    for message in messages:
        content: list[ContentPart] = []
        for part in message.content:
            if isinstance(part, ImagePart):
                images.append(part)
                content += [ImagePlace(), "\n"]
            elif isinstance(part, TokenPart):
                content.append(SpecialToken(part.name))
            else:
                content.append(part.text)
        converted.append(Message(message.role, special_parts(content) if special_tokens else content))
    return converted, images


@contextmanager
def users_names(images: Items[ImagePart]) -> Iterator[None]:
    """Call an image in errors as its user calls it, and not by the path of a copy."""
    names = {image.path: image.name for image in images if image.name is not None}
    try:
        yield
    except ImageError as error:
        if error.source not in names:
            raise
        raise ImageError(names[error.source], error.found, error.advice) from error


def progress_sender(send: Send, turn: int | None) -> ProgressCallback:
    """A callback that sends start and end of each phase, and progress at most every `PROGRESS_SECONDS`."""
    last_phase, last_time = "", 0.0

    def on_progress(progress: Progress) -> None:
        nonlocal last_phase, last_time
        now = time.monotonic()
        between = progress.phase == last_phase and progress.done < progress.total
        if between and now - last_time < PROGRESS_SECONDS:
            return
        last_phase, last_time = progress.phase, now
        send(Progressed(progress.phase, progress.done, progress.total, turn))

    return on_progress
