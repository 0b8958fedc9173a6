"""The KV cache: one buffer of rows per cache tensor, allocated once, bound as views and never copied.

Rows [0, length) are bound as a graph's `past_*` input and rows [length, length + seq) as its `new_*` output. Both are
views of the same buffer, so a step writes its rows where the next step reads them.
"""

from __future__ import annotations

import mmap
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from dsvl2_runtime.graphs.elements import BFLOAT16, BY_NAME, Element, from_float32, to_float32
from dsvl2_runtime.graphs.graph_io import CacheTensor
from dsvl2_runtime.graphs.row_count import RowCount
from dsvl2_runtime.graphs.target import CPU

ALIGNMENT = 64
"""Bytes; where a buffer starts, so that no type is read across its own size."""


class KVCache(RowCount):
    """Owns the rows of one sequence, and how many of them are valid."""

    def __init__(self, tensors: Sequence[CacheTensor], context_tokens: int) -> None:
        super().__init__(context_tokens)
        elements = [BY_NAME[tensor.dtype] for tensor in tensors]
        sizes = [
            context_tokens * tensor.row * element.nbytes for tensor, element in zip(tensors, elements, strict=True)
        ]
        starts = [0, *np.cumsum([size + -size % ALIGNMENT for size in sizes]).tolist()]
        # Mapped, not allocated: the system commits a page when its first row is written, and takes all pages back with
        # the cache. An allocator that hands out used memory again would have to write zeros into every page.
        memory = _mapped(starts[-1])
        self._buffers: list[tuple[CacheTensor, Element, NDArray[Any]]] = [
            (tensor, element, np.ndarray((context_tokens, tensor.row), element.dtype, memory, start))  # [context, row]
            for tensor, element, start in zip(tensors, elements, starts[:-1], strict=True)
        ]

    @property
    def nbytes(self) -> int:
        """Bytes at full context."""
        return sum(buffer.nbytes for *_, buffer in self._buffers)

    @property
    def tensors(self) -> tuple[CacheTensor, ...]:
        """What is cached, in the order of the buffers."""
        return tuple(tensor for tensor, *_ in self._buffers)

    def rows(self, length: int) -> Iterator[NDArray[Any]]:
        """The first rows of each buffer, [length, row], in the order of `tensors`.

        Views of its type, or copies in float32 of what is bfloat16, which NumPy does not know.
        """
        for _, element, buffer in self._buffers:
            rows = buffer[:length]
            if element is BFLOAT16:
                rows = to_float32(rows.reshape(-1).view(np.uint8), element).reshape(rows.shape)
            yield rows

    def put(self, index: int, rows: NDArray[np.floating]) -> None:
        """Set the first rows of one buffer, [length, row]; `advance` counts them when all are set.

        They are rounded to the buffer's type, and must not be larger than it can hold.
        """
        _, element, buffer = self._buffers[index]
        buffer[: len(rows)] = from_float32(rows.astype(np.float32), element) if element is BFLOAT16 else rows

    def bind(self, binding: onnxruntime.IOBinding, seq: int) -> None:
        """Bind the valid rows as inputs and the next `seq` rows as outputs.

        Raises:
            SequenceFullError: there are fewer than `seq` free rows.
        """
        self.require_room(seq)
        for tensor, element, buffer in self._buffers:
            at, row_bytes = buffer.ctypes.data, tensor.row * element.nbytes
            CPU.bind_input_at(binding, tensor.past, element.onnx, (self.length, tensor.row), at)
            at += self.length * row_bytes
            CPU.bind_output_at(binding, tensor.new, element.onnx, (seq, tensor.row), at)


def _mapped(nbytes: int) -> mmap.mmap:
    """Zeros that no file backs, in large pages where the system has them, as NumPy asks for its arrays."""
    try:
        if sys.platform == "win32":
            return mmap.mmap(-1, nbytes)
        memory = mmap.mmap(-1, nbytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    except (OSError, OverflowError) as error:
        raise MemoryError from error
    if hasattr(mmap, "MADV_HUGEPAGE"):
        memory.madvise(mmap.MADV_HUGEPAGE)
    return memory
