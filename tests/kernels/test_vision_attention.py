"""Attention of patches on every level, beside NumPy in double precision."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from kernels.attention_reference import softmax
from kernels.graphs import generator, one_node, run, session

F = np.float32
TOLERANCE = {"amx": 1e-2}
"""Of the largest value. AMX multiplies bf16, whose 8 bits round by up to 0.4 %; measured up to 0.5 %."""


def attention(qkv: NDArray[F], heads: int) -> NDArray[np.float64]:
    """[tiles, patches, 3 * width] -> [tiles, patches, width]."""
    tiles, patches, all_three = qkv.shape
    parts = np.float64(qkv).reshape(tiles, patches, 3, heads, -1).transpose(2, 0, 3, 1, 4)
    q, k, v = parts  # each [tiles, heads, patches, head]
    mixed = softmax(q @ k.swapaxes(-1, -2) / np.sqrt(q.shape[-1])) @ v
    return np.asarray(mixed.transpose(0, 2, 1, 3).reshape(tiles, patches, all_three // 3))


def model(heads: int, width: int) -> bytes:
    return one_node("VisionAttention", {"qkv": ["tiles", "patches", 3 * width]}, {}, heads=heads)


@pytest.mark.parametrize(
    ("tiles", "patches", "heads", "head"),
    [
        (1, 1, 1, 1),
        (1, 25, 3, 22),
        (2, 31, 2, 16),
        (3, 33, 1, 17),
        (1, 64, 2, 32),
        (1, 300, 2, 72),
        (1, 729, 3, 72),
        (2, 257, 1, 80),
    ],
)
def test_attention_equals_numpy(level: str, tiles: int, patches: int, heads: int, head: int) -> None:
    rng = generator(tiles, patches, heads, head)
    qkv = rng.standard_normal((tiles, patches, 3 * heads * head), F) * F(1.5)
    expected = attention(qkv, heads)
    found = run(model(heads, heads * head), {"qkv": qkv})
    np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE.get(level, 1e-5) * np.abs(expected).max())


def test_large_scores_do_not_overflow(level: str) -> None:
    """Scores far beyond what an exponential can hold: each patch takes one other alone."""
    qkv = generator("large").standard_normal((1, 40, 3 * 24), F)
    qkv[..., :48] *= F(60)
    found = run(model(2, 24), {"qkv": qkv})
    expected = attention(qkv, 2)
    assert np.isfinite(found).all()
    close = np.abs(found - expected) <= TOLERANCE.get(level, 1e-4) * np.abs(expected).max()
    assert close.mean() > 0.9  # where two scores are next to equal, a rounding chooses between them


@pytest.mark.parametrize("length", [4, 6.4, 6.5, 9, 40])
def test_scores_around_what_powers_of_two_can_hold(level: str, length: float) -> None:
    """Keys along the queries, so that scores reach the product of their lengths, and patches that see others."""
    rng = generator("lengths", length)
    direction = rng.standard_normal(32)
    direction *= length / np.linalg.norm(direction) * 32**0.25
    qkv = rng.standard_normal((1, 70, 96), F)
    qkv[0, :35, :32] = direction
    qkv[0, 5:9, 32:64] = direction * rng.choice([-1, 1], (4, 1))
    expected = attention(qkv, 1)
    found = run(model(1, 32), {"qkv": qkv})
    np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE.get(level, 1e-5) * np.abs(expected).max())


@pytest.mark.parametrize("row", [0, 37, 69])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_key_or_a_query_that_is_no_number(level: str, row: int, value: float) -> None:
    """A key is seen by every patch, a query is its own patch's alone."""
    qkv = generator("wild keys", row).standard_normal((1, 70, 48), F)
    keys, queries = qkv.copy(), qkv.copy()
    queries[0, row, 3] = value
    keys[0, row, 20] = value
    found = run(model(1, 16), {"qkv": queries})[0]
    assert np.isnan(found[row]).all()
    assert np.isfinite(np.delete(found, row, 0)).all()
    if np.isnan(value):
        assert np.isnan(run(model(1, 16), {"qkv": keys})).all()


def test_the_number_of_threads_changes_no_bit(level: str) -> None:
    qkv = generator("threads").standard_normal((2, 70, 3 * 60), F)
    one, three = (run(model(3, 60), {"qkv": qkv}, threads) for threads in (1, 3))
    np.testing.assert_array_equal(one, three)


def test_nothing_at_all(level: str) -> None:
    assert run(model(2, 8), {"qkv": np.zeros((0, 9, 24), F)}).shape == (0, 9, 8)
    assert run(model(2, 8), {"qkv": np.zeros((1, 0, 24), F)}).shape == (1, 0, 8)


def test_what_is_no_number_stays_none(level: str) -> None:
    qkv = generator("wild").standard_normal((1, 20, 24), F)
    qkv[0, 3, 20] = np.nan  # a value of the second head
    found = run(model(2, 8), {"qkv": qkv})
    assert np.isnan(found[..., 4]).all()
    assert np.isfinite(found[..., :4]).all()


def test_sizes_that_do_not_fit_are_refused() -> None:
    one = session(one_node("VisionAttention", {"qkv": [None, None, None]}, {}, heads=5))
    with pytest.raises(Exception, match="which are not queries, keys and values of 5 heads"):
        one.run(None, {"qkv": np.zeros((1, 4, 24), F)})
