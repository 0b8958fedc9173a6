"""The loop: prompt in, text out, one token at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from dsvl2_runtime.answers.sampling import GenerationOptions, Sampler
from dsvl2_runtime.graphs.decoder import Decoder
from dsvl2_runtime.graphs.embedding import Embedding
from dsvl2_runtime.graphs.image_encoder import ImageEncoder
from dsvl2_runtime.graphs.token_layout import lay_out
from dsvl2_runtime.inputs.processor import ModelInputs
from dsvl2_runtime.inputs.tokenizer import StreamDecoder, Tokenizer
from dsvl2_runtime.progress import Progress, ProgressCallback, ignore_progress, never_stop

FinishReason = Literal["stop", "length", "cancelled"]


@dataclass(frozen=True, slots=True)
class TextChunk:
    """A piece of the answer; the last one carries the reason why the answer ends."""

    text: str
    """May be empty while a character of several tokens is incomplete."""
    token_id: int | None
    """The token that brought it; None for the closing chunk."""
    finish_reason: FinishReason | None = None


@dataclass(frozen=True, slots=True)
class Parts:
    """The sessions and tables that a generation passes through."""

    tokenizer: Tokenizer
    vision: ImageEncoder
    embedding: Embedding
    decoder: Decoder


def read_prompt(
    parts: Parts,
    inputs: ModelInputs,
    on_progress: ProgressCallback = ignore_progress,
    should_stop: Callable[[], bool] = never_stop,
    chunk: int | None = None,
) -> np.ndarray[tuple[int], np.dtype[np.float32]] | None:
    """Vision, embedding and prefill: everything before the first token of the answer.

    Returns:
        Logits [vocab] float32 of the first answer token (a view that the next step overwrites), or None if stopped.
    """
    image_features = None
    if len(inputs.pixel_values):
        tiles = len(inputs.pixel_values)
        on_progress(Progress("vision", 0, tiles))
        encoded = parts.vision.encode(
            inputs.pixel_values, lambda done: on_progress(Progress("vision", done, tiles)), should_stop
        )
        if encoded is None:
            return None
        image_features = lay_out(encoded.tile_features, inputs.tilings, encoded.image_newline, encoded.view_separator)
    inputs_embeds = parts.embedding.prompt(inputs.input_ids, inputs.images_seq_mask, image_features)
    seq = inputs_embeds.shape[1]
    on_progress(Progress("prefill", 0, seq))
    options = {} if chunk is None else {"chunk": chunk}
    return parts.decoder.prefill(
        inputs_embeds,
        on_tokens=lambda done: on_progress(Progress("prefill", done, seq)),
        should_stop=should_stop,
        **options,
    )


def generate(
    parts: Parts,
    inputs: ModelInputs,
    options: GenerationOptions,
    on_progress: ProgressCallback = ignore_progress,
    should_stop: Callable[[], bool] = never_stop,
) -> Iterator[TextChunk]:
    """Answer a prepared prompt.

    Args:
        parts: sessions and tokenizer; their cache is overwritten.
        inputs: from `processor.prepare`.
        options: how to choose tokens and when to stop.
        on_progress: told about tiles, prompt tokens and answer tokens.
        should_stop: asked before each tile, prompt chunk and answer token.

    Yields:
        One chunk per token, then one without a token that says why the answer ends.

    Raises:
        GenerationError: logits are not finite.
    """
    logits = read_prompt(parts, inputs, on_progress, should_stop)
    if logits is None:
        yield TextChunk("", None, "cancelled")
        return
    sampler = Sampler(options, inputs.input_ids)
    stream = StreamDecoder(parts.tokenizer)
    stop_text = StopText(options.stop)
    limit = min(options.max_new_tokens, parts.decoder.cache.context_tokens - len(inputs.input_ids))
    reason: FinishReason = "length"
    for count in range(1, limit + 1):
        if should_stop():
            reason = "cancelled"
            break
        token_id = sampler.next_id(logits)
        if token_id == parts.tokenizer.eos_id:
            reason = "stop"
            break
        text, stopped = stop_text.push(stream.push(token_id))
        yield TextChunk(text, token_id)
        on_progress(Progress("decode", count, limit))
        if stopped:
            yield TextChunk("", None, "stop")
            return
        if count < limit:
            logits = parts.decoder.run(parts.embedding.tokens(np.array([token_id], np.int64)))
    text, stopped = stop_text.push(stream.flush())
    yield TextChunk(text + ("" if stopped else stop_text.flush()), None, "stop" if stopped else reason)


class StopText:
    """Ends a stream of text at the first of some strings, holding back what might become one."""

    def __init__(self, stop: tuple[str, ...]) -> None:
        self._stop = stop
        self._held = ""

    def push(self, text: str) -> tuple[str, bool]:
        """Text that is safe to show, and whether a stop string was met."""
        if not self._stop:
            return text, False
        self._held += text
        ends = [at for at in (self._held.find(stop) for stop in self._stop) if at >= 0]
        if ends:
            return self._held[: min(ends)], True
        keep = max(
            (size for stop in self._stop for size in range(1, len(stop)) if self._held.endswith(stop[:size])),
            default=0,
        )
        safe = len(self._held) - keep
        shown, self._held = self._held[:safe], self._held[safe:]
        return shown, False

    def flush(self) -> str:
        """What was held back."""
        held, self._held = self._held, ""
        return held
