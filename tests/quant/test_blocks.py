"""Block and column formats: what is stored, and how far it is from the weights."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from dsvl2_quant.formats.blocks import BlockFormat, dequantize_blocks, fitting_block_size
from dsvl2_quant.formats.columns import dequantize_columns
from dsvl2_quant.formats.integers import pack_int4, unpack_int4
from dsvl2_quant.methods.nearest import quantize_blocks, quantize_columns
from dsvl2_runtime.errors import UsageError


def normal(*shape: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal(shape, np.float32)


def distance(found: NDArray[np.float32], expected: NDArray[np.float32]) -> float:
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


@given(st.binary(min_size=2, max_size=64).filter(lambda data: len(data) % 2 == 0))
def test_packing_is_undone_by_unpacking(data: bytes) -> None:
    """Two values a byte, the first one low."""
    values = np.frombuffer(data, np.uint8) & np.uint8(15)
    packed = pack_int4(values)
    assert packed[0] & 15 == values[0]
    assert np.array_equal(unpack_int4(packed), values)


@pytest.mark.parametrize(
    ("bits", "block_size", "largest"),
    # Measured on normal weights: 0.0906, 0.0970 and 0.0059; a broken scale search or a lost sign is far above.
    [(4, 64, 0.093), (4, 128, 0.100), (8, 64, 0.0062)],
)
def test_error_on_normal_weights(bits: int, block_size: int, largest: float) -> None:
    """The distance from the weights is what the format allows."""
    weight = normal(64, 256)
    blocks = quantize_blocks(weight, BlockFormat(bits, block_size))
    assert blocks.packed.nbytes == weight.size * bits // 8
    assert distance(dequantize_blocks(blocks), weight) <= largest


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 70), st.sampled_from([16, 32]))
def test_8_bit_values_are_within_half_a_step(seed: int, in_features: int, block_size: int) -> None:
    """Of their block's scale; one step for a value as large as the block's extreme, with the other sign."""
    weight = normal(3, in_features, seed=seed) * np.float32(10.0) ** np.random.default_rng(seed).integers(-6, 6)
    blocks = quantize_blocks(weight, BlockFormat(8, block_size))
    step = np.repeat(np.abs(blocks.scales), block_size, axis=1)[:, :in_features]
    found = dequantize_blocks(blocks)
    assert found.shape == weight.shape
    near_extreme = np.abs(weight) > 127.4 * step
    assert (np.abs(found - weight) <= step * np.where(near_extreme, 1.01, 0.501)).all()


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([16, 64]))
def test_4_bit_scales_are_never_worse_than_the_plain_one(seed: int, block_size: int) -> None:
    """The search may clip an extreme value, but only where the whole block gains from it."""
    weight = normal(4, block_size, seed=seed)
    weight[0, 3] *= 20  # an outlier: the block that would lose most
    at = np.abs(weight).argmax(1, keepdims=True)
    plain_scale = np.take_along_axis(weight, at, 1) / -8
    plain = np.clip(np.rint(weight / plain_scale), -8, 7) * plain_scale
    found = dequantize_blocks(quantize_blocks(weight, BlockFormat(4, block_size)))
    error, plain_error = (np.square(values - weight).sum(1) for values in (found, plain))
    assert (error <= plain_error * 1.0001).all()


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_constant_block_is_exact(sign: float) -> None:
    """The extreme value has an integer of its own, whatever its sign."""
    weight = np.full((2, 32), sign * 0.7, np.float32)
    np.testing.assert_allclose(dequantize_blocks(quantize_blocks(weight, BlockFormat(4, 32))), weight, rtol=1e-6)


@pytest.mark.parametrize("scale", [0.0, 1e-44])
def test_vanishing_blocks_stay_finite(scale: float) -> None:
    """Zeros and subnormal numbers have no inverse scale; they come back as about zero, not as NaN."""
    weight = np.full((1, 16), scale, np.float32)
    found = dequantize_blocks(quantize_blocks(weight, BlockFormat(4, 16)))
    assert np.abs(found).max() <= 1e-43


@pytest.mark.parametrize("bits", [4, 8])
def test_huge_values_are_as_exact_as_others(bits: int) -> None:
    """Their squares do not fit in a float, which must not make zeros of them."""
    weight = normal(2, 64)
    expected = distance(dequantize_blocks(quantize_blocks(weight, BlockFormat(bits, 32))), weight)
    found = dequantize_blocks(quantize_blocks(weight * np.float32(5e37), BlockFormat(bits, 32))) / np.float32(5e37)
    assert distance(found, weight) <= expected * 1.1  # the plain scale, without a search for a better one


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_that_are_not_finite_are_refused(bad: float) -> None:
    """One NaN would turn its whole block into NaN without anybody noticing."""
    weight = normal(2, 16)
    weight[1, 3] = bad
    with pytest.raises(UsageError, match="not finite"):
        quantize_blocks(weight, BlockFormat(4, 16))


@pytest.mark.parametrize(("bits", "block_size"), [(3, 32), (4, 8), (4, 48)])
def test_formats_without_kernels_are_refused(bits: int, block_size: int) -> None:
    """Better said here than by a session that cannot be made."""
    with pytest.raises(UsageError, match=f"{bits} bits|block of {block_size}"):
        BlockFormat(bits, block_size)


def test_block_size_fits_all_sizes() -> None:
    """The largest common power of two, and an error that says what to do where there is none."""
    assert fitting_block_size([2048, 1408], 128) == 128
    assert fitting_block_size([2560, 1536], 64) == 64
    assert fitting_block_size([80, 48], 64) == 16
    with pytest.raises(UsageError, match="fp32"):
        fitting_block_size([81], 64)


def test_columns_are_within_half_a_step() -> None:
    """One scale per output column; a column of zeros stays zero."""
    weight = normal(40, 12) * np.logspace(-3, 3, 12, dtype=np.float32)
    weight[:, 5] = 0
    columns = quantize_columns(weight)
    assert columns.values.dtype == np.int8
    assert (np.abs(dequantize_columns(columns) - weight) <= columns.scales * 0.501).all()
    assert not columns.values[:, 5].any()
    stacked = quantize_columns(np.stack([weight, 2 * weight]))
    assert stacked.scales.shape == (2, 12)
    assert (stacked.values == columns.values).all()
