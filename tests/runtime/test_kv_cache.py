"""The cache: one buffer, bound as views."""

from __future__ import annotations

from typing import Any

import pytest

from dsvl2_runtime.bundle.releases import official_config
from dsvl2_runtime.errors import ContextOverflowError
from dsvl2_runtime.graphs.graph_io import cache_tensors
from dsvl2_runtime.graphs.kv_cache import KVCache

FLOAT_BYTES = 4


class Bound:
    """Remembers what is bound where."""

    def __init__(self) -> None:
        self.inputs: dict[str, tuple[tuple[int, int], int]] = {}
        self.outputs: dict[str, tuple[tuple[int, int], int]] = {}

    def bind_input(self, name: str, _device: str, _id: int, _type: Any, shape: tuple[int, int], at: int) -> None:
        self.inputs[name] = (shape, at)

    def bind_output(self, name: str, _device: str, _id: int, _type: Any, shape: tuple[int, int], at: int) -> None:
        self.outputs[name] = (shape, at)


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
    cache.bind(first, 7)  # type: ignore[arg-type]
    cache.advance(7)
    cache.bind(second, 1)  # type: ignore[arg-type]
    for tensor in tensors:
        assert first.inputs[tensor.past][0] == (0, tensor.row)
        shape, at = second.inputs[tensor.past]
        assert shape == (7, tensor.row)
        assert at == first.inputs[tensor.past][1] == first.outputs[tensor.new][1]
        assert second.outputs[tensor.new] == ((1, tensor.row), at + 7 * tensor.row * FLOAT_BYTES)


def test_the_cache_never_grows_over_its_end() -> None:
    """The last row can be bound; one more is an error with the numbers."""
    cache = KVCache(cache_tensors(official_config("small").language_config), 10)
    cache.advance(9)
    cache.bind(Bound(), 1)  # type: ignore[arg-type]
    with pytest.raises(ContextOverflowError) as caught:
        cache.bind(Bound(), 2)  # type: ignore[arg-type]
    assert caught.value.context_tokens == 10


def test_a_reset_cache_begins_at_its_first_row() -> None:
    """All rows can be bound again, from the start of each buffer; nothing of the last sequence counts as past."""
    tensors = cache_tensors(official_config("small").language_config)
    cache, first, again = KVCache(tensors, 10), Bound(), Bound()
    cache.bind(first, 10)  # type: ignore[arg-type]
    cache.advance(10)
    cache.reset()
    cache.bind(again, 10)  # type: ignore[arg-type]
    assert again.inputs == first.inputs
    assert again.outputs == first.outputs
    assert {shape for shape, _ in again.inputs.values()} == {(0, tensor.row) for tensor in tensors}
