"""The language model on a GPU: prompts in chunks whose sizes were tried out at load, steps as a captured CUDA graph."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from dsvl2_runtime.config import LanguageConfig
from dsvl2_runtime.errors import GenerationError
from dsvl2_runtime.graphs import graph_io
from dsvl2_runtime.graphs.cuda.cache import CacheSlots, DeviceCache, DeviceLogits, Slot
from dsvl2_runtime.graphs.cuda.images import FeatureStore
from dsvl2_runtime.graphs.cuda.prompt_rows import PromptRows
from dsvl2_runtime.graphs.elements import FLOAT32, INT64, to_float32
from dsvl2_runtime.graphs.gpu_memory import GPU_CHUNK
from dsvl2_runtime.graphs.sequence import Sequence
from dsvl2_runtime.graphs.session import bind_copies, run_bound
from dsvl2_runtime.graphs.target import Target
from dsvl2_runtime.progress import UNWATCHED, Watch

WARMED = (64, 512)
"""Sizes of prompt runs that are tried out at load. ONNX Runtime looks for the fastest kernels for experts the first
time that a number of rows, rounded up to a power of two, is run, in each layer anew; other runs are filled up to
the next of these. `tune` tries `GPU_CHUNK` as well, which takes about as long as a load."""


class CudaDecoder:
    """Owns the sessions of `decoder_prompt` and `decoder_step`; the state of a sequence is the caller's."""

    def __init__(
        self,
        prompt: onnxruntime.InferenceSession,
        step: onnxruntime.InferenceSession,
        config: LanguageConfig,
        slots: CacheSlots,
        store: FeatureStore,
        target: Target,
    ) -> None:
        self._prompt, self._step, self._slots, self._store, self._target = prompt, step, slots, store, target
        self._vocab_size = config.vocab_size
        self.context_tokens = config.max_position_embeddings
        """Positions of a sequence, prompt and answer together."""
        self._positions = slots.memory.allocate(self.context_tokens * INT64.nbytes)
        slots.memory.write(self._positions, np.arange(self.context_tokens, dtype=np.int64))
        outputs = [{output.name for output in session.get_outputs()} for session in (prompt, step)]
        self._gives_logprob = all(graph_io.LOGPROB in names for names in outputs)
        self._steps: dict[int, onnxruntime.IOBinding] = {}
        self._captured: dict[int, onnxruntime.RunOptions] = {}
        self.known_sizes: tuple[int, ...] = ()
        """Of runs that were tried out, rising; others are filled up to one of them, and longer ones are cut."""

    def new_sequence(self) -> Sequence:
        """An empty sequence of this model; it takes a slot of the GPU when it runs."""
        cache = DeviceCache(self._slots)
        return Sequence(cache, DeviceLogits(cache))

    def warm(self, watch: Watch = UNWATCHED) -> None:
        """Try out the sizes of prompt runs, and capture a step for each slot."""
        self._try_out(WARMED, watch)
        held = [self.new_sequence() for _ in self._slots.slots]
        self._run_step(held[0], 0, self._target.shrinking_run())
        for sequence in held:
            watch.check()
            self._run_step(sequence, 0)

    def tune(self, watch: Watch = UNWATCHED) -> None:
        """Try out long runs as well: prompts are read in fewer of them from now on."""
        watch.report("tune", 0, 1)
        self._try_out((GPU_CHUNK,), watch)
        watch.report("tune", 1, 1)

    def _try_out(self, sizes: Iterable[int], watch: Watch) -> None:
        """To find its kernels the session takes more memory than to run them, which it gives back."""
        new = [size for size in sizes if size < self.context_tokens and size not in self.known_sizes]
        if not new:
            return
        sequence = self.new_sequence()
        for size in new:
            watch.check()
            self._run_prompt(sequence, self._empty(size))
        for options in (self._target.shrinking_run(), None):  # the second run takes what prompts need
            self._run_prompt(sequence, self._empty(new[-1]), options)
        self.known_sizes = (*self.known_sizes, *new)

    def run(self, sequence: Sequence, rows: PromptRows) -> DeviceLogits:
        """Append positions to a sequence.

        Args:
            sequence: whose cache is read and gets more rows.
            rows: as many as one run takes.

        Returns:
            The logits of the last position, `sequence.logits`; the next run overwrites them.

        Raises:
            SequenceFullError: the cache has too few free rows.
            GenerationError: a logit is not finite, or the GPU failed.
        """
        cache = _cache_of(sequence)
        cache.require_room(len(rows))
        if len(rows) == 1 and not rows.images_seq_mask.any():
            best, logprob = self._run_step(sequence, int(rows.input_ids[0]))
        else:
            best, logprob = self._run_prompt(sequence, rows)
        if math.isnan(best):
            raise GenerationError(
                f"the model gave logits that are not finite at position {cache.length + len(rows) - 1}; "
                "verify the bundle with `dsvl2-onnx verify`, or use --provider cpu"
            )
        logits: DeviceLogits = sequence.logits
        logits.set_best(int(best), logprob)
        cache.advance(len(rows))
        return logits

    def prefill(
        self, sequence: Sequence, rows: PromptRows, watch: Watch = UNWATCHED, chunk: int | None = None
    ) -> DeviceLogits:
        """Append a prompt to a sequence, `chunk` positions at a time; see `decoder.Decoder.prefill`."""
        chunk, seq = chunk or max(self.known_sizes, default=GPU_CHUNK), len(rows)
        watch.report("prefill", 0, seq)
        for start in range(0, seq, chunk):
            watch.check()
            self.run(sequence, rows.part(start, start + chunk))
            watch.report("prefill", min(start + chunk, seq), seq)
        logits: DeviceLogits = sequence.logits
        return logits

    def _run_step(
        self, sequence: Sequence, token_id: int, options: onnxruntime.RunOptions | None = None
    ) -> tuple[float, float]:
        cache = _cache_of(sequence)
        slot = self._slots.take(cache)
        if slot.number not in self._steps:
            self._steps[slot.number] = self._bind_step(slot)
            self._captured[slot.number] = self._target.captured_run(slot.number)
        self._slots.memory.write(slot.step, np.array([token_id, cache.length], np.int64))
        run_bound(self._step, self._steps[slot.number], options or self._captured[slot.number])
        return self._results(slot)

    def _run_prompt(
        self, sequence: Sequence, rows: PromptRows, options: onnxruntime.RunOptions | None = None
    ) -> tuple[float, float]:
        cache = _cache_of(sequence)
        slot, past = self._slots.take(cache), cache.length
        filled = rows.filled(min(self._filled_size(len(rows)), self.context_tokens - past))
        seq = len(filled)
        binding = self._prompt.io_binding()
        arrays: dict[str, NDArray[np.generic]] = {
            graph_io.INPUT_IDS: filled.input_ids[None],
            graph_io.FEATURE_IDS: filled.feature_ids[None],
            graph_io.IMAGES_SEQ_MASK: filled.images_seq_mask[None, :, None],
            graph_io.LAST_INDEX: np.array([len(rows) - 1], np.int64),
        }
        bind_copies(binding, arrays)
        target, store = self._target, self._store
        position = self._positions + past * INT64.nbytes
        target.bind_input_at(binding, graph_io.POSITION_IDS, INT64.onnx, (1, seq), position)
        features = (store.rows, store.hidden)
        target.bind_input_at(binding, graph_io.IMAGE_FEATURES, store.element.onnx, features, store.address())
        layout = self._slots.layout
        for tensor, element, start, row_bytes in zip(
            layout.tensors, layout.elements, slot.rows, layout.row_bytes, strict=True
        ):
            new = start + past * row_bytes
            target.bind_input_at(binding, tensor.past, element.onnx, (past, tensor.row), start)
            target.bind_output_at(binding, tensor.new, element.onnx, (seq, tensor.row), new)
        self._bind_results(binding, slot)
        run_bound(self._prompt, binding, options)
        return self._results(slot)

    def _bind_step(self, slot: Slot) -> onnxruntime.IOBinding:
        """Every input and output at an address that never changes, so that the step can be captured."""
        binding, target, layout = self._step.io_binding(), self._target, self._slots.layout
        target.bind_input_at(binding, graph_io.INPUT_IDS, INT64.onnx, (1, 1), slot.step)
        target.bind_input_at(binding, graph_io.POSITION_IDS, INT64.onnx, (1, 1), slot.step + INT64.nbytes)
        for tensor, element, start in zip(layout.tensors, layout.elements, slot.rows, strict=True):
            shape = (self.context_tokens, tensor.row)
            target.bind_input_at(binding, tensor.past, element.onnx, shape, start)
            target.bind_output_at(binding, tensor.new, element.onnx, shape, start)
        self._bind_results(binding, slot)
        return binding

    def _bind_results(self, binding: onnxruntime.IOBinding, slot: Slot) -> None:
        bind, checked = self._target.bind_output_at, slot.results + INT64.nbytes
        bind(binding, graph_io.LOGITS, FLOAT32.onnx, (1, self._vocab_size), slot.logits)
        bind(binding, graph_io.NEXT_ID, INT64.onnx, (1, 1), slot.results)
        bind(binding, graph_io.CHECKED_ID, FLOAT32.onnx, (1, 1), checked)
        if self._gives_logprob:
            bind(binding, graph_io.LOGPROB, FLOAT32.onnx, (1, 1), checked + FLOAT32.nbytes)

    def _results(self, slot: Slot) -> tuple[float, float]:
        """The checked id of the run before, and the logarithm of its probability, in one copy; NaN where unknown."""
        raw = self._slots.memory.read(slot.results + INT64.nbytes, 2 * FLOAT32.nbytes)
        checked, logprob = to_float32(raw, FLOAT32).tolist()
        return checked, logprob if self._gives_logprob else math.nan

    def _filled_size(self, seq: int) -> int:
        """The fewest rows, at least `seq`, for which a kernel is known."""
        return next((max(seq, size // 2 + 1) for size in self.known_sizes if size >= seq), seq)

    def _empty(self, seq: int) -> PromptRows:
        zeros = np.zeros(seq, np.int64)
        return PromptRows(zeros, zeros.astype(np.bool_), zeros)


def _cache_of(sequence: Sequence) -> DeviceCache:
    if not isinstance(sequence.cache, DeviceCache):
        raise TypeError("a sequence of another target was given")
    return sequence.cache
