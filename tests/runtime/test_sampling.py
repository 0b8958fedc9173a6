"""Choosing the next token."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from dsvl2_runtime.answers.sampling import GenerationOptions, Sampler
from dsvl2_runtime.errors import UsageError

EOS = 1
NO_PROMPT = np.zeros(0, np.int64)


def logits(*values: float) -> NDArray[np.float32]:
    return np.array(values, np.float32)


def draws(count: int, values: NDArray[np.float32], **options: Any) -> Counter[int]:
    sampler = Sampler(GenerationOptions(**options), NO_PROMPT, EOS)
    return Counter(sampler.next_id(values) for _ in range(count))


def test_without_temperature_the_likeliest_is_taken() -> None:
    """Always, and the first of equals."""
    assert draws(5, logits(0, 3, 2, 3)) == {1: 5}


def test_temperature_follows_the_distribution() -> None:
    """Shares of 2000 draws are those of the softmax at that temperature."""
    for temperature in (0.5, 1.0, 2.0):
        values = logits(0.0, 1.0, 2.0)
        weights = np.exp(values / temperature)
        found = draws(2000, values, temperature=temperature, seed=1)
        for token, share in enumerate(weights / weights.sum()):
            assert abs(found[token] / 2000 - share) < 0.05


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("temperature", [1e-310, 5e-324, 1e-30])
def test_a_temperature_near_zero_takes_the_likeliest(temperature: float) -> None:
    """Where the scaled logits are beyond all numbers too."""
    assert draws(20, logits(-9, 30, 29, 30), temperature=temperature, top_p=0.9).keys() == {1, 3}
    assert draws(20, logits(-9, 30, 29), temperature=temperature) == {1: 20}


def test_the_same_seed_draws_the_same() -> None:
    """And another seed does not."""
    values = np.zeros(50, np.float32)

    def sequence(seed: int) -> list[int]:
        sampler = Sampler(GenerationOptions(temperature=1.0, seed=seed), NO_PROMPT, EOS)
        return [sampler.next_id(values) for _ in range(20)]

    assert sequence(3) == sequence(3)
    assert sequence(3) != sequence(4)


def test_top_p_keeps_the_smallest_set_that_reaches_it() -> None:
    """Shares 0.64, 0.24, 0.09, 0.03: the first two reach 0.7, the first alone reaches 0.5."""
    values = logits(3, 2, 1, 0)
    assert set(draws(300, values, temperature=1.0, top_p=0.7)) == {0, 1}
    assert set(draws(300, values, temperature=1.0, top_p=0.5)) == {0}
    assert set(draws(600, values, temperature=1.0, top_p=1.0)) == {0, 1, 2, 3}


def test_top_k_keeps_so_many() -> None:
    """The likeliest ones."""
    assert set(draws(300, logits(0, 1, 2, 3), temperature=2.0, top_k=2)) == {2, 3}


def test_repetition_penalty_works_on_prompt_and_answer() -> None:
    """Positive logits are divided, negative ones multiplied; the given logits stay as they are."""
    values = logits(2.0, 1.5, -1.0)
    sampler = Sampler(GenerationOptions(repetition_penalty=2.0), np.array([0], np.int64), EOS)
    assert sampler.next_id(values) == 1  # 0 was in the prompt: 1.0 against 1.5
    assert sampler.next_id(values) == 0  # now both are penalised: 1.0 against 0.75
    assert values.tolist() == [2.0, 1.5, -1.0]
    negative = Sampler(GenerationOptions(repetition_penalty=2.0), np.array([0], np.int64), EOS)
    assert negative.next_id(logits(-1.0, -1.5)) == 1  # -2.0 against -1.5


@pytest.mark.parametrize(
    "options",
    [
        {"max_new_tokens": 0},
        {"temperature": -1.0},
        {"temperature": float("nan")},
        {"top_p": 0.0},
        {"top_p": 1.1},
        {"top_k": -1},
        {"repetition_penalty": 0.0},
        {"repetition_penalty": 1e-50},
        {"repetition_penalty": 1e50},
        {"repetition_penalty": float("nan")},
        {"seed": -1},
        {"stop": ("",)},
        {"stop": ""},
        {"stop": None},
        {"stop": 5},
        {"stop": b"abc"},
        {"stop": ("a", 5)},
        {"stop": [None]},
        {"max_new_tokens": 2.5},
        {"max_new_tokens": "5"},
        {"max_new_tokens": None},
        {"temperature": "warm"},
        {"temperature": None},
        {"top_p": None},
        {"top_p": "1"},
        {"top_k": 0.5},
        {"repetition_penalty": None},
        {"seed": 1.5},
        {"seed": None},
    ],
    ids=str,
)
def test_options_out_of_range_are_named(options: dict[str, Any]) -> None:
    """With the value that was given."""
    ((name, value),) = options.items()
    with pytest.raises(UsageError, match=re.escape(f"{name} is {value!r}; it must be ")):
        GenerationOptions(**options)


@pytest.mark.parametrize(
    ("stop", "texts"),
    [("abc", ("abc",)), (["a", "bc"], ("a", "bc")), (("a",), ("a",)), ({"a"}, ("a",)), ([], ()), ((), ())],
    ids=str,
)
def test_stop_is_one_text_or_several(stop: Any, texts: tuple[str, ...]) -> None:
    """A single text is not taken letter by letter, and a list cannot be changed afterwards."""
    assert GenerationOptions(stop=stop).stop == texts


def test_numbers_of_numpy_are_numbers() -> None:
    """They come out of other people's programs."""
    options = GenerationOptions(max_new_tokens=np.int64(3), temperature=np.float32(0.5), seed=np.uint8(1))  # type: ignore[arg-type]
    assert options.max_new_tokens == 3
