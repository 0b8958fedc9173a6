"""Latent attention on every level against its formula in double precision."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from kernels import attention_reference as reference
from kernels.graphs import generator, one_node, run

F = np.float32
RELATIVE = 1e-5
"""Of the largest value: fp32 sums of up to 4000 products in another order."""


SPLIT = 5e-5
"""Level `amx` multiplies cached rows with queries and weights in two bf16, which leaves out the last 2^-16 of them.
Rows of a few numbers, as in some cases here, do not average that out."""
ROW_TYPES = ("bfloat16", "float32")


def assert_close(found: NDArray[F], expected: NDArray[np.float64], relative: float = RELATIVE) -> None:
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= relative * np.abs(expected).max()


def of_a_step(level: str, row_type: str) -> float:
    return SPLIT if (level, row_type) == ("amx", "bfloat16") else RELATIVE


def step_case(
    heads: int,
    nope: int,
    rope: int,
    rank: int,
    value: int,
    past: int,
    spread: float = 1,
    seq: int = 1,
    row_type: str = "bfloat16",
) -> dict[str, Any]:
    """Arrays that fit; rows of bfloat16 are their bits."""
    rng = generator(heads, nope, rope, rank, value, past)

    def columns(depth: int, width: int) -> tuple[NDArray[np.int8], NDArray[F]]:
        scales = rng.uniform(0.5, 1.5, (heads, 1, width)).astype(F) / F(74 * np.sqrt(depth))
        return rng.integers(-127, 128, (heads, depth, width), np.int8), scales

    def rows(count: int) -> NDArray[Any]:
        values = rng.standard_normal((count, rank + rope), F)
        return reference.bf16(values) if row_type == "bfloat16" else values

    up_key, up_value = columns(nope, rank), columns(rank, value)
    return {
        "feeds": {
            "q_nope": rng.standard_normal((1, seq, heads * nope), F) * F(spread),
            "q_rope": rng.standard_normal((seq * heads, rope), F) * F(spread),
            "past": rows(past),
            "new": rows(seq),
        },
        "up_key": up_key,
        "up_value": up_value,
    }


def all_rows(case: dict[str, Any]) -> NDArray[F]:
    """[past + seq, row] as the operator sees them."""
    rows: NDArray[Any] = np.concatenate([case["feeds"]["past"], case["feeds"]["new"]])
    return reference.widened(rows) if rows.dtype == np.uint16 else rows


def run_step(case: dict[str, Any], threads: int = 2) -> NDArray[F]:
    names = ("up_key", "up_value")
    constants = {n: case[n][0] for n in names} | {f"{n}.scales": case[n][1] for n in names}
    order = [*case["feeds"], "up_key", "up_key.scales", "up_value", "up_value.scales"]
    axes = {name: list(array.shape) for name, array in case["feeds"].items()}
    halves = [name for name, array in case["feeds"].items() if array.dtype == np.uint16]
    return run(one_node("LatentStep", axes, constants, order=order, halves=halves), case["feeds"], threads)


STEPS = [
    (16, 128, 64, 512, 128, 0),
    (16, 128, 64, 512, 128, 1),
    (16, 128, 64, 512, 128, 700),
    (16, 128, 64, 512, 128, 1415),
    (16, 128, 64, 512, 128, 4094),
    (8, 32, 16, 256, 32, 100),
    (8, 32, 16, 128, 32, 63),
    (8, 32, 16, 128, 32, 64),
    (8, 32, 16, 128, 32, 65),
    (1, 3, 2, 5, 7, 10),
    (17, 6, 4, 24, 11, 129),
    (32, 16, 8, 40, 16, 513),
    *((3, 5, 7, 70, 9, past) for past in (7, 8, 9, 31, 33)),
]


@pytest.mark.parametrize("row_type", ROW_TYPES)
@pytest.mark.parametrize("sizes", STEPS)
def test_a_step(level: str, sizes: tuple[int, int, int, int, int, int], row_type: str) -> None:
    case = step_case(*sizes, row_type=row_type)
    feeds, rows = case["feeds"], all_rows(case)
    heads, nope = sizes[:2]
    q_nope = feeds["q_nope"].reshape(heads, nope)
    sees = (q_nope, feeds["q_rope"], rows, case["up_key"], case["up_value"])
    for threads in (1, 3):
        found = run_step(case, threads)[0, 0]
        assert_close(found, reference.latent_step(*sees).reshape(-1), of_a_step(level, row_type))
        if (level, row_type) == ("amx", "bfloat16"):  # its own rounding is as exact as fp32 on other levels
            assert_close(found, reference.split_latent_step(*sees).reshape(-1))


@pytest.mark.parametrize("row_type", ROW_TYPES)
@pytest.mark.parametrize("seq", [2, 3, 4, 7, 64, 65])
@pytest.mark.parametrize("sizes", [(16, 128, 64, 512, 128, 130), (1, 3, 2, 5, 7, 0), (17, 6, 4, 24, 11, 513)])
def test_a_few_positions(level: str, sizes: tuple[int, int, int, int, int, int], seq: int, row_type: str) -> None:
    """Each sees the rows before it and its own, and none behind."""
    case = step_case(*sizes, seq=seq, row_type=row_type)
    feeds, rows = case["feeds"], all_rows(case)
    heads, nope, rope, _, _, past = sizes
    q_nope, q_rope = feeds["q_nope"].reshape(seq, heads, nope), feeds["q_rope"].reshape(seq, heads, rope)
    expected = [
        reference.latent_step(q_nope[t], q_rope[t], rows[: past + t + 1], case["up_key"], case["up_value"]).reshape(-1)
        for t in range(seq)
    ]
    for threads in (1, 3):
        assert_close(run_step(case, threads)[0], np.stack(expected), of_a_step(level, row_type))


def test_a_step_is_the_same_over_the_same_rows_in_either_type(level: str) -> None:
    """Rows of float32 that bfloat16 can hold; at `amx` only rows of bfloat16 are multiplied by tiles."""
    case = step_case(16, 128, 64, 512, 128, 700)
    found = run_step(case)
    case["feeds"] |= {name: reference.widened(case["feeds"][name]) for name in ("past", "new")}
    expected = run_step(case)
    if level == "amx":
        assert_close(found, expected.astype(np.float64), SPLIT)
    else:
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("name", ["past", "new"])
def test_rows_of_two_types_are_refused(level: str, name: str) -> None:
    case = step_case(*STEP)
    case["feeds"][name] = reference.widened(case["feeds"][name])
    with pytest.raises(Exception, match="LatentStep: rows are of float or of bfloat16, all of one type"):
        run_step(case)


def test_no_position_gives_none(level: str) -> None:
    assert run_step(step_case(4, 6, 4, 24, 11, 9, seq=0)).shape == (1, 0, 44)


def test_scores_far_apart(level: str) -> None:
    """One row outweighs all others by more than fp32 can hold; the rest weigh nothing, and nothing overflows."""
    case = step_case(8, 32, 16, 128, 32, 300, spread=300)
    feeds, rows = case["feeds"], all_rows(case)
    q_nope = feeds["q_nope"].reshape(8, 32)
    expected = reference.latent_step(q_nope, feeds["q_rope"], rows, case["up_key"], case["up_value"])
    found = run_step(case)[0, 0]
    assert np.isfinite(found).all()
    # Scores of thousands carry errors of 1e-4 from their own rounding.
    assert np.abs(found - expected.reshape(-1)).max() <= 1e-2 * np.abs(expected).max()


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["q_nope", "q_rope", "past", "new"])
@pytest.mark.parametrize("row_type", ROW_TYPES)
def test_a_step_keeps_what_is_not_finite(level: str, name: str, number: float, row_type: str) -> None:
    case = step_case(8, 32, 16, 128, 32, 70, row_type=row_type)
    array = case["feeds"][name]
    array[(0,) * array.ndim] = number if array.dtype == F else reference.bf16(np.array([number], F))[0]
    assert not np.isfinite(run_step(case)).all()


def prompt_feeds(heads: int, nope: int, rope: int, rank: int, value: int, seq: int, past: int) -> dict[str, NDArray[F]]:
    rng = generator(heads, nope, rope, rank, value, seq, past)
    total = past + seq
    return {
        "q_nope": rng.standard_normal((1, seq, heads * nope), F),
        "q_rope": rng.standard_normal((seq * heads, rope), F),
        "expanded": rng.standard_normal((total, heads * (nope + value)), F),
        "rows": rng.standard_normal((total, rank + rope), F),
    }


def run_prompt(feeds: dict[str, NDArray[F]], heads: int, threads: int = 2) -> NDArray[F]:
    axes = {name: list(array.shape) for name, array in feeds.items()}
    return run(one_node("LatentPrompt", axes, {}, heads=heads), feeds, threads)


PROMPTS = [
    (16, 128, 64, 512, 128, 130, 0),
    (16, 128, 64, 512, 128, 97, 333),
    (8, 32, 16, 128, 32, 2, 0),
    (8, 32, 16, 128, 32, 64, 1),
    (8, 32, 16, 128, 32, 65, 200),
    (1, 3, 2, 5, 7, 10, 3),
    (3, 5, 4, 24, 72, 51, 17),
    (2, 20, 6, 8, 9, 300, 1),
]


@pytest.mark.parametrize("sizes", PROMPTS)
def test_a_prompt(level: str, sizes: tuple[int, int, int, int, int, int, int]) -> None:
    feeds, heads = prompt_feeds(*sizes), sizes[0]
    expected = reference.latent_prompt(feeds["q_nope"][0], feeds["q_rope"], feeds["expanded"], feeds["rows"], heads)
    for threads in (1, 3):
        assert_close(run_prompt(feeds, heads, threads)[0], expected)


@pytest.mark.parametrize("name", ["q_nope", "q_rope", "expanded", "rows"])
def test_a_prompt_keeps_what_is_not_finite(level: str, name: str) -> None:
    feeds = prompt_feeds(8, 32, 16, 128, 32, 70, 10)
    feeds[name].flat[-1] = np.nan
    assert np.isnan(run_prompt(feeds, 8)).any()


STEP = (4, 6, 4, 24, 11, 9)


@pytest.mark.parametrize(
    ("name", "cut"),
    [
        ("q_nope", np.s_[..., :-1]),
        ("q_rope", np.s_[:-1]),
        ("q_rope", np.s_[:, :-1]),
        ("past", np.s_[:, :-1]),
        ("new", np.s_[:, :-1]),
        ("new", np.s_[:0]),
        ("up_key", np.s_[:-1]),
        ("up_key", np.s_[:, :, :-1]),
        ("up_value", np.s_[:-1]),
        ("up_value", np.s_[:, :-1]),
        ("up_value", np.s_[:, :, :0]),
    ],
)
def test_a_step_refuses_sizes_that_do_not_fit(level: str, name: str, cut: Any) -> None:
    case = step_case(*STEP)
    if name in case["feeds"]:
        case["feeds"][name] = np.ascontiguousarray(case["feeds"][name][cut])
    else:
        case[name] = (np.ascontiguousarray(case[name][0][cut]), case[name][1])
    with pytest.raises(Exception, match="LatentStep: sizes do not fit"):
        run_step(case)


@pytest.mark.parametrize(
    ("name", "cut"),
    [
        ("q_nope", np.s_[..., :-1]),
        ("q_nope", np.s_[:, :-1]),
        ("q_rope", np.s_[:-1]),
        ("expanded", np.s_[:-1]),
        ("expanded", np.s_[:, :-1]),
        ("expanded", np.s_[:, : 4 * 6]),
        ("rows", np.s_[:-1]),
        ("rows", np.s_[:, :3]),
    ],
)
def test_a_prompt_refuses_sizes_that_do_not_fit(level: str, name: str, cut: Any) -> None:
    feeds = prompt_feeds(4, 6, 4, 24, 11, 9, 2)
    feeds[name] = np.ascontiguousarray(feeds[name][cut])
    with pytest.raises(Exception, match="LatentPrompt: sizes do not fit"):
        run_prompt(feeds, 4)


def test_more_positions_than_rows_are_refused(level: str) -> None:
    feeds = prompt_feeds(4, 6, 4, 24, 11, 9, 0)
    feeds |= {name: feeds[name][:8] for name in ("expanded", "rows")}
    with pytest.raises(Exception, match="more positions than rows"):
        run_prompt(feeds, 4)
