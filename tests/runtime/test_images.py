"""Images that nobody vouches for: sources, damage, limits."""

from __future__ import annotations

import io
import os
import re
import struct
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from dsvl2_runtime.errors import ImageError, OutOfMemoryError
from dsvl2_runtime.geometry import LARGEST_PIXELS
from dsvl2_runtime.inputs.images import (
    ImageSource,
    check_image,
    decode_image,
    open_image,
)
from dsvl2_runtime.inputs.tiling import pad_to
from image_files import codes, encoded, png_header
from small_models import picture

PLAIN = picture(60, 40, 1)

BROKEN = {
    "empty": (b"", "empty file"),
    "text": (b"this is no picture", "a text"),
    "unknown": (bytes(range(256)), "not a picture of a known format"),
    "broken header": (b"\x89PNG\r\n\x1a\n nothing more", "damaged"),
    "cut png": (encoded(PLAIN)[:300], "damaged"),
    "cut jpeg": (encoded(PLAIN, "JPEG")[:400], "damaged"),
    "bomb": (png_header(20_000, 20_000), "pixels"),
    "huge bomb": (png_header(2**31 - 1, 2**31 - 1), "pixels"),
    "nothing after the header": (png_header(50, 50), "damaged"),
}


@pytest.mark.parametrize("kind", BROKEN)
@pytest.mark.parametrize("as_file", [True, False], ids=["file", "bytes"])
def test_broken_images_are_refused_by_name(tmp_path: Path, kind: str, as_file: bool) -> None:
    """The error is ours, says what is wrong, and names the file, whatever its ending promises."""
    data, wrong = BROKEN[kind]
    path = tmp_path / "picture.png"
    path.write_bytes(data)
    with pytest.raises(ImageError) as caught:
        open_image(path if as_file else data)
    assert wrong in str(caught.value)
    assert ("picture.png" in str(caught.value)) == as_file
    assert caught.value.exit_code == 5


