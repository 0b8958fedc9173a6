"""Large pictures are decoded by another process, with the same pixels; what happens to it is told."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dsvl2_app.state import decoding, display, parts, thumbnail
from dsvl2_runtime.errors import ImageError, OutOfMemoryError
from dsvl2_runtime.inputs.images import ORIENTATION
from small_models import picture

WIDE = 2600, 1700
"""More than `LARGE` pixels."""


@pytest.fixture(params=["photograph", "transparent", "deep", "wide"])
def large(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Pictures whose decoding has different steps."""
    path = tmp_path / "large"
    image = picture(*WIDE, 1)
    if request.param == "photograph":
        exif = Image.Exif()
        exif[ORIENTATION] = 6
        image.save(path, "JPEG", exif=exif)
    elif request.param == "transparent":
        image.putalpha(Image.linear_gradient("L").resize(WIDE))
        image.save(path, "PNG")
    elif request.param == "deep":
        Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 200).save(path, "PNG")
    else:
        picture(9000, 500, 1).save(path, "PNG")
    return path


def test_the_pixels_are_the_same(large: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if it were decoded here, which is not done."""
    shown, small = display.shown_picture("0", large), thumbnail.small_version(large, 176)
    parts.write_part(large, (10, 20, 700, 400), tmp_path / "here.png")

    def refuse(path: Path) -> None:
        raise AssertionError(f"{path} is decoded in the process of the window")

    for module in (display, thumbnail, parts):
        monkeypatch.setattr(module, "decode_image", refuse)
    there = decoding.shown_picture("0", large)
    assert (there.sha256, there.size) == (shown.sha256, shown.size)
    assert [level.pixels.shape for level in there.levels] == [level.pixels.shape for level in shown.levels]
    for level, expected in zip(there.levels, shown.levels, strict=True):
        assert (level.pixels[..., :3] == expected.pixels[..., :3]).all()
    small_there = decoding.small_version(large, 176)
    assert (small_there.size, small_there.image.mode) == (small.size, "RGB")
    assert small_there.image.tobytes() == small.image.tobytes()
    decoding.write_part(large, (10, 20, 700, 400), tmp_path / "there.png")
    assert (tmp_path / "there.png").read_bytes() == (tmp_path / "here.png").read_bytes()


def test_a_small_picture_starts_no_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "small.png"
    picture(2000, 2000, 1).save(path)
    monkeypatch.setattr(decoding, "CHILD", ("-c", "raise SystemExit(9)"))
    assert decoding.shown_picture("0", path).size == (2000, 2000)
    assert decoding.small_version(path, 100).image.size == (100, 100)
    decoding.write_part(path, (0, 0, 30, 20), tmp_path / "part.png")
    with Image.open(tmp_path / "part.png") as part:
        assert part.size == (30, 20)


def test_what_is_wrong_with_a_large_picture_is_said_as_for_a_small_one(tmp_path: Path) -> None:
    path = tmp_path / "cut.png"
    picture(*WIDE, 1).save(path)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(ImageError) as expected:
        thumbnail.small_version(path, 176)
    for decode in (lambda: decoding.small_version(path, 176), lambda: decoding.shown_picture("0", path)):
        with pytest.raises(ImageError) as caught:
            decode()
        assert str(caught.value) == str(expected.value)


CRASHED = "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"
KILLED = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
CUT = 'print(\'{"size": [2600, 1700], "width": 176, "height": 115, "levels": [[2600, 1700]]}\')'
HUGE = CUT.replace("176", "1000000").replace("[[2600", "[[1000000")


@pytest.mark.skipif(sys.platform == "win32", reason="no signals there")
@pytest.mark.parametrize(
    ("does", "kind", "words"),
    [
        (CRASHED, ImageError, "its decoder ended with signal SIGSEGV"),
        (KILLED, OutOfMemoryError, "not enough memory"),
        ("raise SystemExit(7)", ImageError, "its decoder ended with exit code 7"),
        (CUT, ImageError, "its decoder ended before its end"),
        (HUGE, ImageError, "its decoder says"),
    ],
)
@pytest.mark.parametrize("task", ["shown", "small"])
def test_a_decoder_that_dies_or_lies_costs_its_picture_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, does: str, kind: type[Exception], words: str, task: str
) -> None:
    path = tmp_path / "large.png"
    picture(*WIDE, 1).save(path)
    tasks: dict[str, Callable[[], object]] = {
        "shown": lambda: decoding.shown_picture("0", path),
        "small": lambda: decoding.small_version(path, 176),
    }
    monkeypatch.setattr(decoding, "CHILD", ("-c", does))
    with pytest.raises(kind, match=words):
        tasks[task]()
