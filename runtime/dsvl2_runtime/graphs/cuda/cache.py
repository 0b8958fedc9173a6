"""Cached rows in a GPU's memory: a few slots of fixed buffers, and sequences that take turns with them.

A captured step is bound to addresses, so sequences cannot have buffers of their own: each slot has its buffers and its
captured step, and a sequence that wants to run takes one. The rows of the sequence that had it go to the computer's
memory and come back when it runs again; those of a sequence that is given up are forgotten.
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dsvl2_runtime.graphs.cuda.memory import ALIGNMENT, DeviceMemory
from dsvl2_runtime.graphs.elements import BY_NAME, FLOAT32, INT64, Element, from_float32, to_float32
from dsvl2_runtime.graphs.graph_io import CacheTensor
from dsvl2_runtime.graphs.row_count import RowCount


class Slot:
    """Buffers that a sequence runs in."""

    def __init__(self, number: int, memory: DeviceMemory, cache: CacheLayout, vocab_size: int) -> None:
        self.number = number
        """From 1; names the captured step."""
        sizes = [cache.context_tokens * row_bytes for row_bytes in cache.row_bytes]
        sizes = [size + -size % ALIGNMENT for size in sizes]
        start = memory.allocate(sum(sizes))
        self.rows = tuple(start + sum(sizes[:index]) for index in range(len(sizes)))
        """Addresses, one for each cache tensor."""
        self.logits = memory.allocate(vocab_size * FLOAT32.nbytes)
        self.results = memory.allocate(2 * INT64.nbytes)
        """The next id, int64; behind it the checked one and its logarithm, float32."""
        self.step = memory.allocate(2 * INT64.nbytes)
        """What a step reads: the token's id and its position."""
        self.owner: weakref.ref[DeviceCache] | None = None
        self.used = 0
        """When it was taken last, by a count of all takings."""


class CacheLayout:
    """What the rows of a model are."""

    def __init__(self, tensors: Sequence[CacheTensor], context_tokens: int) -> None:
        self.tensors, self.context_tokens = tuple(tensors), context_tokens
        self.elements: tuple[Element, ...] = tuple(BY_NAME[tensor.dtype] for tensor in tensors)
        self.row_bytes = tuple(
            tensor.row * element.nbytes for tensor, element in zip(tensors, self.elements, strict=True)
        )


class CacheSlots:
    """All slots of a model; the caller holds the turn with the graphs."""

    def __init__(self, memory: DeviceMemory, layout: CacheLayout, vocab_size: int, count: int) -> None:
        self.memory, self.layout, self.vocab_size = memory, layout, vocab_size
        self.slots = tuple(Slot(number, memory, layout, vocab_size) for number in range(1, count + 1))
        self._takings = 0

    def take(self, cache: DeviceCache) -> Slot:
        """The slot that a sequence has from now on: its own, or a free one, or the one unused for longest."""
        self._takings += 1
        slot = cache.slot or min(self.slots, key=lambda slot: (self._owner(slot) is not None, slot.used))
        slot.used = self._takings
        if cache.slot is None:
            if (owner := self._owner(slot)) is not None:
                owner.leave()
            slot.owner = weakref.ref(cache)
            cache.enter(slot)
        return slot

    def _owner(self, slot: Slot) -> DeviceCache | None:
        return None if slot.owner is None else slot.owner()


class DeviceCache(RowCount):
    """The cache of one sequence: how many rows are valid, and where they are."""

    def __init__(self, slots: CacheSlots) -> None:
        super().__init__(slots.layout.context_tokens)
        self._slots = slots
        self.slot: Slot | None = None
        self._kept: list[NDArray[np.uint8]] = [np.empty(0, np.uint8) for _ in slots.layout.tensors]
        """The rows of each tensor as bytes, while the sequence has no slot."""
        self.logits: weakref.ref[DeviceLogits] | None = None
        """They hold on to the cache; the other way round both would only be given up by the garbage collector."""

    @property
    def tensors(self) -> tuple[CacheTensor, ...]:
        """What is cached."""
        return self._slots.layout.tensors

    @property
    def nbytes(self) -> int:
        """Bytes at full context."""
        return self.context_tokens * sum(self._slots.layout.row_bytes)

    @property
    def vocab_size(self) -> int:
        """Of the model."""
        return self._slots.vocab_size

    def rows(self, length: int) -> Iterator[NDArray[Any]]:
        """Copies [length, row] float32 of the first rows of each tensor."""
        for index, (tensor, element) in enumerate(zip(self.tensors, self._slots.layout.elements, strict=True)):
            yield to_float32(self._bytes(index, length), element).reshape(length, tensor.row)

    def put(self, index: int, rows: NDArray[np.floating]) -> None:
        """Set the first rows of one tensor, [length, row]; `advance` counts them when all are set."""
        layout = self._slots.layout
        raw = from_float32(rows.astype(np.float32), layout.elements[index]).reshape(-1).view(np.uint8)
        if self.slot is None:
            self._kept[index] = raw
        else:
            self._slots.memory.write(self.slot.rows[index], raw)

    def enter(self, slot: Slot) -> None:
        """Bring the rows into a slot."""
        for address, raw in zip(slot.rows, self._kept, strict=True):
            if raw.size:
                self._slots.memory.write(address, raw)
        self.slot, self._kept = slot, [np.empty(0, np.uint8) for _ in self.tensors]

    def leave(self) -> None:
        """Take the valid rows, and the logits, out of the slot."""
        logits = None if self.logits is None else self.logits()
        if logits is not None:
            logits.fetch()
        self._kept = [self._bytes(index, self.length) for index in range(len(self.tensors))]
        self.slot = None

    def read_logits(self) -> NDArray[np.float32]:
        """[vocab] float32 of the last run, while the sequence has a slot."""
        if self.slot is None:
            return np.zeros(self.vocab_size, np.float32)
        raw = self._slots.memory.read(self.slot.logits, self.vocab_size * FLOAT32.nbytes)
        return to_float32(raw, FLOAT32)

    def _bytes(self, index: int, length: int) -> NDArray[np.uint8]:
        nbytes = length * self._slots.layout.row_bytes[index]
        if self.slot is None:
            return self._kept[index][:nbytes]
        return self._slots.memory.read(self.slot.rows[index], nbytes)


class DeviceLogits:
    """Logits of a sequence's last position, which stay on the GPU until more of them is wanted than the highest."""

    def __init__(self, cache: DeviceCache) -> None:
        self._cache = cache
        cache.logits = weakref.ref(self)
        self._best, self._best_logprob = 0, math.nan
        self._fetched: NDArray[np.float32] | None = None
        self._size = cache.vocab_size

    def __len__(self) -> int:
        return self._size

    def set_best(self, token_id: int, logprob: float) -> None:
        """A run has just written other logits, whose highest is this one's; NaN for a logarithm that is not known."""
        self._best, self._best_logprob, self._fetched = token_id, logprob, None

    def argmax(self) -> int:
        """The id of the highest, as the GPU has found it."""
        return self._best

    def known_logprob(self, token_id: int) -> float | None:
        """As the GPU has computed it for the highest; None where all have to be, or have been, fetched for it."""
        known = self._fetched is None and token_id == self._best and not math.isnan(self._best_logprob)
        return self._best_logprob if known else None

    def fetch(self) -> NDArray[np.float32]:
        """All of them, [vocab] float32; copied once for each run."""
        if self._fetched is None:
            self._fetched = self._cache.read_logits()
        return self._fetched

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """For NumPy."""
        return np.array(self.fetch(), dtype=dtype, copy=True if copy is None else copy)
