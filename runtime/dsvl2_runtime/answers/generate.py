"""The loop: prompt in, text out, one token at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dsvl2_runtime.answers.sampling import GenerationOptions, Sampler
from dsvl2_runtime.graphs.decoder import PREFILL_CHUNK, Decoder
from dsvl2_runtime.graphs.embedding import Embedding
from dsvl2_runtime.graphs.image_encoder import ImageEncoder
from dsvl2_runtime.graphs.token_layout import lay_out
from dsvl2_runtime.inputs.processor import ModelInputs
from dsvl2_runtime.inputs.tokenizer import StreamDecoder, Tokenizer
from dsvl2_runtime.progress import UNWATCHED, FinishReason, Stopped, Watch


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
    parts: Parts, inputs: ModelInputs, watch: Watch = UNWATCHED, chunk: int = PREFILL_CHUNK
) -> NDArray[np.float32]:
    """Vision, embedding and prefill: everything before the first token of the answer.

    Args:
        parts: sessions and tokenizer; their cache is overwritten.
        inputs: from `processor.prepare`.
        watch: checked before each tile and prompt chunk, and told how far they are.
        chunk: positions per prefill run; the result does not depend on it.

    Returns:
        Logits [vocab] float32 of the first answer token: a view that the next step overwrites.

    Raises:
        Stopped: the watch ended it.
    """
    image_features = None
    if len(inputs.pixel_values):
        encoded = parts.vision.encode(inputs.pixel_values, watch)  # tile_features [num_tiles, cells * cells, hidden]
        image_features = lay_out(encoded.tile_features, inputs.tilings, encoded.image_newline, encoded.view_separator)
    inputs_embeds = parts.embedding.prompt(inputs.input_ids, inputs.images_seq_mask, image_features)  # [1, seq, hidden]
    return parts.decoder.prefill(inputs_embeds, watch, chunk)  # [vocab]


def generate(
    parts: Parts, inputs: ModelInputs, options: GenerationOptions, watch: Watch = UNWATCHED
) -> Iterator[TextChunk]:
    """Answer a prepared prompt.

    Args:
        parts: sessions and tokenizer; their cache is overwritten.
        inputs: from `processor.prepare`.
        options: how to choose tokens and when to stop.
        watch: checked before each tile, prompt chunk and answer token, and told how far they are.

    Yields:
        One chunk per token, then one without a token that says why the answer ends.

    Raises:
        GenerationError: logits are not finite.
    """
    sampler = Sampler(options, inputs.input_ids)
    stream = StreamDecoder(parts.tokenizer)
    stop_text = StopText(options.stop)
    limit = min(options.max_new_tokens, parts.decoder.cache.context_tokens - len(inputs.input_ids))
    reason: FinishReason = "length"
    try:
        logits = read_prompt(parts, inputs, watch)  # [vocab]
        for count in range(1, limit + 1):
            watch.check()
            token_id = sampler.next_id(logits)
            if token_id == parts.tokenizer.eos_id:
                reason = "stop"
                break
            text, stopped = stop_text.push(stream.push(token_id))
            yield TextChunk(text, token_id)
            watch.report("decode", count, limit)
            if stopped:
                yield TextChunk("", None, "stop")
                return
            if count < limit:
                logits = parts.decoder.run(parts.embedding.tokens(np.array([token_id], np.int64)))  # [vocab]
    except Stopped as end:
        reason = end.reason
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
