"""What a question will cost before it is asked: tiles, positions of the context, seconds; and whether it can fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from dsvl2_app.state.prompt_messages import conversation_images, new_images, told_turns
from dsvl2_app.state.turn import Attachment, Turn
from dsvl2_runtime.answers.estimate import (
    PROMPT_FRAME,
    Estimate,
    TokenCounts,
    estimate,
    further_looks,
    guessed_tokens,
    together,
)
from dsvl2_runtime.config import ModelConfig
from dsvl2_runtime.engine.protocol import Finished
from dsvl2_runtime.geometry import MOST_TILED_IMAGES
from dsvl2_runtime.inputs.tiling import ONE_TILE, is_tiled, plan_tiling
from dsvl2_runtime.machine.speeds import Speeds

MOST_CHARACTERS_OF_TOKEN = 8
"""Of any text, on average: more than that is sure to be wrong, so it decides what is refused before it is asked."""

LEAST_FRAME = 5
"""Tokens of roles and the begin token; each picture has an end of line more."""

Obstacle = Literal["pictures", "history", "question"]
"""What does not fit: the new pictures alone, what was said before, or a question that is too long by itself."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one question."""

    num_images: int
    """Of the whole prompt."""
    new_images: int
    """Those that were not asked about before."""
    expected: Estimate
    least_tokens: int
    """That the prompt takes for sure; the guess of `expected` may be too high."""
    obstacle: Obstacle | None
    """Why it cannot be asked."""
    most_images: int
    """How many pictures of a new conversation fit beside a short question."""
    second_look: Estimate | None = None
    """Of the same question about the enlarged picture or all its parts, at most; None where there is no such look."""

    @property
    def most_seconds(self) -> float | None:
        """With a second look; None where earlier answers do not tell."""
        first, again = self.expected.seconds, None if self.second_look is None else self.second_look.seconds
        return first if first is None or again is None else first + again


def can_take(question: str, cost: Cost | None) -> bool:
    """Whether a question with this cost would be taken: it has a text, and nothing says that it cannot fit."""
    return bool(question.strip()) and (cost is None or cost.obstacle is None)


def image_tokens(sizes: Sequence[tuple[int, int]], config: ModelConfig) -> int:
    """Positions of the context that images of (width, height) pixels take together."""
    return sum(tiling.token_count(config.cells) for tiling in plan_tiling(sizes, config))


def image_cost(size: tuple[int, int], num_images: int, config: ModelConfig) -> tuple[int, int]:
    """(tiles, tokens) of one image of so many in a conversation."""
    tiling = plan_tiling([size] * num_images, config)[0]
    return tiling.num_tiles, tiling.token_count(config.cells)


def most_images(sizes: Sequence[tuple[int, int]], config: ModelConfig) -> int:
    """How many of these images, from the first on, fit into the context with a short question."""
    room = config.language_config.max_position_embeddings - PROMPT_FRAME - 1
    most = room // (ONE_TILE.token_count(config.cells) + 1)  # a picture stands on a line of its own
    if most > MOST_TILED_IMAGES:
        return min(most, max(len(sizes), 1))
    fitting = [count for count in range(1, len(sizes) + 1) if image_tokens(sizes[:count], config) <= room]
    return max(fitting, default=0)


def question_cost(
    turns: Sequence[Turn],
    present: Sequence[Attachment],
    question: str,
    config: ModelConfig,
    speeds: Speeds | None,
    max_new_tokens: int,
    *,
    looks_again: bool = False,
) -> Cost:
    """What the next question of a conversation costs.

    Args:
        turns: of the conversation.
        present: the images in the window.
        question: as far as it is typed.
        config: of the model.
        speeds: of earlier answers on this computer.
        max_new_tokens: the longest answer.
        looks_again: where the model is not sure, it looks at the picture enlarged or in parts.
    """
    earlier = told_turns(turns)
    before = conversation_images(earlier)
    new = new_images(present, earlier)
    sizes = [image.size for image in (*before, *new)]
    pictures = image_tokens(sizes, config)
    said = _said_tokens(earlier)
    counts = TokenCounts.of_sizes(sizes, question, config)
    counts = replace(counts, prompt_tokens=counts.prompt_tokens + said)
    looks = further_looks(counts, sizes, config) if looks_again else []
    same_tiles = is_tiled(len(before)) == is_tiled(len(sizes))
    if earlier and same_tiles:
        tiles = sum(tiling.num_tiles for tiling in plan_tiling(sizes, config)[: len(before)])
        counts = replace(counts, cached_tiles=tiles, cached_tokens=_read_tokens(earlier[-1]))
    context = config.language_config.max_position_embeddings
    question_least = -(-len(question) // MOST_CHARACTERS_OF_TOKEN)
    least = pictures + said + len(new) + LEAST_FRAME + question_least
    obstacle: Obstacle | None = None
    if least >= context:
        fits_alone = image_tokens([image.size for image in new], config) + question_least < context
        obstacle = "history" if earlier and fits_alone else "question" if question_least >= context else "pictures"
    return Cost(
        len(sizes),
        len(new),
        estimate(counts, speeds, max_new_tokens),
        least,
        obstacle,
        most_images([image.size for image in present], config),
        together([estimate(each, speeds, max_new_tokens) for each in looks]),
    )


def _said_tokens(earlier: Sequence[Turn]) -> int:
    """Text of the turns before: what the engine counted for the last one, else a guess."""
    if not earlier:
        return 0
    last = earlier[-1]
    if last.prompt_tokens and isinstance(last.end, Finished):
        return last.prompt_tokens - last.image_tokens + last.end.tokens
    return sum(guessed_tokens(turn.question) + guessed_tokens(turn.answer) + PROMPT_FRAME for turn in earlier)


def _read_tokens(last: Turn) -> int:
    """Positions that the engine has in its cache after a turn."""
    written = last.end.tokens if isinstance(last.end, Finished) else 0
    return last.prompt_tokens + written
