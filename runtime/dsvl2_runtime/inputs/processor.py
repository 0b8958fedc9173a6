"""Messages and images to tensors; the only place where texts and images meet before the model."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dsvl2_runtime.config import ModelConfig
from dsvl2_runtime.errors import ContextOverflowError, ImageError, UsageError
from dsvl2_runtime.geometry import MOST_TILED_IMAGES
from dsvl2_runtime.inputs.images import ImageBytes, ImageSource, content_hash, decode_image
from dsvl2_runtime.inputs.prompt import Message, Prompt, build_prompt
from dsvl2_runtime.inputs.rgb import is_uniform
from dsvl2_runtime.inputs.tiling import ONE_TILE, Tiling, choose_tiling, cut_tiles, is_tiled, normalized
from dsvl2_runtime.inputs.tokenizer import Tokenizer
from dsvl2_runtime.notices import Notice

FULL_RESOLUTION = 0.9
"""An image that is scaled to at least this share of its side counts as seen at full resolution."""
PIXELS_FOR_TWO_THREADS = 250_000
"""With fewer, a second thread takes about as long to start as it would save."""


@dataclass(frozen=True, slots=True)
class ImageInput:
    """One image of a prompt, ready for the vision encoder."""

    sha256: str
    """64 hexadecimal digits over mode, size and pixels after decoding and turning: the same for the same content."""
    size: tuple[int, int]
    """(width, height) in pixels, upright."""
    tiling: Tiling
    tiles: NDArray[np.uint8]
    """[num_tiles, image_size, image_size, 3] uint8: the global view, then the tiles row by row."""

    @property
    def pixel_values(self) -> NDArray[np.float32]:
        """[num_tiles, 3, image_size, image_size] float32 in -1..1; a copy, which a known image never needs."""
        return normalized(self.tiles)


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
        """[num_tiles, 3, image_size, image_size] float32, all tiles as the reference takes them; a copy."""
        if not self.images:
            return np.zeros((0, 3, 1, 1), np.float32)
        return np.concatenate([image.pixel_values for image in self.images])

    @property
    def tilings(self) -> tuple[Tiling, ...]:
        """The tiling of each image, as the reference takes them."""
        return tuple(image.tiling for image in self.images)


@dataclass(frozen=True, slots=True)
class ReadImage:
    """An image that was decoded and cut into tiles, for any number of prompts; its source is not needed any more."""

    sha256: str
    """As `ImageInput.sha256`."""
    size: tuple[int, int]
    """(width, height) in pixels, upright."""
    tiles: NDArray[np.uint8]
    """[num_tiles, image_size, image_size, 3] uint8: the global view, then the tiles row by row."""
    notices: tuple[Notice, ...] = ()
    """What is not shown as it is stored."""
    source: ImageSource | None = None
    """From which it can be read once more, to be seen larger; None where nobody has it any more."""

    def larger(self, config: ModelConfig, num_images: int, enlargement: float, threads: int = 1) -> ReadImage | None:
        """The same image, cut into tiles as if it were so many times as large, as one of so many, by so many threads.

        None where it would be cut as before, and where its source is gone or is another image by now.
        """
        if choose_tiling(self.size, num_images, config, enlargement) == choose_tiling(self.size, num_images, config):
            return None
        if self.source is None:
            return None
        try:
            found = read_image(self.source, config, num_images, enlargement, threads)
        except ImageError:
            return None
        return found if found.sha256 == self.sha256 else None

    def without_source(self) -> ReadImage:
        """The same image, which is seen as it was cut and never larger."""
        return replace(self, source=None)


PromptImage = ImageSource | ReadImage
Images = PromptImage | Sequence[PromptImage]


def image_sources(images: Images) -> Sequence[PromptImage]:
    """The images that were given; a single one is not taken apart, as letters of a path or rows of an array.

    Raises:
        UsageError: it is neither an image nor a list.
    """
    if isinstance(images, (str, os.PathLike, bytes, ImageBytes, Image.Image, np.ndarray, ReadImage)):
        return [images]
    if isinstance(images, Sequence) and not isinstance(images, bytes):
        return images
    raise UsageError(f"images is a {type(images).__name__}; give an image, or a list of images")


def read_image(
    source: ImageSource, config: ModelConfig, num_images: int = 1, enlargement: float = 1.0, threads: int = 1
) -> ReadImage:
    """Decode an image and cut it as one of so many; what was cut for one or two serves in prompts of any number.

    Args:
        source: of the image.
        config: of the model.
        num_images: of the prompt.
        enlargement: it is cut as if it were so many times as large.
        threads: that may work on it; more than two change nothing, and the second ends with this call.

    Raises:
        ImageError: it cannot be read.
    """
    tile_pixels = config.vision_config.image_size
    decoded = decode_image(source, tile_pixels)
    tiling = choose_tiling(decoded.size, num_images, config, enlargement)
    if threads == 1 or decoded.image.width * decoded.image.height < PIXELS_FOR_TWO_THREADS:
        sha256, tiles = content_hash(decoded), cut_tiles(decoded.image, tiling, tile_pixels)
    else:
        with ThreadPoolExecutor(1) as other_thread:
            hashed = other_thread.submit(content_hash, decoded)
            tiles = cut_tiles(decoded.image, tiling, tile_pixels, other_thread)
            sha256 = hashed.result()
    notices = (Notice("image.uniform"),) if is_uniform(decoded.image) else ()
    return ReadImage(sha256, decoded.size, tiles, decoded.notices + notices, source)


def prepare_inputs(
    messages: Sequence[Message],
    images: Sequence[PromptImage],
    config: ModelConfig,
    tokenizer: Tokenizer,
    enlargement: float = 1.0,
    threads: int = 1,
) -> ModelInputs:
    """Decode the images one after the other and cut each into tiles, and build the prompt around them.

    Args:
        messages: with a place for each image.
        images: those that were read before are enlarged where their source is at hand.
        config: of the model.
        tokenizer: of the model.
        enlargement: images are cut as if they were so many times as large.
        threads: that may work on each image.

    Raises:
        ImageError: an image cannot be read.
        UsageError: there are not as many images as places for them, or the roles are out of order.
        ContextOverflowError: prompt and images leave no position for an answer.
    """
    context, num_images = config.language_config.max_position_embeddings, len(images)

    def fitting_prompt(tilings: Sequence[Tiling]) -> Prompt:
        prompt = build_prompt(messages, tokenizer, [tiling.token_count(config.cells) for tiling in tilings])
        if len(prompt.input_ids) >= context:
            raise ContextOverflowError(len(prompt.input_ids), int(prompt.images_seq_mask.sum()), context)
        return prompt

    fitting_prompt([ONE_TILE] * num_images)  # the least that images take: refused before any of them is decoded
    inputs, notices = [], []
    for number, source in enumerate(images, 1):  # one at a time, so that only one is in memory with all its pixels
        image, found = _image_input(source, num_images, config, enlargement, threads)
        inputs.append(image)
        notices += [notice.of_image(number) for notice in found]
    prompt = fitting_prompt([image.tiling for image in inputs])
    return ModelInputs(prompt.input_ids, prompt.images_seq_mask, tuple(inputs), tuple(notices))


def _image_input(
    source: PromptImage, num_images: int, config: ModelConfig, enlargement: float, threads: int
) -> tuple[ImageInput, tuple[Notice, ...]]:
    """One of so many images of a prompt, and what should be said about it."""
    if isinstance(source, ReadImage):
        larger = source.larger(config, num_images, enlargement, threads)
        read = larger or source
        tiling = choose_tiling(source.size, num_images, config, enlargement if larger else 1.0)
    else:
        read = read_image(source, config, num_images, enlargement, threads)
        tiling = choose_tiling(read.size, num_images, config, enlargement)
    image = ImageInput(read.sha256, read.size, tiling, read.tiles[: tiling.num_tiles])
    return image, (*read.notices, *_scaling_notices(image, num_images, config.vision_config.image_size))


def _scaling_notices(image: ImageInput, num_images: int, tile_pixels: int) -> tuple[Notice, ...]:
    """That an image is scaled down so far that detail is lost."""
    width, height = image.size
    seen_width, seen_height = image.tiling.seen_size(width, height, tile_pixels)
    if max(seen_width / width, seen_height / height) >= FULL_RESOLUTION:
        return ()
    values = {"width": width, "height": height, "seen_width": seen_width, "seen_height": seen_height}
    if is_tiled(num_images):
        return (Notice("image.scaled_down", values),)
    return (Notice("image.one_tile", values | {"most_tiled": MOST_TILED_IMAGES}),)
