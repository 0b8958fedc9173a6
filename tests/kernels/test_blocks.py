"""Block products and experts on every level: equal to NumPy with the same roundings, bit for bit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from kernels import block_reference as reference
from kernels.graphs import generator, one_node, run

F = np.float32


@dataclass(frozen=True)
class Weight:
    packed: NDArray[np.uint8]
    """[n, blocks, bytes of a block]."""
    scales: NDArray[F]
    """[n, blocks]."""
    bits: int
    block: int
    in_features: int


def weight(rng: np.random.Generator, n: int, k: int, bits: int, block: int) -> Weight:
    """Random integers with scales of both signs; values behind the end of a row are random too and do not count."""
    blocks = -(-k // block)
    packed = rng.integers(0, 256, (n, blocks, block * bits // 8), np.uint8)
    scales = rng.uniform(0.5, 1.5, (n, blocks)) * rng.choice([-1, 1], (n, blocks)) / (1 << bits) / np.sqrt(k)
    return Weight(packed, scales.astype(F), bits, block, k)


def linear_model(w: Weight) -> bytes:
    n = len(w.packed)
    return one_node(
        "BlockLinear",
        {"x": [1, "rows", w.in_features]},
        {"w": w.packed, "scales": w.scales.reshape(-1)},
        N=n,
        K=w.in_features,
        bits=w.bits,
        block_size=w.block,
    )


SIZES = [
    (1, 1, 16),  # the smallest
    (1, 64, 64),
    (2, 33, 100),  # a partial block, and an odd number of rows
    (3, 528, 256),
    (4, 31, 1408),
    (5, 96, 2048),
    (6, 40, 96),
    (7, 32, 64),
    (13, 65, 1100),
    (33, 161, 192),
    (70, 34, 4304),
]


@pytest.mark.parametrize("block", [16, 32, 64, 128, 256])
@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize(("rows", "n", "k"), SIZES)
def test_linear_equals_numpy_to_the_bit(level: str, rows: int, n: int, k: int, bits: int, block: int) -> None:
    rng = generator(rows, n, k, bits, block)
    w = weight(rng, n, k, bits, block)
    x = rng.standard_normal((rows, k), F)
    expected = reference.products(x, w.packed.reshape(n, -1), w.scales, bits, block)
    found = run(linear_model(w), {"x": x[None]})[0]
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("bits", [4, 8])
def test_extreme_integers_do_not_overflow(level: str, bits: int) -> None:
    """Weights at both ends of their range times activations at both ends: the largest sums there can be."""
    block, k = 256, 512
    for byte in (0x00, 0xFF):
        packed = np.full((32, k // block, block * bits // 8), byte, np.uint8)
        w = Weight(packed, np.ones((32, k // block), F), bits, block, k)
        for rows in (1, 6):
            for sign in (-1, 1):
                x = np.full((rows, k), sign, F)
                found = run(linear_model(w), {"x": x[None]})[0]
                expected = reference.products(x, packed.reshape(32, -1), w.scales, bits, block)
                np.testing.assert_array_equal(found, expected)
                assert np.abs(found).max() >= (7 if bits == 4 else 127) * k * 0.999


def test_extreme_activations(level: str) -> None:
    """Blocks of zeros, of values too small for a scale, of huge values, and one outlier among small ones."""
    rng = generator("extreme")
    w = weight(rng, 40, 320, 4, 64)
    x = rng.standard_normal((7, 320), F)
    x[:, :64] = 0
    x[:, 64:128] *= F(1e-36)
    x[:, 128:192] *= F(1e30)
    x[:, 200] = 1e6
    for rows in (1, 7):
        found = run(linear_model(w), {"x": x[None, :rows]})[0]
        expected = reference.products(x[:rows], w.packed.reshape(40, -1), w.scales, 4, 64)
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("rows", [1, 9])
def test_what_is_not_finite_stays_so(level: str, rows: int, value: float) -> None:
    """An activation that is not a number must not come out as an ordinary answer."""
    rng = generator("finite")
    w = weight(rng, 64, 128, 4, 64)
    x = rng.standard_normal((rows, 128), F)
    x[rows // 2, 77] = value
    found = run(linear_model(w), {"x": x[None]})[0]
    assert np.isnan(found[rows // 2]).all()
    assert np.isfinite(np.delete(found, rows // 2, 0)).all()


def test_no_rows_give_no_rows(level: str) -> None:
    w = weight(generator(0), 64, 128, 4, 64)
    assert run(linear_model(w), {"x": np.zeros((1, 0, 128), F)}).shape == (1, 0, 64)


def test_the_number_of_threads_changes_nothing(level: str) -> None:
    rng = generator("threads")
    w = weight(rng, 300, 512, 4, 64)
    x = rng.standard_normal((1, 50, 512), F)
    one = run(linear_model(w), {"x": x}, threads=1)
    np.testing.assert_array_equal(run(linear_model(w), {"x": x}, threads=5), one)


Matrices = tuple[NDArray[np.uint8], NDArray[F]]


def stacked(rng: np.random.Generator, count: int, n: int, k: int, bits: int, block: int) -> Matrices:
    """[experts, n, bytes] and [experts, n, blocks]."""
    all_weights = [weight(rng, n, k, bits, block) for _ in range(count)]
    return np.stack([w.packed.reshape(n, -1) for w in all_weights]), np.stack([w.scales for w in all_weights])


def experts_model(gate_up: Matrices, down: Matrices, k: int, bits: int, block: int) -> bytes:
    count, hidden = len(gate_up[0]), down[0].shape[1]
    return one_node(
        "Experts",
        {"x": [1, "tokens", hidden], "choice": ["tokens", count], "weights": ["tokens", count]},
        {"gate_up": gate_up[0], "gate_up.scales": gate_up[1], "down": down[0], "down.scales": down[1]},
        k=k,
        bits=bits,
        block_size=block,
    )


@pytest.mark.parametrize(
    ("tokens", "count", "hidden", "inner", "k", "bits", "block"),
    [
        (1, 8, 128, 192, 3, 4, 64),
        (1, 3, 2048, 1408, 2, 4, 64),
        (2, 8, 128, 192, 3, 4, 64),
        (3, 1, 64, 64, 1, 4, 16),
        (5, 6, 80, 48, 6, 4, 16),
        (37, 6, 256, 192, 2, 4, 32),
        (40, 5, 256, 256, 3, 4, 128),
        (19, 4, 512, 256, 2, 4, 256),
        (5, 2, 576, 320, 2, 8, 64),  # few tokens, but panels; ends of five blocks and of 576 columns are short
        (37, 9, 128, 64, 4, 8, 64),
        (150, 5, 512, 1408, 3, 4, 64),
        (700, 3, 256, 128, 2, 4, 64),  # more than one piece to an expert
    ],
)
def test_experts_equal_numpy_to_the_bit(
    level: str, tokens: int, count: int, hidden: int, inner: int, k: int, bits: int, block: int
) -> None:
    rng = generator(tokens, count, hidden, inner)
    gate_up = stacked(rng, count, 2 * inner, hidden, bits, block)
    down = stacked(rng, count, hidden, inner, bits, block)
    x = rng.standard_normal((tokens, hidden), F)
    choice = rng.standard_normal((tokens, count), F)
    weights = rng.uniform(0, 1, (tokens, count)).astype(F)
    expected = reference.experts(x, choice, weights, gate_up, down, k, bits, block)
    model = experts_model(gate_up, down, k, bits, block)
    for threads in (1, 3):
        found = run(model, {"x": x[None], "choice": choice, "weights": weights}, threads)[0]
        np.testing.assert_array_equal(found, expected)


def test_equal_choices_take_the_first(level: str) -> None:
    rng = generator("ties")
    gate_up, down = stacked(rng, 6, 64, 64, 4, 32), stacked(rng, 6, 64, 32, 4, 32)
    x = rng.standard_normal((8, 64), F)
    choice, weights = np.ones((8, 6), F), rng.uniform(0, 1, (8, 6)).astype(F)
    found = run(experts_model(gate_up, down, 2, 4, 32), {"x": x[None], "choice": choice, "weights": weights})[0]
    np.testing.assert_array_equal(found, reference.experts(x, choice, weights, gate_up, down, 2, 4, 32))


def test_a_router_without_numbers_gives_no_numbers(level: str) -> None:
    rng = generator("router")
    gate_up, down = stacked(rng, 6, 64, 64, 4, 32), stacked(rng, 6, 64, 32, 4, 32)
    x = rng.standard_normal((1, 8, 64), F)
    choice = np.full((8, 6), np.nan, F)
    found = run(experts_model(gate_up, down, 2, 4, 32), {"x": x, "choice": choice, "weights": choice})
    assert np.isnan(found).all()
