"""Features of images that are kept: what is computed again, what never is, and how much memory they take."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from dsvl2_runtime import GenerationOptions, VisionLanguageModel, Watch, load_model
from dsvl2_runtime.graphs import image_cache, image_encoder
from dsvl2_runtime.graphs.image_cache import ImageCache
from dsvl2_runtime.inputs import processor
from dsvl2_runtime.inputs.processor import ImageInput
from dsvl2_runtime.inputs.tiling import normalized
from dsvl2_runtime.progress import Progress
from small_models import MakeBundle, pictures

MANIFEST = bytes(32)


@pytest.fixture(scope="module")
def model(bundle: MakeBundle) -> VisionLanguageModel:
    return load_model(bundle("small", "fp32"), threads=1)


@pytest.fixture
def cache() -> ImageCache:
    return ImageCache(MANIFEST, 10**9)


def prepared(model: VisionLanguageModel, images: list[Image.Image]) -> list[ImageInput]:
    return list(model.prepare("What?", images).images)


def tiles_encoded(model: VisionLanguageModel, cache: ImageCache, images: list[ImageInput]) -> int:
    """Encode, compare with an encoder that remembers nothing, and count the tiles."""
    told: list[Progress] = []
    found = cache.encode(model.components.vision, images, Watch(told.append))
    for one, other in zip(found, model.components.vision.encode(images), strict=True):
        np.testing.assert_array_equal(one, other)
    return told[-1].total if told else 0


def test_an_image_is_encoded_once(model: VisionLanguageModel, cache: ImageCache) -> None:
    """Alone, beside another one, and twice in one prompt."""
    first, second = prepared(model, pictures(2))
    assert tiles_encoded(model, cache, [first, first]) == first.tiling.num_tiles > 1
    assert tiles_encoded(model, cache, [first]) == 0
    assert tiles_encoded(model, cache, [second, first]) == second.tiling.num_tiles
    assert tiles_encoded(model, cache, []) == 0


def test_a_known_image_is_not_made_floats_again(model: VisionLanguageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second question about it computes nothing of its pixels."""
    computed: list[int] = []

    def counted(tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        computed.append(len(tiles))
        return normalized(tiles)

    for module in (processor, image_encoder):
        monkeypatch.setattr(module, "normalized", counted)
    model.image_cache.clear()
    image = pictures(1)
    for question in ("What?", "And what else?"):
        model.next_token_logits(question, image)
    assert sum(computed) == len(prepared(model, image)[0].tiles)


def test_a_third_image_leaves_the_global_views_of_the_others(model: VisionLanguageModel, cache: ImageCache) -> None:
    """Only its own tile is computed; back at two images nothing is."""
    two, three = prepared(model, pictures(2)), prepared(model, pictures(3))
    tiles_encoded(model, cache, two)
    assert [image.tiling.num_tiles for image in three] == [1, 1, 1]
    assert tiles_encoded(model, cache, three) == 1
    assert tiles_encoded(model, cache, two) == 0
    other = ImageCache(MANIFEST, 10**9)
    assert tiles_encoded(model, other, three) == 3
    assert tiles_encoded(model, other, two) == sum(image.tiling.num_tiles - 1 for image in two)


def test_another_image_model_or_preprocessing_is_another_key(
    model: VisionLanguageModel, cache: ImageCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each alone makes the features useless."""
    (image,) = prepared(model, pictures(1))
    tiles = tiles_encoded(model, cache, [image])
    other = ImageInput("f" * 64, image.size, image.tiling, image.tiles)
    assert tiles_encoded(model, cache, [other]) == tiles
    monkeypatch.setattr(image_cache, "PREPROCESSING_VERSION", 0)
    assert tiles_encoded(model, cache, [image]) == tiles
    monkeypatch.undo()
    assert tiles_encoded(model, cache, [image]) == 0
    cache._manifest_sha256 = b"1" * 32
    assert tiles_encoded(model, cache, [image]) == tiles


def test_the_bytes_are_bounded_and_the_oldest_go_first(model: VisionLanguageModel, cache: ImageCache) -> None:
    """What was used again counts as new; what is too large for the bound is not kept."""
    images = [prepared(model, [picture])[0] for picture in pictures(3)]
    sizes = []
    for image in images:
        before = cache.nbytes
        tiles_encoded(model, cache, [image])
        sizes.append(cache.nbytes - before)
    assert all(sizes)
    tiles_encoded(model, cache, images[:1])
    cache.max_bytes = cache.nbytes
    fourth = prepared(model, [pictures(1)[0].rotate(180)])[0]
    tiles_encoded(model, cache, [fourth])
    assert cache.nbytes <= cache.max_bytes
    assert tiles_encoded(model, cache, [images[0], fourth]) == 0
    assert tiles_encoded(model, cache, [images[1]]) > 0
    small = ImageCache(MANIFEST, max_bytes=10)
    assert tiles_encoded(model, small, [images[0]]) == tiles_encoded(model, small, [images[0]]) > 0
    assert small.nbytes == 0


def test_parts_that_were_complete_when_it_was_stopped_are_kept(model: VisionLanguageModel) -> None:
    """The next question goes on from there."""
    model.image_cache.clear()
    images = pictures(2)
    first = prepared(model, images)[0]
    answers = iter([False] * first.tiling.num_tiles + [True])
    chunks = list(model.generate("What?", images, watch=Watch(should_stop=answers.__next__)))
    assert chunks[-1].finish_reason == "cancelled"
    assert tiles_encoded(model, model.image_cache, [first]) == 0


def test_an_answer_does_not_depend_on_what_is_kept(model: VisionLanguageModel) -> None:
    """The same tokens with and without."""
    options = GenerationOptions(max_new_tokens=8)
    model.image_cache.clear()
    without = list(model.generate("What?", pictures(2), options))
    assert list(model.generate("What?", pictures(2), options)) == without
    assert model.image_cache.nbytes > 0
