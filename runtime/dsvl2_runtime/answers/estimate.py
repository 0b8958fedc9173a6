"""What a question will cost, before any graph runs: tiles, tokens, and seconds where earlier answers tell them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from dsvl2_runtime.config import ModelConfig
from dsvl2_runtime.inputs.processor import ModelInputs
from dsvl2_runtime.inputs.tiling import choose_tiling
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
    def of_inputs(cls, inputs: ModelInputs, config: ModelConfig, enlargement: float = 1.0) -> TokenCounts:
        """Of a question that `VisionLanguageModel.prepare` has prepared; nothing of it is cached.

        With an enlargement they are those of the same question about images that are so many times as large.
        """
        sizes = [image.size for image in inputs.images]
        tilings = [choose_tiling(size, len(sizes), config, enlargement) for size in sizes]
        image_tokens = sum(tiling.token_count(config.cells) for tiling in tilings)
        return cls(
            sum(tiling.num_tiles for tiling in tilings),
            len(inputs.input_ids) - inputs.num_image_tokens + image_tokens,
            config.language_config.max_position_embeddings,
        )

    @classmethod
    def of_sizes(
        cls, image_sizes: Sequence[tuple[int, int]], text: str, config: ModelConfig, enlargement: float = 1.0
    ) -> TokenCounts:
        """Of a question that is still being written; the tokens of its text are guessed, those of images exact.

        Args:
            image_sizes: (width, height) in pixels of each image of the conversation, upright.
            text: all the texts of the conversation.
            config: of the model.
            enlargement: the images are cut as if they were so many times as large.
        """
        tilings = [choose_tiling(size, len(image_sizes), config, enlargement) for size in image_sizes]
        image_tokens = sum(tiling.token_count(config.cells) for tiling in tilings)
        return cls(
            sum(tiling.num_tiles for tiling in tilings),
            image_tokens + guessed_tokens(text) + PROMPT_FRAME,
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


def second_look(first: TokenCounts, again: TokenCounts) -> TokenCounts | None:
    """The counts of a second look, unless the model would see the same, or has no room for it."""
    sees_the_same = (first.num_tiles, first.prompt_tokens) == (again.num_tiles, again.prompt_tokens)
    return None if sees_the_same or again.prompt_tokens >= again.context else again


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
