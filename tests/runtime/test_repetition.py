"""When an answer counts as going round in circles, and when a page just looks like that."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsvl2_runtime import GenerationOptions, VisionLanguageModel, load_model
from dsvl2_runtime.answers.repetition import MOST_DIGITS, RepetitionGuard
from dsvl2_runtime.answers.sampling import Sampler
from dsvl2_runtime.errors import UsageError
from small_models import MakeBundle


def ends_after(token_ids: Iterable[int], text: str = "") -> int | None:
    """Tokens until the guard ends them, None where it does not."""
    guard = RepetitionGuard()
    return next((count for count, token_id in enumerate(token_ids, 1) if guard.push(token_id, text)), None)


@pytest.mark.parametrize(("period", "end"), [(1, 128), (2, 128), (4, 256), (6, 384), (20, 400), (64, 400), (128, 768)])
def test_a_circle_is_ended(period: int, end: int) -> None:
    """Whatever came before it; the same tokens in another order each time are no circle."""
    before = list(range(1000, 1100))
    assert ends_after(before + list(range(period)) * 1000) == len(before) + end
    generator = np.random.default_rng(1)
    if period > 2:
        shuffled = [int(token) for _ in range(200) for token in generator.permutation(period)]
        assert ends_after(shuffled) is None


@pytest.mark.parametrize("tokens_per_cell", [1, 2, 3, 4, 5, 6])
@pytest.mark.parametrize("columns", [1, 2, 3, 5, 6, 10])
def test_sixty_equal_cells_are_a_table(tokens_per_cell: int, columns: int) -> None:
    """As a list, or in rows that end with a token of their own."""
    cell = list(range(tokens_per_cell))
    row = cell * columns + ([99] if columns > 1 else [])
    assert ends_after(row * (60 // columns) + [7, 8, 9]) is None
    assert ends_after(row * 600) is not None


def test_a_number_that_does_not_end_is_ended() -> None:
    """Digits that never repeat, as of a white page; a long number that a page may hold is not."""
    generator = np.random.default_rng(2)
    pieces = [str(generator.integers(0, 10**3)) for _ in range(400)]
    guard = RepetitionGuard()
    shown = ""
    for token_id, piece in enumerate(pieces):
        shown += piece
        if guard.push(token_id, piece):
            break
    assert MOST_DIGITS <= len(shown) < MOST_DIGITS + 3
    guard = RepetitionGuard()
    assert not any(guard.push(token_id, f"{piece}, ") for token_id, piece in enumerate(pieces))


def end_by_definition(token_ids: list[int]) -> int | None:
    """As `ends_after`, from the whole list at once: for each period, how long every place has repeated it."""
    ids, places = np.array(token_ids), np.arange(len(token_ids))
    periods = np.arange(1, 129)[:, None]
    is_equal = (places >= periods) & (ids[places - periods * (places >= periods)] == ids)
    last_other = np.maximum.accumulate(np.where(is_equal, -1, places), axis=1)
    length = places - last_other + periods
    repeats = length // periods
    is_circle = ((repeats >= 64) & (length >= 128)) | ((repeats >= 6) & (length >= 400))
    ends = np.flatnonzero(is_circle.any(0))
    return int(ends[0]) + 1 if ends.size else None


@given(st.lists(st.integers(0, 3), max_size=20), st.lists(st.integers(0, 3), min_size=1, max_size=80))
def test_the_counts_are_those_of_the_definition(before: list[int], circle: list[int]) -> None:
    """Counted anew, without what the guard keeps from one token to the next."""
    tokens = before + (circle * 500)[:500]
    # A piece shorter than its period also counts as having come once, which is far below the bounds.
    assert ends_after(tokens) == end_by_definition(tokens)


@pytest.fixture(scope="module")
def model(bundle: MakeBundle) -> VisionLanguageModel:
    return load_model(bundle("small", "int4"), threads=1)


def answer(model: VisionLanguageModel, **options: Any) -> tuple[list[int], str | None]:
    chunks = list(model.generate("What is it?", options=GenerationOptions(max_new_tokens=200, **options)))
    return [chunk.token_id for chunk in chunks if chunk.token_id is not None], chunks[-1].finish_reason


def test_an_answer_in_a_circle_ends_with_its_reason(
    model: VisionLanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And goes on to its longest without the guard."""
    plan = iter([70, 71] * 1000)
    monkeypatch.setattr(Sampler, "next_id", lambda self, logits: next(plan))
    assert answer(model) == ([70, 71] * 64, "repetition")
    ids, reason = answer(model, repetition_guard=False)
    assert (len(ids), reason) == (200, "length")


def test_no_ngram_of_an_answer_comes_twice(model: VisionLanguageModel) -> None:
    """The likeliest token that would not repeat one is taken, and the end token is always allowed."""
    sampler = Sampler(GenerationOptions(no_repeat_ngram=2), np.array([5, 6, 5, 6], np.int64), eos_id=0)
    logits = np.array([0.0, 1, 2, 3, 4], np.float32)
    found = [sampler.next_id(logits) for _ in range(10)]
    assert found == [4, 4, 3, 4, 2, 4, 1, 4, 0, 4][: len(found)]
    pairs = list(itertools.pairwise(found))
    assert len(set(pairs)) == len(pairs)
    single = Sampler(GenerationOptions(no_repeat_ngram=1), np.array([3], np.int64), eos_id=0)
    assert [single.next_id(logits) for _ in range(7)] == [4, 3, 2, 1, 0, 0, 0]
    only = np.where(np.arange(5) == 3, logits, -np.inf).astype(np.float32)  # as a JSON schema leaves them
    forced = Sampler(GenerationOptions(no_repeat_ngram=1, temperature=1.0), np.array([3], np.int64), eos_id=0)
    assert [forced.next_id(only) for _ in range(3)] == [3, 3, 3]
    ids, _ = answer(model, no_repeat_ngram=1)
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("options", [{"repetition_guard": 1}, {"no_repeat_ngram": -1}, {"no_repeat_ngram": "3"}])
def test_what_is_no_option_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=next(iter(options))):
        GenerationOptions(**options)
