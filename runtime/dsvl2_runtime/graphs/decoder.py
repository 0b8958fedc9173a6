"""The language model: embeddings in, logits of the next token out, one session for prefill and decode."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dsvl2_runtime.config import LanguageConfig
from dsvl2_runtime.errors import GenerationError
from dsvl2_runtime.graphs import graph_io
from dsvl2_runtime.graphs.kv_cache import KVCache
from dsvl2_runtime.graphs.session import Shape, open_session, run_bound
from dsvl2_runtime.graphs.target import CPU
from dsvl2_runtime.progress import UNWATCHED, Watch

PREFILL_CHUNK = 512
"""Positions per prefill run. Scratch memory grows with it: expert buffers and [heads, chunk, total] scores."""


class Decoder:
    """Owns the decoder session, its cache and its output buffer; one sequence at a time."""

    def __init__(
        self, path: Path, config: LanguageConfig, threads: int, watch: Watch = UNWATCHED, *, packed: bool = False
    ) -> None:
        tensors = graph_io.cache_tensors(config)
        inputs: dict[str, Shape] = {tensor.past: (None, tensor.row) for tensor in tensors}
        inputs |= {graph_io.INPUTS_EMBEDS: (1, None, config.hidden_size), graph_io.POSITION_IDS: (1, None)}
        outputs: dict[str, Shape] = {tensor.new: (None, tensor.row) for tensor in tensors}
        outputs |= {graph_io.LOGITS: (1, config.vocab_size)}
        self._session = open_session(path, inputs, outputs, threads, watch, packed=packed)
        self._binding = self._session.io_binding()
        self._position_ids = np.arange(config.max_position_embeddings, dtype=np.int64)
        self._logits = np.zeros((1, config.vocab_size), np.float32)
        self.cache = KVCache(tensors, config.max_position_embeddings)

    def run(self, inputs_embeds: NDArray[np.float32]) -> NDArray[np.float32]:
        """Append positions to the sequence.

        Args:
            inputs_embeds: [1, seq, hidden] float32.

        Returns:
            Logits of the last position, [vocab] float32: a view that the next call overwrites.

        Raises:
            ContextOverflowError: the cache has fewer than `seq` free rows.
            GenerationError: a logit is not finite, or the graph failed.
        """
        inputs_embeds = np.ascontiguousarray(inputs_embeds, np.float32)
        seq = inputs_embeds.shape[1]
        positions = self._position_ids[self.cache.length : self.cache.length + seq]
        binding = self._binding
        self.cache.bind(binding, seq)
        CPU.bind_input(binding, graph_io.INPUTS_EMBEDS, inputs_embeds)
        CPU.bind_input(binding, graph_io.POSITION_IDS, positions[None])  # [1, seq]
        CPU.bind_output(binding, graph_io.LOGITS, self._logits)
        run_bound(self._session, binding)
        self.cache.advance(seq)
        logits: NDArray[np.float32] = self._logits[0]
        if not np.isfinite(logits).all():
            raise GenerationError(
                f"the model gave logits that are not finite at position {self.cache.length - 1}; "
                "verify the bundle with `dsvl2-onnx verify`"
            )
        return logits

    def prefill(
        self, inputs_embeds: NDArray[np.float32], watch: Watch = UNWATCHED, chunk: int = PREFILL_CHUNK
    ) -> NDArray[np.float32]:
        """Forget the sequence and read a whole prompt, `chunk` positions at a time.

        Args:
            inputs_embeds: [1, seq, hidden] float32, at least one position.
            watch: checked before each chunk, and told how many positions are read.
            chunk: positions per run, at least one; the result does not depend on it.

        Returns:
            Logits of the last position, [vocab] float32: a view that the next call overwrites.

        Raises:
            Stopped: the watch ended it.
        """
        seq = inputs_embeds.shape[1]
        self.cache.reset()
        watch.report("prefill", 0, seq)
        logits: NDArray[np.float32] = self._logits[0]
        for start in range(0, seq, chunk):
            watch.check()
            logits = self.run(inputs_embeds[:, start : start + chunk])
            watch.report("prefill", self.cache.length, seq)
        return logits
