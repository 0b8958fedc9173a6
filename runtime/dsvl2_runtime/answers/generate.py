"""The loop: prompt in, text out, one token at a time."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Sequence as Items
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from dsvl2_runtime.answers.confidence import token_logprob
from dsvl2_runtime.answers.constraint import JsonConstraint, JsonVocabulary
from dsvl2_runtime.answers.partial_names import partial_length
from dsvl2_runtime.answers.repetition import RepetitionGuard
from dsvl2_runtime.answers.sampling import GenerationOptions, Sampler
from dsvl2_runtime.answers.turns import Turns
from dsvl2_runtime.graphs.image_cache import ImageCache
from dsvl2_runtime.graphs.sequence import ImageSpan, Logits, Sequence
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
    logprob: float | None = None
    """Natural logarithm of the probability of its token among those that might come, whatever the temperature; of the
    closing chunk that of the end, where the model chose it. None without `GenerationOptions.logprobs`."""


class TokenEmbedding(Protocol):
    """Ids and rows of features to whatever the decoder of the same target reads."""

    def tokens(self, input_ids: NDArray[np.int64]) -> Any:
        """Of text alone, [seq]."""

    def prompt(
        self, input_ids: NDArray[np.int64], images_seq_mask: NDArray[np.bool_], image_features: Items[NDArray[Any]]
    ) -> Any:
        """Of a prompt [seq], with what the cache of images gave for each image under the mask."""


class LanguageModel(Protocol):
    """Reads positions into a sequence and gives logits, as `decoder.Decoder` does."""

    context_tokens: int

    def new_sequence(self) -> Sequence:
        """An empty sequence."""

    def run(self, sequence: Sequence, rows: Any, /) -> Any:
        """Append what the embedding gave; the `Logits` of the last position."""

    def prefill(self, sequence: Sequence, rows: Any, /, watch: Watch = UNWATCHED, chunk: int | None = None) -> Any:
        """Append a prompt in chunks; the `Logits` of the last position."""


@dataclass(frozen=True, slots=True)
class Components:
    """The tokenizer and the graphs that a generation passes through, and whose turn it is to run them."""

    tokenizer: Tokenizer
    vision: Any
    """An `ImageEncoder`, or what stands in its place for another target."""
    embedding: TokenEmbedding
    decoder: LanguageModel
    image_cache: ImageCache
    turns: Turns
    json_vocabulary: JsonVocabulary


def read_prompt(
    components: Components,
    inputs: ModelInputs,
    sequence: Sequence,
    watch: Watch = UNWATCHED,
    chunk: int | None = None,
) -> Logits:
    """Vision, embedding and prefill: everything before the first token of the answer.

    Args:
        components: the caller holds their turn.
        inputs: from `processor.prepare_inputs`.
        sequence: becomes the prompt; rows that it has in common with it are not computed again.
        watch: checked before each tile and prompt chunk, and told how far they are.
        chunk: positions per prefill run, by default as many as suit the target; the result does not depend on it.

    Returns:
        Logits of the first answer token, [vocab] float32: `sequence.logits`.

    Raises:
        Stopped: the watch ended it.
    """
    spans = image_spans(inputs, components.vision.cells)
    start = sequence.take_prompt(inputs.input_ids, spans)
    unread = [image for image, span in zip(inputs.images, spans, strict=True) if span.start >= start]
    features = components.image_cache.encode(components.vision, unread, watch)  # each [num_image_tokens, hidden]
    inputs_embeds = components.embedding.prompt(
        inputs.input_ids[start:], inputs.images_seq_mask[start:], features
    )  # [1, seq - start, hidden]
    logits: Logits = components.decoder.prefill(sequence, inputs_embeds, watch, chunk)  # [vocab]
    return logits


def image_spans(inputs: ModelInputs, cells: int) -> tuple[ImageSpan, ...]:
    """The positions of each image of a prompt, from the cells along a side of its tiles."""
    positions = np.flatnonzero(inputs.images_seq_mask)  # [num_image_tokens of all images]
    spans, before = [], 0
    for image in inputs.images:
        start, count = int(positions[before]), image.tiling.token_count(cells)
        tiles = image.tiling.tiles_wide, image.tiling.tiles_high
        spans.append(ImageSpan(start, start + count, image.sha256, tiles))
        before += count
    return tuple(spans)


def generate(
    components: Components,
    inputs: ModelInputs,
    sequence: Sequence,
    options: GenerationOptions,
    watch: Watch = UNWATCHED,
) -> Iterator[TextChunk]:
    """Answer a prepared prompt.

    Args:
        components: tokenizer and graphs; each step waits for its turn with them.
        inputs: from `processor.prepare_inputs`.
        sequence: becomes the prompt and the answer; rows that it has in common with the prompt are not computed again.
        options: how to choose tokens and when to stop.
        watch: checked before each tile, prompt chunk and answer token, and told how far they are.

    Yields:
        One chunk per token, then one without a token that says why the answer ends.

    Raises:
        GenerationError: logits are not finite.
        BusyError: a newer answer has taken the sequence.
        UsageError: the JSON schema of the options cannot be followed.
    """
    sampler = Sampler(options, inputs.input_ids, components.tokenizer.eos_id)
    guard = RepetitionGuard() if options.repetition_guard else None
    constraint = JsonConstraint(options.json_schema, components.json_vocabulary) if options.json_schema else None
    stream = StreamDecoder(components.tokenizer)
    stop_text = StopText(options.stop)
    limit = min(options.max_new_tokens, components.decoder.context_tokens - len(inputs.input_ids))
    reason: FinishReason = "length"
    logprob: float | None = None
    run = sequence.begin_run()
    token_id: int | None = None
    try:
        with components.turns.take(watch):
            sequence.require_run(run)
            logits = read_prompt(components, inputs, sequence, watch)  # [vocab]
        for count in range(1, limit + 1):
            watch.check()
            with components.turns.take(watch):
                sequence.require_run(run)
                if token_id is not None:
                    inputs_embeds = components.embedding.tokens(np.array([token_id], np.int64))  # [1, 1, hidden]
                    logits = components.decoder.run(sequence, inputs_embeds)  # [vocab]
                scores: Logits = logits if constraint is None else constraint.allowed(np.asarray(logits))
                token_id = sampler.next_id(scores)
                logprob = token_logprob(scores, token_id) if options.logprobs else None
                if constraint is not None:
                    constraint.accept(token_id)
            if token_id == components.tokenizer.eos_id:
                reason = "stop"
                break
            sequence.append(token_id)
            piece = stream.push(token_id)
            text, stopped = stop_text.push(piece)
            yield TextChunk(text, token_id, logprob=logprob)
            watch.report("decode", count, limit)
            if stopped:
                yield TextChunk("", None, "stop")
                return
            if guard is not None and guard.push(token_id, piece):
                reason = "repetition"
                break
    except Stopped as end:
        reason = end.reason
    text, stopped = stop_text.push(stream.flush())
    of_end = logprob if reason == "stop" else None
    yield TextChunk(text + ("" if stopped else stop_text.flush()), None, "stop" if stopped else reason, of_end)


class StopText:
    """Ends a stream of text at the first stop text, and holds back what may become one."""

    def __init__(self, stop: Items[str]) -> None:
        self._stop = tuple(stop)
        self._held = ""

    def push(self, text: str) -> tuple[str, bool]:
        """The text that can be shown by now, and whether a stop text was met."""
        if not self._stop:
            return text, False
        self._held += text
        ends = [at for at in (self._held.find(stop) for stop in self._stop) if at >= 0]
        if ends:
            return self._held[: min(ends)], True
        safe = len(self._held) - partial_length(self._held, self._stop)
        shown, self._held = self._held[:safe], self._held[safe:]
        return shown, False

    def flush(self) -> str:
        """The text that was held back and is no stop text."""
        held, self._held = self._held, ""
        return held
