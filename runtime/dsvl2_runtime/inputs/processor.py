"""Messages and pictures to tensors; the only place where text and pictures meet before the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dsvl2_runtime.config import ModelConfig
from dsvl2_runtime.errors import ContextOverflowError, UsageError
from dsvl2_runtime.inputs.images import ImageSource, open_image
from dsvl2_runtime.inputs.prompt import Message, Prompt, build_prompt, count_pictures
from dsvl2_runtime.inputs.tiling import MOST_TILED_IMAGES, Tiling, pixel_tiles, plan_tiling
from dsvl2_runtime.inputs.tokenizer import Tokenizer

KEPT = 0.9
"""Share of a side; from here on a picture counts as seen in full."""
TILED_ADVICE = "; small print may be lost: cut out the part that matters"
UNTILED_ADVICE = (
    f", because more than {MOST_TILED_IMAGES} pictures get one tile each; ask about {MOST_TILED_IMAGES} at a time"
)


@dataclass(frozen=True, slots=True)
class ModelInputs:
    """One prompt, ready for the model."""

    input_ids: NDArray[np.int64]
    """[seq] int64."""
    images_seq_mask: NDArray[np.bool_]
    """[seq] bool, true where an image token stands."""
    pixel_values: NDArray[np.float32]
    """[num_tiles, 3, image_size, image_size] float32, the tiles of all pictures in order."""
    tilings: tuple[Tiling, ...]
    """Of each picture."""
    image_sizes: tuple[tuple[int, int], ...]
    """(width, height) of each picture in pixels, upright."""

    @property
    def num_image_tokens(self) -> int:
        """Tokens that pictures take."""
        return int(self.images_seq_mask.sum())

    @property
    def warnings(self) -> tuple[str, ...]:
        """A sentence for each picture that was scaled down so far that detail is lost."""
        tile = self.pixel_values.shape[-1]
        untiled = len(self.image_sizes) > MOST_TILED_IMAGES
        advice = UNTILED_ADVICE if untiled else TILED_ADVICE
        sentences = []
        for number, ((width, height), tiling) in enumerate(zip(self.image_sizes, self.tilings, strict=True), 1):
            seen_width, seen_height = tiling.seen_size(width, height, tile)
            if max(seen_width / width, seen_height / height) < KEPT:
                seen = f"{seen_width}x{seen_height}{advice}"
                sentences.append(f"picture {number} has {width}x{height} pixels, but the model sees it at {seen}")
        return tuple(sentences)


def prepare(
    messages: Sequence[Message],
    images: Sequence[ImageSource],
    config: ModelConfig,
    tokenizer: Tokenizer,
) -> ModelInputs:
    """Plan the pictures, build the prompt, and only when it fits, cut the tiles.

    Raises:
        ImageError: a picture cannot be read.
        UsageError: places and pictures differ in number, or the roles are out of order.
        ContextOverflowError: prompt and pictures leave no position for an answer.
    """
    if count_pictures(messages) != len(images):
        raise UsageError(
            f"the messages have places for {count_pictures(messages)} pictures, but {len(images)} were given"
        )
    context = config.language_config.max_position_embeddings

    def fitting_prompt(tilings: Sequence[Tiling]) -> Prompt:
        prompt = build_prompt(messages, tokenizer, [tiling.token_count(config.cells) for tiling in tilings])
        if len(prompt.input_ids) >= context:
            raise ContextOverflowError(len(prompt.input_ids), int(prompt.images_seq_mask.sum()), context)
        return prompt

    if len(images) > MOST_TILED_IMAGES:  # one tile each, whatever their sizes: refused before any is decoded
        fitting_prompt([Tiling(1, 1)] * len(images))
    opened = [open_image(image, config.vision_config.image_size) for image in images]
    sizes = tuple(image.size for image in opened)
    tilings = plan_tiling(sizes, config)
    prompt = fitting_prompt(tilings)
    size = config.vision_config.image_size
    tiles = [pixel_tiles(image, tiling, size) for image, tiling in zip(opened, tilings, strict=True)]
    pixel_values = np.concatenate(tiles) if tiles else np.zeros((0, 3, size, size), np.float32)
    return ModelInputs(prompt.input_ids, prompt.images_seq_mask, pixel_values, tuple(tilings), sizes)
