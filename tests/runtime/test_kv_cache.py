"""The cache: one buffer, bound as views."""

from __future__ import annotations

import resource
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dsvl2_runtime.bundle.releases import official_config
from dsvl2_runtime.errors import SequenceFullError, UsageError
from dsvl2_runtime.graphs.graph_io import CacheTensor, cache_tensors
from dsvl2_runtime.graphs.kv_cache import KVCache

FLOAT_BYTES = 4
FLOAT32, BFLOAT16 = 1, 16
"""Of `TensorProto.DataType`."""


class Bound:
    """Remembers what is bound where."""

    def __init__(self) -> None:
        self.inputs: dict[str, tuple[tuple[int, int], int]] = {}
        self.outputs: dict[str, tuple[tuple[int, int], int]] = {}
        self.types: dict[str, int] = {}

    def bind_input(self, name: str, _device: str, _id: int, kind: int, shape: tuple[int, int], at: int) -> None:
        self.inputs[name] = (shape, at)
        self.types[name] = kind

    def bind_output(self, name: str, _device: str, _id: int, kind: int, shape: tuple[int, int], at: int) -> None:
        self.outputs[name] = (shape, at)
        self.types[name] = kind


@pytest.mark.parametrize(("variant", "bytes_per_token"), [("small", 27 * 576 * 4), ("base", 30 * 576 * 4),
                                                          ("tiny", 12 * 2 * 1280 * 4)])  # fmt: skip
def test_a_token_takes_the_latent_and_no_more(variant: Any, bytes_per_token: int) -> None:
    """576 values per layer with latent attention, in float32; Tiny keeps keys and values of all heads."""
    cache = KVCache(cache_tensors(official_config(variant).language_config), 16)
    assert cache.nbytes == 16 * bytes_per_token


def test_new_rows_are_written_where_the_next_step_reads_them() -> None:
    """Past and new rows are views of one buffer: the new ones begin where the past ends, and nothing is moved."""
    tensors = cache_tensors(official_config("small").language_config)
    cache, first, second = KVCache(tensors, 100), Bound(), Bound()
    cache.bind(first, 7)
    cache.advance(7)
    cache.bind(second, 1)
    for tensor in tensors:
        assert first.inputs[tensor.past][0] == (0, tensor.row)
        shape, at = second.inputs[tensor.past]
        assert shape == (7, tensor.row)
        assert at == first.inputs[tensor.past][1] == first.outputs[tensor.new][1]
        assert second.outputs[tensor.new] == ((1, tensor.row), at + 7 * tensor.row * FLOAT_BYTES)


def test_rows_of_bfloat16_take_half_and_are_bound_as_such() -> None:
    """They are rounded to the nearest, to the even one of two, and read back as float32."""
    tensors = [CacheTensor("past", "new", 4, "bfloat16"), CacheTensor("other", "others", 3)]
    cache, bound = KVCache(tensors, 100), Bound()
    assert cache.nbytes == 100 * (4 * 2 + 3 * FLOAT_BYTES)
    cache.put(0, np.array([[1, 1 + 2**-8, 1 + 3 * 2**-8, -np.pi]], np.float32))
    cache.advance(1)
    first, second = cache.rows(1)
    assert first.tolist() == [[1, 1, 1 + 2**-6, -3.140625]]
    assert (first.dtype, second.dtype) == (np.float32, np.float32)
    cache.bind(bound, 2)
    at = bound.inputs["past"][1]
    assert bound.outputs["new"] == ((2, 4), at + 4 * 2)
    assert bound.types == {"past": BFLOAT16, "new": BFLOAT16, "other": FLOAT32, "others": FLOAT32}


def test_the_cache_never_grows_over_its_end() -> None:
    """The last row can be bound; one more is an error that speaks of the sequence and not of a prompt's pictures."""
    cache = KVCache(cache_tensors(official_config("small").language_config), 10)
    cache.advance(9)
    cache.bind(Bound(), 1)
    with pytest.raises(SequenceFullError, match="9 of 10 positions and cannot take 2 more") as caught:
        cache.bind(Bound(), 2)
    assert "picture" not in str(caught.value)
    assert caught.value.exit_code == 6


@pytest.mark.parametrize("length", [0, 4, 9])
def test_a_truncated_cache_goes_on_after_what_is_left(length: int) -> None:
    """The rows that are left count as past, and the next ones are written over those that were cut."""
    tensors = cache_tensors(official_config("small").language_config)
    cache, first, again = KVCache(tensors, 10), Bound(), Bound()
    cache.bind(first, 10)
    cache.advance(10)
    for rows in cache.rows(10):
        rows[:] = 7
    cache.truncate(length)
    cache.bind(again, 10 - length)
    for tensor, rows in zip(tensors, cache.rows(length), strict=True):
        start = first.inputs[tensor.past][1]
        assert again.inputs[tensor.past] == ((length, tensor.row), start)
        assert again.outputs[tensor.new] == ((10 - length, tensor.row), start + length * tensor.row * FLOAT_BYTES)
        assert rows.shape == (length, tensor.row)
        assert (rows == 7).all()


@pytest.mark.parametrize("length", [-1, 4])
def test_a_cache_cannot_be_cut_to_rows_that_it_has_not(length: int) -> None:
    """And keeps those that it has."""
    cache = KVCache(cache_tensors(official_config("small").language_config), 10)
    cache.advance(3)
    with pytest.raises(UsageError, match=f"3 rows and cannot be cut to {length}"):
        cache.truncate(length)
    assert cache.length == 3


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the system does not say what is resident")
def test_a_cache_takes_memory_only_for_rows_that_were_written() -> None:
    """Also the second one, which follows a first that was full: memory handed out again would be cleared by writing."""
    tensors = cache_tensors(official_config("small").language_config)
    full = KVCache(tensors, 4096)
    for rows in full.rows(4096):
        rows[:] = 1
    del full, rows
    before = resident_bytes()
    cache = KVCache(tensors, 4096)
    assert resident_bytes() - before < cache.nbytes / 20
    assert all(not rows.any() for rows in cache.rows(1))


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def test_a_cache_beyond_all_memory_is_a_shortage() -> None:
    """Whatever the system calls it."""
    with pytest.raises(MemoryError):
        KVCache([CacheTensor("past", "new", 1 << 20)], 1 << 40)
