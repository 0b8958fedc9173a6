"""What a question will cost: exact where it can be, and from earlier answers where it cannot."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dsvl2_runtime.answers.estimate import Estimate, TokenCounts, estimate, guessed_tokens
from dsvl2_runtime.bundle.releases import official_config
from dsvl2_runtime.machine.speeds import Measured, Speeds
from dsvl2_runtime.model import load_model
from small_models import MakeBundle, picture

SPEEDS = Speeds(
    tile=Measured(units=10, total=20.0),
    prompt_token=Measured(units=1000, total=10.0),
    answer_token=Measured(units=100, total=25.0),
    answer=Measured(units=4, total=84.0),
)
"""2 s for a tile, 0.01 s for a prompt token, 0.25 s for an answer token, 21 tokens in an answer."""


def test_seconds_are_the_sum_of_what_each_unit_took() -> None:
    """The first token comes with the prompt; the others are written one by one."""
    found = estimate(TokenCounts(9, 1830, 4096), SPEEDS)
    assert (found.seconds_to_first_token, found.seconds) == (pytest.approx(36.3), pytest.approx(36.3 + 20 * 0.25))
    assert replace(found, seconds_to_first_token=None, seconds=None) == Estimate(9, 1830, 4096, 21, fits=True)


def test_what_is_cached_costs_nothing() -> None:
    """A follow-up pays for its own words; the sizes stay those of the whole prompt."""
    found = estimate(TokenCounts(9, 1850, 4096, cached_tiles=9, cached_tokens=1830), SPEEDS)
    assert (found.num_tiles, found.prompt_tokens) == (9, 1850)
    assert found.seconds_to_first_token == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("prompt", "longest", "tokens"), [(1830, 512, 21), (1830, 8, 8), (4090, 512, 6), (4096, 512, 0), (5000, 512, 0)]
)
def test_an_answer_is_expected_as_long_as_earlier_ones_within_what_is_allowed(
    prompt: int, longest: int, tokens: int
) -> None:
    """By the longest answer, and by the context; a prompt that leaves nothing does not fit."""
    found = estimate(TokenCounts(1, prompt, 4096), SPEEDS, longest)
    assert (found.answer_tokens, found.fits) == (tokens, tokens > 0)


@pytest.mark.parametrize(
    ("speeds", "counts", "first", "whole"),
    [
        (None, TokenCounts(0, 10, 4096), False, False),
        (Speeds(prompt_token=Measured(units=1, total=1)), TokenCounts(0, 10, 4096), True, False),
        (Speeds(prompt_token=Measured(units=1, total=1)), TokenCounts(1, 10, 4096), False, False),
        (SPEEDS, TokenCounts(1, 10, 4096), True, True),
    ],
)
def test_nothing_is_made_up(speeds: Speeds | None, counts: TokenCounts, first: bool, whole: bool) -> None:
    """A speed that is needed and was never measured leaves no number."""
    found = estimate(counts, speeds)
    assert (found.seconds_to_first_token is not None, found.seconds is not None) == (first, whole)


def test_sizes_alone_tell_what_images_cost(bundle: MakeBundle) -> None:
    """The same tiles as the prepared question has, and as many image tokens; the words are a guess beside them."""
    model = load_model(bundle("small", "int4"), threads=1)
    images, question = [picture(170, 90, 1), picture(100, 210, 2)], "What is the total?"
    inputs = model.prepare(question, images)
    exact = TokenCounts.of_inputs(inputs, model.config)
    guessed = TokenCounts.of_sizes([image.size for image in images], question, model.config)
    assert (exact.num_tiles, exact.context) == (guessed.num_tiles, guessed.context) == (len(inputs.pixel_values), 512)
    assert exact.prompt_tokens == len(inputs.input_ids)
    empty = TokenCounts.of_sizes([image.size for image in images], "", model.config)
    assert guessed.prompt_tokens - empty.prompt_tokens == guessed_tokens(question)
    assert abs(empty.prompt_tokens - inputs.num_image_tokens) < 20


def test_a_screenshot_costs_what_the_geometry_says() -> None:
    """9 tiles and 1,807 tokens of 4,096, for each release."""
    found = TokenCounts.of_sizes([(1920, 1080)], "", official_config("small"))
    assert (found.num_tiles, found.context) == (9, 4096)
    assert 1807 <= found.prompt_tokens < 1830


def test_words_in_other_scripts_are_guessed_as_longer() -> None:
    """Four ASCII characters to a token, any other character one."""
    assert [guessed_tokens(text) for text in ("", "a", "four", "fifth", "合计", "合计 is")] == [0, 1, 1, 2, 2, 3]
