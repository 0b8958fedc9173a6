"""What a question will cost, before any graph runs: tiles, tokens, and seconds where earlier answers tell them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from dsvl2_runtime.answers.parts_look import part_rounds, sizes_of
from dsvl2_runtime.config import ModelConfig
from dsvl2_runtime.geometry import ENLARGEMENT
from dsvl2_runtime.inputs.processor import ModelInputs
from dsvl2_runtime.inputs.tiling import Tiling, choose_tiling, plan_tiling
from dsvl2_runtime.machine.speeds import Speeds

PROMPT_FRAME = 12
"""Tokens of roles, line ends and the begin token around one question."""
CHARACTERS_OF_TOKEN = 4
"""Of text in Latin letters; the tokenizer of the releases has a token for most English words."""


@dataclass(frozen=True, slots=True)
class TokenCounts:
    """The sizes of one question."""

    num_tiles: int
    """Tiles of all images, global views among them."""
    prompt_tokens: int
    """Positions of the whole prompt, image tokens and earlier turns among them."""
    context: int
    """Positions that the model has."""
    cached_tiles: int = 0
    """Tiles that need not be encoded again."""
    cached_tokens: int = 0
    """Positions at the prompt's start that need not be read again."""

    @classmethod
    def of_inputs(cls, inputs: ModelInputs, config: ModelConfig) -> TokenCounts:
        """Of a question that `VisionLanguageModel.prepare` has prepared; nothing of it is cached."""
        tiles = sum(image.tiling.num_tiles for image in inputs.images)
        return cls(tiles, len(inputs.input_ids), config.language_config.max_position_embeddings)

    @classmethod
    def of_sizes(cls, image_sizes: Sequence[tuple[int, int]], text: str, config: ModelConfig) -> TokenCounts:
        """Of a question that is still being written; the tokens of its text are guessed, those of images exact.

        Args:
            image_sizes: (width, height) in pixels of each image of the conversation, upright.
            text: all the texts of the conversation.
            config: of the model.
        """
        tilings = plan_tiling(image_sizes, config)
        return cls(
            sum(tiling.num_tiles for tiling in tilings),
            _image_tokens(tilings, config) + guessed_tokens(text) + PROMPT_FRAME,
            config.language_config.max_position_embeddings,
        )

    def behind(self, cached_tokens: int) -> TokenCounts:
        """Of the same question where its images, and so many tokens with them, were read for another one before."""
        return replace(self, cached_tiles=self.num_tiles, cached_tokens=cached_tokens)


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a question will cost."""

    num_tiles: int
    prompt_tokens: int
    context: int
    """Positions that the model has; the answer gets what the prompt leaves."""
    answer_tokens: int
    """Expected: the mean of earlier answers, or the longest that is allowed where there were none."""
    fits: bool
    """Whether at least one position is left for the answer."""
    seconds_to_first_token: float | None = None
    """None where earlier answers of this model on this machine do not tell."""
    seconds: float | None = None
    """To the end of the expected answer; loading the model is not in it."""
    cached_tiles: int = 0
    """Of the tiles, those that another question had encoded."""
    cached_tokens: int = 0
    """Of the prompt, what another question had read."""

    def as_json(self) -> dict[str, Any]:
        """For reports."""
        return asdict(self)


def further_looks(first: TokenCounts, image_sizes: Sequence[tuple[int, int]], config: ModelConfig) -> list[TokenCounts]:
    """The counts of all looks that may follow the first one at images of (width, height) pixels, at most.

    One at the images enlarged, or, where that would show the same, one at each part of the image (`parts_look.py`).
    What leaves no room for an answer is left out, as the looks themselves do.
    """
    seen = plan_tiling(image_sizes, config)
    enlarged = [choose_tiling(size, len(image_sizes), config, ENLARGEMENT) for size in image_sizes]
    looks = [enlarged] if enlarged != seen else []
    if len(image_sizes) == 1:
        parts = (size for places in part_rounds(image_sizes[0], config) for size in sizes_of(places))
        looks += [[choose_tiling(size, 1, config, ENLARGEMENT)] for size in parts]
    words = first.prompt_tokens - _image_tokens(seen, config)
    found = (
        TokenCounts(sum(each.num_tiles for each in look), words + _image_tokens(look, config), first.context)
        for look in looks
    )
    return [counts for counts in found if counts.prompt_tokens < counts.context]


def _image_tokens(tilings: Iterable[Tiling], config: ModelConfig) -> int:
    return sum(tiling.token_count(config.cells) for tiling in tilings)


def estimate(counts: TokenCounts, speeds: Speeds | None, max_new_tokens: int = 512) -> Estimate:
    """Estimate one question.

    Args:
        counts: its sizes.
        speeds: of earlier answers (`speeds.known_speeds`); None where there are none.
        max_new_tokens: the longest answer that is allowed.
    """
    speeds = speeds or Speeds()
    room = max(0, counts.context - counts.prompt_tokens)
    usual = max_new_tokens if speeds.tokens_per_answer is None else max(1, round(speeds.tokens_per_answer))
    answer_tokens = min(usual, max_new_tokens, room)
    parts = (
        (max(0, counts.num_tiles - counts.cached_tiles), speeds.seconds_per_tile),
        (max(0, counts.prompt_tokens - counts.cached_tokens), speeds.seconds_per_prompt_token),
    )
    first = _sum(parts)
    rest = _sum([(max(0, answer_tokens - 1), speeds.seconds_per_answer_token)])
    return Estimate(
        counts.num_tiles,
        counts.prompt_tokens,
        counts.context,
        answer_tokens,
        room > 0,
        first,
        None if first is None or rest is None else first + rest,
        counts.cached_tiles,
        counts.cached_tokens,
    )


def together(estimates: Sequence[Estimate]) -> Estimate | None:
    """Several prompts one after the other; None of none."""
    if not estimates:
        return None
    return Estimate(
        sum(each.num_tiles for each in estimates),
        sum(each.prompt_tokens for each in estimates),
        estimates[0].context,
        sum(each.answer_tokens for each in estimates),
        all(each.fits for each in estimates),
        known_sum(each.seconds_to_first_token for each in estimates),
        known_sum(each.seconds for each in estimates),
        sum(each.cached_tiles for each in estimates),
        sum(each.cached_tokens for each in estimates),
    )


def known_sum(seconds: Iterable[float | None]) -> float | None:
    """The sum; None where one of them is not known."""
    all_seconds = list(seconds)
    return None if None in all_seconds else math.fsum(each for each in all_seconds if each is not None)


def _sum(parts: Sequence[tuple[int, float | None]]) -> float | None:
    """Seconds of all parts; None if one is needed whose speed is not known."""
    total = 0.0
    for count, seconds in parts:
        if not count:
            continue
        if seconds is None:
            return None
        total += count * seconds
    return total


def guessed_tokens(text: str) -> int:
    """About how many tokens a text has, without a tokenizer: four ASCII characters to a token, others one to one."""
    others = sum(character > "\x7f" for character in text)
    return others + -(-(len(text) - others) // CHARACTERS_OF_TOKEN)
