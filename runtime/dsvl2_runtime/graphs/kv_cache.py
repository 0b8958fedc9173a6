"""The KV cache: one buffer of rows per cache tensor, allocated once, bound as views and never copied.

Rows [0, length) are bound as a graph's `past_*` input and rows [length, length + seq) as its `new_*` output. Both are
views of the same buffer, so a step writes its rows where the next step reads them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnxruntime

from dsvl2_runtime.errors import ContextOverflowError
from dsvl2_runtime.graphs.graph_io import CacheTensor
from dsvl2_runtime.graphs.target import CPU


class KVCache:
    """Owns the cache buffers and how many of their rows are valid."""

    def __init__(self, tensors: Sequence[CacheTensor], context_tokens: int) -> None:
        self.context_tokens = context_tokens
        self.length = 0
        # zeros, not empty: the pages are committed by the system only when a row is first written.
        self._buffers = [(tensor, np.zeros((context_tokens, tensor.row), np.float32)) for tensor in tensors]

    @property
    def nbytes(self) -> int:
        """Bytes at full context."""
        return sum(buffer.nbytes for _, buffer in self._buffers)

    def bind(self, binding: onnxruntime.IOBinding, seq: int) -> None:
        """Bind the valid rows as inputs and the next `seq` rows as outputs.

        Raises:
            ContextOverflowError: there are fewer than `seq` free rows.
        """
        if self.length + seq > self.context_tokens:
            raise ContextOverflowError(self.length + seq, 0, self.context_tokens)
        for tensor, buffer in self._buffers:
            CPU.bind_input(binding, tensor.past, buffer[: self.length])  # [past, row]
            CPU.bind_output(binding, tensor.new, buffer[self.length : self.length + seq])  # [seq, row]

    def advance(self, seq: int) -> None:
        """Count the rows that a run has just written as valid, in place."""
        self.length += seq

    def reset(self) -> None:
        """Forget all rows, in place."""
        self.length = 0
