"""Messages and pictures to tensors; the only place where text and pictures meet before the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dsvl2_runtime.config import ModelConfig
from dsvl2_runtime.errors import ContextOverflowError, UsageError
from dsvl2_runtime.inputs.images import ImageSource, content_hash, open_image
from dsvl2_runtime.inputs.prompt import Message, Prompt, build_prompt, count_pictures
from dsvl2_runtime.inputs.tiling import MOST_TILED_IMAGES, Tiling, pixel_tiles, plan_tiling
from dsvl2_runtime.inputs.tokenizer import Tokenizer
from dsvl2_runtime.notices import Notice

FULL_RESOLUTION = 0.9
"""An image that is scaled to at least this share of its side counts as seen at full resolution."""


@dataclass(frozen=True, slots=True)
class ImageInput:
    """One image of a prompt, ready for the vision encoder."""

    sha256: str
    """64 hexadecimal digits over mode, size and pixels after decoding and turning: the same for the same content."""
    size: tuple[int, int]
    """(width, height) in pixels, upright."""
    tiling: Tiling
    pixel_values: NDArray[np.float32]
    """[num_tiles, 3, image_size, image_size] float32 in -1..1: the global view, then the tiles row by row."""


@dataclass(frozen=True, slots=True)
class ModelInputs:
    """One prompt, ready for the model."""

    input_ids: NDArray[np.int64]
    """[seq] int64."""
    images_seq_mask: NDArray[np.bool_]
    """[seq] bool, true at every image token."""
    images: tuple[ImageInput, ...] = ()
    """In the order of their places in the prompt."""
    notices: tuple[Notice, ...] = ()
    """What the user should know about the images."""

    @property
    def num_image_tokens(self) -> int:
        """Positions of the prompt that images take."""
        return int(self.images_seq_mask.sum())

    @property
    def pixel_values(self) -> NDArray[np.float32]:
        """[num_tiles, 3, image_size, image_size] float32, the tiles of all images in order; a copy."""
        if not self.images:
            return np.zeros((0, 3, 1, 1), np.float32)
        return np.concatenate([image.pixel_values for image in self.images])

    @property
    def tilings(self) -> tuple[Tiling, ...]:
        """The tiling of each image."""
        return tuple(image.tiling for image in self.images)

    @property
    def image_sizes(self) -> tuple[tuple[int, int], ...]:
        """(width, height) of each image in pixels, upright."""
        return tuple(image.size for image in self.images)


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
    size = config.vision_config.image_size
    opened = [open_image(image, size) for image in images]
    tilings = plan_tiling([image.size for image in opened], config)
    prompt = fitting_prompt(tilings)
    inputs = tuple(_image_input(image, tiling, size) for image, tiling in zip(opened, tilings, strict=True))
    return ModelInputs(prompt.input_ids, prompt.images_seq_mask, inputs, _scaling_notices(inputs, size))


def _image_input(image: Image.Image, tiling: Tiling, image_size: int) -> ImageInput:
    return ImageInput(content_hash(image), image.size, tiling, pixel_tiles(image, tiling, image_size))


def _scaling_notices(images: Sequence[ImageInput], image_size: int) -> tuple[Notice, ...]:
    """One for each image that was scaled down so far that detail is lost."""
    notices = []
    for number, image in enumerate(images, 1):
        width, height = image.size
        seen_width, seen_height = image.tiling.seen_size(width, height, image_size)
        if max(seen_width / width, seen_height / height) < FULL_RESOLUTION:
            values = {"width": width, "height": height, "seen_width": seen_width, "seen_height": seen_height}
            if len(images) > MOST_TILED_IMAGES:
                notice = Notice("image.one_tile", values | {"most_tiled": MOST_TILED_IMAGES})
            else:
                notice = Notice("image.scaled_down", values)
            notices.append(notice.of_image(number))
    return tuple(notices)
