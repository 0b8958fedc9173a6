"""The language model: embeddings in, logits of the next token out, one session for prefill and decode."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dsvl2_runtime.bundle.graph_entry import CacheFormat
from dsvl2_runtime.config import LanguageConfig
from dsvl2_runtime.errors import GenerationError, OutOfMemoryError
from dsvl2_runtime.graphs import graph_io
from dsvl2_runtime.graphs.kv_cache import KVCache
from dsvl2_runtime.graphs.sequence import Sequence
from dsvl2_runtime.graphs.session import Shape, open_session, run_watched
from dsvl2_runtime.graphs.target import CPU
from dsvl2_runtime.progress import UNWATCHED, Watch

PREFILL_CHUNK = 512
"""Positions per prefill run. Scratch memory grows with it: expert buffers and [heads, chunk, total] scores."""


class Decoder:
    """Owns the decoder session; the state of a sequence is the caller's."""

    def __init__(
        self,
        path: Path,
        config: LanguageConfig,
        threads: int,
        watch: Watch = UNWATCHED,
        *,
        cache: CacheFormat | None = None,
        packed: bool = False,
        library: Path | None = None,
    ) -> None:
        self._tensors = graph_io.cache_tensors(config, cache)
        inputs: dict[str, Shape] = {tensor.past: (None, tensor.row) for tensor in self._tensors}
        inputs |= {graph_io.INPUTS_EMBEDS: (1, None, config.hidden_size), graph_io.POSITION_IDS: (1, None)}
        outputs: dict[str, Shape] = {tensor.new: (None, tensor.row) for tensor in self._tensors}
        outputs |= {graph_io.LOGITS: (1, config.vocab_size)}
        dtypes = {name: tensor.dtype for tensor in self._tensors for name in (tensor.past, tensor.new)}
        self._session = open_session(
            path, inputs, outputs, threads, watch, packed=packed, library=library, dtypes=dtypes
        )
        self._vocab_size = config.vocab_size
        self.context_tokens = config.max_position_embeddings
        """Positions of a sequence, prompt and answer together."""
        self._position_ids = np.arange(self.context_tokens, dtype=np.int64)  # [context]

    def new_sequence(self) -> Sequence:
        """An empty sequence of this model; memory is taken as its rows are written.

        Raises:
            OutOfMemoryError: there is not enough address space or memory for its rows.
        """
        try:
            cache = KVCache(self._tensors, self.context_tokens)
            return Sequence(cache, np.zeros(self._vocab_size, np.float32))
        except MemoryError as error:
            raise OutOfMemoryError from error

    def run(
        self, sequence: Sequence, inputs_embeds: NDArray[np.float32], watch: Watch = UNWATCHED
    ) -> NDArray[np.float32]:
        """Append positions to a sequence.

        Args:
            sequence: whose cache is read and gets `seq` more rows.
            inputs_embeds: [1, seq, hidden] float32.
            watch: asked while the graph runs; a run that it ends leaves the sequence as it was.

        Returns:
            Logits of the last position, [vocab] float32: `sequence.logits`, which the next run overwrites.

        Raises:
            Stopped: the watch ended it.
            SequenceFullError: the cache has fewer than `seq` free rows.
            GenerationError: a logit is not finite, or the graph failed.
        """
        inputs_embeds = np.ascontiguousarray(inputs_embeds, np.float32)
        cache, logits = sequence.cache, sequence.logits
        if not isinstance(cache, KVCache) or not isinstance(logits, np.ndarray):
            raise TypeError("a sequence of another target was given")
        seq = inputs_embeds.shape[1]
        position_ids = self._position_ids[cache.length : cache.length + seq]  # [seq]
        binding = self._session.io_binding()
        cache.bind(binding, seq)
        CPU.bind_input(binding, graph_io.INPUTS_EMBEDS, inputs_embeds)
        CPU.bind_input(binding, graph_io.POSITION_IDS, position_ids[None])  # [1, seq]
        CPU.bind_output(binding, graph_io.LOGITS, logits[None])  # [1, vocab]
        run_watched(self._session, binding, watch)
        if not np.isfinite(logits).all():
            raise GenerationError(
                f"the model gave logits that are not finite at position {cache.length + seq - 1}; "
                "verify the bundle with `dsvl2-onnx verify`"
            )
        cache.advance(seq)
        return logits

    def prefill(
        self,
        sequence: Sequence,
        inputs_embeds: NDArray[np.float32],
        watch: Watch = UNWATCHED,
        chunk: int | None = None,
    ) -> NDArray[np.float32]:
        """Append a prompt to a sequence, `chunk` positions at a time.

        Args:
            sequence: whose cache is read and gets `seq` more rows.
            inputs_embeds: [1, seq, hidden] float32, at least one position.
            watch: asked before and during each chunk, and told how many positions are read.
            chunk: positions per run, at least one, by default `PREFILL_CHUNK`; the result does not depend on it.

        Returns:
            Logits of the last position, [vocab] float32: `sequence.logits`, which the next run overwrites.

        Raises:
            Stopped: the watch ended it.
            SequenceFullError, GenerationError: as `run`.
        """
        seq, chunk = inputs_embeds.shape[1], chunk or PREFILL_CHUNK
        logits = np.asarray(sequence.logits)
        watch.report("prefill", 0, seq)
        for start in range(0, seq, chunk):
            watch.check()
            logits = self.run(sequence, inputs_embeds[:, start : start + chunk], watch)  # [1, chunk, hidden]
            watch.report("prefill", min(start + chunk, seq), seq)
        return logits
