"""Images to image tokens, one image at a time."""

from __future__ import annotations

import numpy as np
import pytest

from dsvl2_runtime import VisionLanguageModel, load_model
from dsvl2_runtime.inputs.processor import ImageInput
from dsvl2_runtime.progress import Progress, Stopped, Watch
from small_models import MakeBundle, pictures


@pytest.fixture(scope="module")
def model(bundle: MakeBundle) -> VisionLanguageModel:
    return load_model(bundle("small", "fp32"), threads=1)


@pytest.fixture
def images(model: VisionLanguageModel) -> tuple[ImageInput, ...]:
    return model.prepare("?", pictures(2)).images


def test_the_features_of_an_image_depend_on_nothing_else(
    model: VisionLanguageModel, images: tuple[ImageInput, ...]
) -> None:
    """To the last bit the same alone, in company and in another order, so that they can be kept by content."""
    encoder = model.components.vision
    together, reverse = encoder.encode(images), encoder.encode(images[::-1])[::-1]
    for image, features, others in zip(images, together, reverse, strict=True):
        (alone,) = encoder.encode([image])
        np.testing.assert_array_equal(features, alone)
        np.testing.assert_array_equal(others, alone)


def test_an_image_has_as_many_tokens_as_its_tiling_says(
    model: VisionLanguageModel, images: tuple[ImageInput, ...]
) -> None:
    """Of the width of the language model, and different for different images."""
    encoder = model.components.vision
    found = encoder.encode(images)
    hidden = model.config.language_config.hidden_size
    assert [features.shape for features in found] == [
        (image.tiling.token_count(encoder.cells), hidden) for image in images
    ]
    assert np.abs(found[0][0] - found[1][0]).max() > 1e-3
    assert encoder.encode([]) == []


def test_tiles_are_counted_over_all_images(model: VisionLanguageModel, images: tuple[ImageInput, ...]) -> None:
    """One report per tile, from none to all."""
    told: list[Progress] = []
    model.components.vision.encode(images, Watch(told.append))
    total = sum(image.tiling.num_tiles for image in images)
    assert told == [Progress("vision", done, total) for done in range(total + 1)]


def test_encoding_can_be_stopped_before_each_tile(model: VisionLanguageModel, images: tuple[ImageInput, ...]) -> None:
    """The tiles that were asked for by then are done, and no other."""
    total = sum(image.tiling.num_tiles for image in images)
    for allowed in range(total):
        told: list[Progress] = []
        watch = Watch(told.append, iter([False] * allowed + [True]).__next__)
        with pytest.raises(Stopped):
            model.components.vision.encode(images, watch)
        assert told[-1].done == allowed
