"""An image is hashed and cut into tiles by two threads: the same bits, and nothing of it stays."""

from __future__ import annotations

import hashlib
import io
import threading
from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageOps

from dsvl2_runtime import load_model
from dsvl2_runtime.bundle.releases import official_config
from dsvl2_runtime.config import ModelConfig
from dsvl2_runtime.inputs import processor
from dsvl2_runtime.inputs.images import ImageSource, decode_image
from dsvl2_runtime.inputs.processor import PIXELS_FOR_TWO_THREADS, read_image
from dsvl2_runtime.inputs.tiling import choose_tiling
from small_models import MakeBundle, picture

CONFIG = official_config("small")
SIZES = [(1920, 1080), (1080, 1920), (2560, 1440), (1000, 1000), (3000, 300), (640, 400), (384, 384), (200, 150)]
"""Screens and their turned forms, a page, a strip, and pictures around and below what two threads are worth."""


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[threading.Thread]]:
    """Threads that were started, in order."""
    found, start = list[threading.Thread](), threading.Thread.start

    def told(thread: threading.Thread) -> None:
        found.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", told)
    yield found
    assert not [thread for thread in found if thread.is_alive()]


def as_defined(image: Image.Image, config: ModelConfig) -> NDArray[np.uint8]:
    """The tiles by what the reference calls, one after the other."""
    side, tiling = config.vision_config.image_size, choose_tiling(image.size, 1, config)

    def padded(width: int, height: int) -> NDArray[np.uint8]:
        return np.asarray(ImageOps.pad(image, (width, height), method=Image.Resampling.BICUBIC, color=(127, 127, 127)))

    if tiling.num_tiles == 1:
        return padded(side, side)[None]
    whole = padded(tiling.tiles_wide * side, tiling.tiles_high * side)
    rows = [part for row in np.split(whole, tiling.tiles_high) for part in np.split(row, tiling.tiles_wide, axis=1)]
    return np.stack([padded(side, side), *rows])


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("threads", [1, 2, 8])
def test_tiles_and_hash_do_not_depend_on_threads(
    size: tuple[int, int], threads: int, started: list[threading.Thread]
) -> None:
    """One thread beside the caller's at most, none where the image is small, and it ends with the call."""
    image = picture(*size, seed=3)
    found = read_image(image, CONFIG, threads=threads)
    np.testing.assert_array_equal(found.tiles, as_defined(image, CONFIG))
    named = f"RGB {size[0]}x{size[1]} ".encode()
    assert found.sha256 == hashlib.sha256(named + image.tobytes()).hexdigest()
    is_large = size[0] * size[1] >= PIXELS_FOR_TWO_THREADS
    assert len(started) == (1 if threads > 1 and is_large else 0)


def test_an_error_in_either_thread_is_the_callers(
    started: list[threading.Thread], monkeypatch: pytest.MonkeyPatch
) -> None:
    side = CONFIG.vision_config.image_size
    for failing in ("global", "local"):

        def pad_to(image: Image.Image, width: int, height: int, failing: str = failing) -> Image.Image:
            if (failing == "global") == ((width, height) == (side, side)):
                raise MemoryError(failing)
            return Image.new("RGB", (width, height))

        monkeypatch.setattr("dsvl2_runtime.inputs.tiling.pad_to", pad_to)
        with pytest.raises(MemoryError, match=failing):
            read_image(picture(1000, 800, 1), CONFIG, threads=2)
    assert len(started) == 2


@pytest.mark.parametrize("threads", [1, 2])
def test_a_model_of_one_thread_starts_no_other(
    threads: int, bundle: MakeBundle, started: list[threading.Thread], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As somebody asks for who has other work for the cores."""
    monkeypatch.setattr(processor, "PIXELS_FOR_TWO_THREADS", 1)
    model = load_model(bundle("small", "int4"), threads=threads, force=True)
    started.clear()
    model.prepare("What is it?", picture(200, 100, 1))
    model.prepare("What is it?", picture(200, 100, 1), 1.5)
    model.chat().ask("What is it?", [picture(200, 100, 2)]).close()
    assert len(started) == (0 if threads == 1 else 3)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "TIFF", "BMP", "array", "image"])
def test_what_was_read_is_not_changed_by_its_source(form: str) -> None:
    """Files and arrays are not copied once more; the caller's own image is."""
    image = picture(300, 200, 4)
    source: ImageSource
    if form == "image":
        source = image.copy()
    elif form == "array":
        source = np.array(image)
    else:
        data = io.BytesIO()
        image.save(data, form)
        source = data.getvalue()
        image = Image.open(io.BytesIO(source)).convert("RGB")
    decoded = decode_image(source)
    if isinstance(source, Image.Image):
        source.paste((0, 0, 0), (0, 0, 300, 200))
    elif isinstance(source, np.ndarray):
        source[:] = 0
    assert decoded.image.mode == "RGB"
    np.testing.assert_array_equal(np.asarray(decoded.image), np.asarray(image))
    np.testing.assert_array_equal(read_image(decoded.image, CONFIG).tiles, as_defined(image, CONFIG))