FORMS = {
    "png": encoded(PLAIN),
    "palette": encoded(PLAIN.quantize(16), transparency=3),
    "animated png": encoded(PLAIN, save_all=True, append_images=[PLAIN.rotate(90)]),
    "jpeg": encoded(PLAIN, "JPEG"),
    "cmyk": encoded(PLAIN.convert("CMYK"), "JPEG"),
    "webp": encoded(PLAIN, "WEBP"),
    "bmp": encoded(PLAIN, "BMP"),
    "gif": encoded(PLAIN, "GIF", save_all=True, append_images=[PLAIN.rotate(90)]),
    "tiff": encoded(PLAIN, "TIFF"),
    "pages": encoded(PLAIN, "TIFF", save_all=True, append_images=[PLAIN]),
    "lzw tiff": encoded(PLAIN, "TIFF", compression="tiff_lzw"),
    "deep tiff": encoded(Image.fromarray(np.arange(2400, dtype=np.uint16).reshape(40, 60)), "TIFF"),
    "avif": encoded(PLAIN, "AVIF"),
    "mpo": encoded(PLAIN, "MPO", save_all=True, append_images=[PLAIN]),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("form", FORMS)
def test_no_damage_escapes_as_a_foreign_error(form: str) -> None:
    """Bytes changed, cut, taken out, at random: a picture or an error of ours, whatever the decoder would raise."""
    generator = np.random.default_rng(len(form))
    outcomes = set()
    for _ in range(250):
        data = bytearray(FORMS[form])
        for _ in range(int(generator.integers(1, 6))):
            # Half of the damage goes into the headers, where it hurts most.
            at = int(generator.integers(0, len(data) if generator.random() < 0.5 else min(len(data), 200)))
            kind = generator.integers(4)
            if kind < 2:
                data[at] = int(generator.integers(256))
            elif kind == 2:
                data[at : at + 4] = struct.pack("<I", int(generator.choice([0, 2**31, 2**32 - 1])))
            else:
                del data[at : at + int(generator.integers(1, 20))]
            if not data:
                break
        try:
            outcomes.add(open_image(bytes(data)).mode)
        except ImageError as error:
            outcomes.add(type(error).__name__)
    assert "ImageError" in outcomes
    assert outcomes <= {"RGB", "ImageError"}


def test_damage_after_the_first_page_costs_nothing() -> None:
    """Only the first page is looked at, so what is wrong with the others does not matter."""
    pages = FORMS["pages"]
    width = re.compile(rb"\x00\x01[\x03\x04]\x00\x01\x00\x00\x00")  # a page's width: tag, type, count
    places = [found.start() for found in width.finditer(pages)]
    assert len(places) == 2
    found = decode_image(pages[: places[1]] + b"\x77" + pages[places[1] + 1 :])
    assert np.array_equal(np.asarray(found.image), np.asarray(PLAIN))
    assert codes(found) == ["image.first_page"]
    whole = FORMS["gif"]
    assert codes(decode_image(whole)) == ["image.first_frame"]
    outcomes: set[object] = set()
    for end in range(len(whole) // 2, len(whole)):
        try:
            outcomes.add(open_image(whole[:end]).size)
        except ImageError as error:
            outcomes.add("damaged" in str(error))
    assert outcomes == {True, PLAIN.size}


@pytest.mark.filterwarnings("error")
def test_damaged_exif_does_not_spoil_a_whole_image() -> None:
    """The pixels are there; how the camera was held is then not known, and an odd tag beside it does not matter."""
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010E] = "a text"
    for data, turned in ((exif.tobytes(), True), (b"Exif\0\0II*\0\xff\xff\xff\xff", False), (b"Exif\0\0xx", False)):
        found = decode_image(encoded(PLAIN, "JPEG", exif=data))
        assert found.size == found.image.size == (PLAIN.size[::-1] if turned else PLAIN.size)
    damaged = decode_image(encoded(PLAIN, "PNG", exif=b"Exif\0\0xx"))
    assert np.array_equal(np.asarray(damaged.image), np.asarray(PLAIN))
    assert codes(damaged) == ["image.exif_damaged"]


def test_a_bomb_is_refused_before_its_pixels_are_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The header alone decides: decoding must not even begin."""

    def decoded(*_: object, **__: object) -> None:
        raise AssertionError("pixels were decoded")

    monkeypatch.setattr(Image.Image, "load", decoded)
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", decoded)
    side = int(LARGEST_PIXELS**0.5) + 1
    with pytest.raises(ImageError, match="pixels"):
        open_image(png_header(side, side))


def test_paths_that_are_no_images(tmp_path: Path) -> None:
    """Missing, a folder, an endless device, a name with a zero byte."""
    for path in (tmp_path / "none.png", tmp_path, "a\0b.png"):
        with pytest.raises(ImageError):
            open_image(path)
    if sys.platform != "win32":
        os.mkfifo(tmp_path / "pipe")
        for path in (tmp_path / "pipe", Path("/dev/zero")):
            with pytest.raises(ImageError, match="not a regular file"):
                open_image(path)


@pytest.mark.parametrize("error", [MemoryError(), OSError("out of memory when reading image file")])
def test_too_little_memory_is_no_damage(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """Saving the picture again would not help."""

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(Image.Image, "load", fail)
    with pytest.raises(OutOfMemoryError):
        open_image(Image.new("RGB", (5, 5)))


def test_a_check_looks_at_the_header_alone(tmp_path: Path) -> None:
    """What the header tells is refused; what only decoding would tell is not, and the pixels are not looked at."""
    path = tmp_path / "picture.png"
    side = int(LARGEST_PIXELS**0.5) + 1
    for data, refused in ((png_header(side, side), True), (b"text", True), (BROKEN["cut png"][0], False)):
        path.write_bytes(data)
        with pytest.raises(ImageError) if refused else nullcontext():
            check_image(path)
    with pytest.raises(ImageError, match="no such file"):
        check_image(tmp_path / "none.png")


@pytest.mark.parametrize("orientation", range(1, 9))
def test_images_are_turned_upright(orientation: int) -> None:
    """A phone's picture is turned as its EXIF says, so that boxes lie where a person sees them."""
    upright = Image.new("RGB", (30, 20), (255, 255, 255))
    upright.paste((0, 0, 0), (0, 0, 10, 5))
    undone = {
        1: [], 2: [Image.Transpose.FLIP_LEFT_RIGHT], 3: [Image.Transpose.ROTATE_180],
        4: [Image.Transpose.FLIP_TOP_BOTTOM], 5: [Image.Transpose.TRANSPOSE], 6: [Image.Transpose.ROTATE_90],
        7: [Image.Transpose.TRANSVERSE], 8: [Image.Transpose.ROTATE_270],
    }  # fmt: skip
    stored = upright
    for step in undone[orientation]:
        stored = stored.transpose(step)
    exif = Image.Exif()
    exif[0x0112] = orientation
    found = open_image(encoded(stored, "PNG", exif=exif))
    assert np.array_equal(np.asarray(found), np.asarray(upright))


FRAMES = [Image.new("RGB", (6, 6), colour) for colour in ((255, 0, 0), (0, 255, 0))]


@pytest.mark.parametrize(
    ("form", "code"),
    [
        ("GIF", "frame"),
        ("PNG", "frame"),
        ("WEBP", "frame"),
        ("AVIF", "frame"),
        ("TIFF", "page"),
    ],
)
def test_only_the_first_frame_counts(form: str, code: str, caplog: pytest.LogCaptureFixture) -> None:
    """A notice says that there are more; nothing is logged, and a file with one frame is quiet."""
    options: dict[str, dict[str, Any]] = {"WEBP": {"lossless": True}, "AVIF": {"quality": 100}}
    quality = options.get(form, {})
    found = decode_image(encoded(FRAMES[0], form, save_all=True, append_images=FRAMES[1:], **quality))
    assert np.abs(np.asarray(found.image, np.int32)[3, 3] - (255, 0, 0)).max() < 8
    assert codes(found) == [f"image.first_{code}"]
    assert codes(decode_image(encoded(FRAMES[0], form, **quality))) == []
    assert caplog.text == ""


def test_a_phones_jpeg_with_a_second_image_is_quiet(caplog: pytest.LogCaptureFixture) -> None:
    """MPO: after the JPEG come smaller or deeper versions of the same picture."""
    data = encoded(PLAIN, "MPO", save_all=True, append_images=[PLAIN.resize((30, 20))])
    assert Image.open(io.BytesIO(data)).format == "MPO"
    found = decode_image(data)
    assert found.size == PLAIN.size
    assert codes(found) == []
    assert caplog.text == ""


def test_avif_is_read() -> None:
    """Upright, too: its own turn and that of EXIF come to the same."""
    found = open_image(encoded(PLAIN, "AVIF", quality=100, subsampling="4:4:4"))
    assert np.abs(np.asarray(found, np.int32) - np.asarray(PLAIN)).mean() < 3
    exif = Image.Exif()
    exif[0x0112] = 6
    assert open_image(encoded(PLAIN, "AVIF", exif=exif)).size == PLAIN.size[::-1]


@pytest.mark.parametrize("tile", [384, 224, 70])
def test_shapes_at_the_limit(tile: int) -> None:
    """A single pixel is a picture; one whose shorter side rounds to nothing in the global view would be plain grey."""
    assert open_image(Image.new("RGB", (1, 1)), tile).size == (1, 1)
    for turn in (False, True):
        last, first = [(1, side) if turn else (side, 1) for side in (2 * tile - 1, 2 * tile)]
        seen = np.asarray(pad_to(open_image(Image.new("RGB", last), tile), tile, tile))
        assert (seen == 0).all(axis=2).sum() == tile
        assert (np.asarray(pad_to(Image.new("RGB", first), tile, tile)) == 127).all()
        with pytest.raises(ImageError, match="narrow"):
            open_image(Image.new("RGB", first), tile)


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((4, 4, 3), np.float32),
        np.zeros((4, 4, 2), np.uint8),
        np.zeros((0, 4, 3), np.uint8),
        np.zeros(4, np.uint8),
        None,
        5,
        bytearray(b"x"),
    ],
    ids=["float", "two channels", "empty", "flat", "None", "int", "bytearray"],
)
def test_arrays_of_another_form_are_refused(array: Any) -> None:
    """A float array from 0 to 1 would be black without a word."""
    with pytest.raises(ImageError, match="array"):
        open_image(array)


def test_arrays_and_files_give_the_same_image(tmp_path: Path) -> None:
    """Path, string, bytes, array, Pillow."""
    path = tmp_path / "ein Bild 图.png"
    PLAIN.save(path)
    sources: list[ImageSource] = [path, str(path), path.read_bytes(), np.asarray(PLAIN), PLAIN]
    for source in sources:
        assert np.array_equal(np.asarray(open_image(source)), np.asarray(PLAIN))
