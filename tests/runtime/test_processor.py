"""What is said about a question's pictures before the model sees them."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dsvl2_runtime import VisionLanguageModel, load_model
from dsvl2_runtime.errors import ContextOverflowError
from dsvl2_runtime.inputs import processor
from dsvl2_runtime.inputs.images import content_hash, decode_image
from dsvl2_runtime.inputs.tiling import Tiling, pad_to
from dsvl2_runtime.notices import Notice
from dsvl2_runtime.texts import notice_text
from small_models import MakeBundle, picture


@pytest.fixture(scope="module")
def model(bundle: MakeBundle) -> VisionLanguageModel:
    return load_model(bundle("small", "int4"), threads=1)


@pytest.mark.parametrize("size", [(1920, 1080), (300, 1000), (50, 40), (1, 1), (70, 70)])
@pytest.mark.parametrize("tiling", [Tiling(1, 1), Tiling(3, 2)])
def test_the_size_seen_is_that_of_the_image_on_the_tiles(size: tuple[int, int], tiling: Tiling) -> None:
    """Measured on a black picture: everything around it is grey."""
    tile = 70
    canvas = pad_to(Image.new("RGB", size), tiling.tiles_wide * tile, tiling.tiles_high * tile)
    rows, columns = np.nonzero((np.asarray(canvas) == 0).all(axis=2))
    assert tiling.seen_size(*size, tile) == (int(np.ptp(columns)) + 1, int(np.ptp(rows)) + 1)


def test_a_image_that_loses_detail_is_named(model: VisionLanguageModel) -> None:
    """With its size and what the model sees of it; one that is enlarged or nearly kept is not mentioned."""
    tile = model.config.vision_config.image_size
    widest, highest = max(model.config.candidate_resolutions, key=min)
    for size in ((tile // 2, tile // 3), (widest, highest), (widest * 21 // 20, highest * 21 // 20)):
        assert model.prepare("?", [picture(*size, 1)]).notices == ()
    (notice,) = model.prepare("?", [picture(9, 9, 1), picture(widest * 2, highest * 2, 1)]).notices
    values = {"width": widest * 2, "height": highest * 2, "seen_width": widest, "seen_height": highest}
    assert notice == Notice("image.scaled_down", {"image": 2, **values})
    assert notice_text(notice).startswith(
        f"picture 2 has {widest * 2}x{highest * 2} pixels, but the model sees it at {widest}x{highest};"
    )


def test_three_images_are_seen_small(model: VisionLanguageModel) -> None:
    """Two such pictures keep their detail in several tiles; with a third, each gets one, and that is said."""
    tile = model.config.vision_config.image_size
    page = picture(tile * 2, tile * 2, 1)
    assert model.prepare("?", [page, page]).notices == ()
    notices = model.prepare("?", [page, picture(9, 9, 1), page]).notices
    assert [(notice.code, notice.values["image"]) for notice in notices] == [("image.one_tile", n) for n in (1, 3)]
    for notice in notices:
        assert f"at {tile}x{tile}, because more than 2 pictures" in notice_text(notice)


def test_too_many_images_are_refused_before_any_is_decoded(
    model: VisionLanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each takes one tile whatever its size, so the count alone decides."""

    def decoded(*_: object) -> None:
        raise AssertionError("a picture was opened")

    monkeypatch.setattr(processor, "decode_image", decoded)
    with pytest.raises(ContextOverflowError) as caught:
        model.prepare("?", ["huge.png"] * 50)
    assert caught.value.image_tokens == 50 * Tiling(1, 1).token_count(model.config.cells)


def test_an_answer_to_what_was_prepared_is_the_same(model: VisionLanguageModel) -> None:
    """`generate` is `prepare` and `answer` in one."""
    asked = ("What is it?", [picture(60, 40, 1)])
    assert list(model.answer(model.prepare(*asked))) == list(model.generate(*asked))


def test_each_image_has_its_own_inputs_and_hash(model: VisionLanguageModel, tmp_path: Path) -> None:
    """The hash is that of the pixels: the same from a file of another format, another for a turned or changed image."""
    image = picture(60, 40, 1)
    path = tmp_path / "same.bmp"
    image.save(path)
    changed = image.copy()
    changed.putpixel((59, 39), (1, 2, 3))
    turned = Image.frombytes("RGB", (40, 60), image.tobytes())
    inputs = model.prepare("?", [image, path])
    first, again = inputs.images
    assert first.sha256 == again.sha256 == hashlib.sha256(b"RGB 60x40 " + image.tobytes()).hexdigest()
    assert len({first.sha256, *(content_hash(decode_image(other)) for other in (changed, turned))}) == 3
    assert (first.size, first.tiling) == ((60, 40), inputs.tilings[0])
    assert len(first.tiles) == len(first.pixel_values) == first.tiling.num_tiles
    assert first.tiles.dtype == np.uint8  # a quarter of the bytes, and nothing to compute where it is known already
    assert np.array_equal(inputs.pixel_values, np.concatenate([first.pixel_values, again.pixel_values]))


@pytest.mark.parametrize("size", [(1, 5), (300, 200), (63, 1000)])
@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (3, 200, 77)])
def test_an_image_of_one_colour_is_named(
    size: tuple[int, int], colour: tuple[int, int, int], model: VisionLanguageModel
) -> None:
    """As an empty page, or a window that lets nobody capture it; one other pixel anywhere is content."""
    image = Image.new("RGB", size, colour)
    assert processor.read_image(image, model.config).notices == (Notice("image.uniform"),)
    image.putpixel((size[0] - 1, size[1] - 2), (colour[0], colour[1], colour[2] ^ 1))
    assert processor.read_image(image, model.config).notices == ()
