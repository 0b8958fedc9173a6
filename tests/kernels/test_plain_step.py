"""A step of plain attention: by its formula in double precision, and the same bits on every level."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from dsvl2_kernels.library import SETTING
from kernels import attention_reference as reference
from kernels.graphs import generator, one_node, run

F = np.float32
Feeds = dict[str, NDArray[F]]
RELATIVE = 1e-5
"""Of the largest value: fp32 sums of up to 4000 products in another order."""


def feeds_of(heads: int, width: int, past: int, seq: int = 1, spread: float = 1) -> Feeds:
    rng = generator(heads, width, past, seq)
    row = heads * width
    return {
        "q": rng.standard_normal((1, heads, seq, width), F) * F(spread),
        "past_keys": rng.standard_normal((past, row), F),
        "new_keys": rng.standard_normal((seq, row), F),
        "past_values": rng.standard_normal((past, row), F),
        "new_values": rng.standard_normal((seq, row), F),
    }


def run_step(feeds: Feeds, threads: int = 2) -> NDArray[F]:
    """[seq, row]"""
    axes: dict[str, list[None]] = {name: [None] * array.ndim for name, array in feeds.items()}
    found: NDArray[F] = run(one_node("PlainStep", axes, {}), feeds, threads)[0]
    return found


def expected_of(feeds: Feeds) -> NDArray[np.float64]:
    keys, values = (np.concatenate([feeds[f"past_{name}"], feeds[f"new_{name}"]]) for name in ("keys", "values"))
    return reference.plain_step(feeds["q"][0], keys, values)


SIZES = [
    *((10, 128, past, 1) for past in (0, 1, 63, 64, 65, 700, 1415, 4095)),
    *((10, 128, past, seq) for past in (0, 130) for seq in (2, 8, 9, 65)),
    *((3, width, 100, 1) for width in (1, 3, 7, 8, 9, 15, 16, 17, 24, 40)),
    *((2, 17, past, 3) for past in (4, 5, 8, 12, 33)),
    (1, 5, 3, 130),
]


@pytest.mark.parametrize("sizes", SIZES)
def test_a_step(level: str, sizes: tuple[int, int, int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """A position sees the rows before it and its own, and none behind."""
    feeds = feeds_of(*sizes)
    found, expected = run_step(feeds, 1), expected_of(feeds)
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= RELATIVE * np.abs(expected).max()
    np.testing.assert_array_equal(run_step(feeds, 3), found)
    monkeypatch.setenv(SETTING, "reference")
    np.testing.assert_array_equal(run_step(feeds, 2), found)


def test_no_position_gives_none(level: str) -> None:
    assert run_step(feeds_of(4, 6, 9, seq=0)).shape == (0, 24)


def test_scores_far_apart(level: str) -> None:
    """One row outweighs all others by more than fp32 can hold; the rest weigh nothing, and nothing overflows."""
    feeds = feeds_of(8, 32, 300, spread=300)
    found, expected = run_step(feeds), expected_of(feeds)
    assert np.isfinite(found).all()
    # Scores of thousands carry errors of 1e-4 from their own rounding.
    assert np.abs(found - expected).max() <= 1e-2 * np.abs(expected).max()


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["q", "new_values", "past_values", "new_keys", "past_keys"])
def test_a_head_with_what_is_not_finite_has_no_numbers(level: str, name: str, number: float) -> None:
    """Other heads have theirs. A key whose score is the lowest there is weighs nothing, as in the formula."""
    feeds = feeds_of(3, 20, 150)
    feeds["q"][...] = np.abs(feeds["q"])  # so that the sign of a key's infinity is that of the score
    at = feeds[name]
    at[(0,) * (at.ndim - 1)][20 * (at.ndim == 2) :][:5] = number
    head = slice(20, 40) if at.ndim == 2 else slice(0, 20)
    found = run_step(feeds)[0]
    if name.endswith("keys") and number == -np.inf:
        expected = expected_of(feeds)[0]
        assert np.abs(found[head] - expected[head]).max() <= RELATIVE * np.abs(expected).max()
    else:
        assert not np.isfinite(found[head]).all()
    others = np.delete(found, np.arange(60)[head])
    assert np.isfinite(others).all()


def test_rows_that_weigh_nothing_leave_the_others(level: str) -> None:
    """All scores of a piece of the cache are as low as there are, so that it has no largest one."""
    feeds = feeds_of(2, 16, 128)
    feeds["q"][...] = 1
    feeds["past_keys"][:64] = -np.inf
    found, expected = run_step(feeds), expected_of(feeds)
    assert np.abs(found - expected).max() <= RELATIVE * np.abs(expected).max()
    feeds["past_keys"][...] = feeds["new_keys"][...] = -np.inf
    assert np.isnan(run_step(feeds)).all()  # as of a softmax of nothing else


@pytest.mark.parametrize(
    ("name", "cut"),
    [
        ("q", np.s_[:, :-1]),
        ("q", np.s_[..., :-1]),
        ("q", np.s_[..., :0]),
        ("q", np.s_[:, :, :-1]),
        ("q", np.s_[:0]),
        ("q", np.s_[0]),
        *(
            (f"{when}_{what}", cut)
            for when in ("past", "new")
            for what in ("keys", "values")
            for cut in (np.s_[:-1], np.s_[:, 1:])
        ),
    ],
)
def test_sizes_that_do_not_fit_are_refused(level: str, name: str, cut: Any) -> None:
    feeds = feeds_of(4, 6, 9, seq=3)
    feeds[name] = np.ascontiguousarray(feeds[name][cut])
    with pytest.raises(Exception, match="PlainStep: sizes do not fit"):
        run_step(feeds)
