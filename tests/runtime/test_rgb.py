"""Any mode to RGB: depth, transparency, and what is said about it."""

from __future__ import annotations

import struct
import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from dsvl2_runtime.inputs import rgb
from dsvl2_runtime.inputs.images import DecodedImage, decode_image, open_image
from dsvl2_runtime.notices import Notice
from image_files import encoded, png_16, tiff_16
from small_models import picture


def grey_of(found: DecodedImage) -> NDArray[np.int32]:
    pixels = np.asarray(found.image, np.int32)
    assert (pixels == pixels[..., :1]).all()
    return pixels[..., 0]


MODES = ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "HSV", "LAB", "I", "I;16", "F"]


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_becomes_rgb(mode: str) -> None:
    """White stays white, in 1 bit, palettes, CMYK, 16 bit and floats."""
    if mode in ("I", "I;16"):
        image = Image.fromarray(np.full((4, 5), 65535, np.uint16 if mode == "I;16" else np.int32))
    elif mode == "F":
        image = Image.fromarray(np.full((4, 5), 255.0, np.float32))
    elif mode in ("LAB", "HSV"):
        image = Image.new(mode, (5, 4), (255, 128, 128) if mode == "LAB" else (0, 0, 255))
    else:
        image = Image.new("RGB", (5, 4), (255, 255, 255)).convert("P" if mode == "PA" else mode)
        if mode == "PA":
            image = image.convert("PA")
    found = open_image(image)
    assert (found.mode, found.size) == ("RGB", (5, 4))
    assert np.asarray(found).min() >= 250


def test_sixteen_bit_grey_keeps_its_shades() -> None:
    """A scanner's 16 bits are scaled, not cut off at 255."""
    shades = np.array([[0, 32768, 65535]], np.uint16)
    found = np.asarray(open_image(encoded(Image.fromarray(shades))))[0, :, 0]
    assert found.tolist() == [0, 127, 255] or found.tolist() == [0, 128, 255]


@pytest.mark.parametrize("kind", [np.uint16, np.int32, np.float32])
def test_sixteen_bits_take_little_memory(kind: Any) -> None:
    """At most 16 bytes a pixel beside the picture itself; numbers of 64 bits would take 24 and more."""
    image = Image.fromarray(np.full((600, 1000), 500, kind))
    tracemalloc.start()
    open_image(image)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 16 * 600 * 1000


def test_what_is_transparent_is_white() -> None:
    """Not the colour that happens to lie under transparent pixels."""
    image = Image.new("RGBA", (3, 1), (255, 0, 0, 0))
    image.putpixel((1, 0), (255, 0, 0, 255))
    assert np.asarray(open_image(encoded(image)))[0].tolist() == [[255] * 3, [255, 0, 0], [255] * 3]


RAMP = np.linspace(0, 1, 256).reshape(16, 16)


@pytest.mark.parametrize("bits", [5, 8, 10, 12, 14, 15])
@pytest.mark.parametrize("form", ["PNG", "TIFF"])
def test_fewer_bits_in_a_file_of_sixteen_are_stretched(bits: int, form: str) -> None:
    """A camera's 12 bits are as bright as 8 bits would be, and a notice names the values."""
    full = 2**bits - 1
    values = np.rint(RAMP * full).astype(np.uint16)
    found = decode_image(encoded(Image.fromarray(values), form))
    assert np.abs(grey_of(found) - values * (255 / full)).max() <= 0.5
    assert found.notices == (Notice("image.stretched", {"lowest": 0, "highest": full}),)


def test_a_whole_range_of_sixteen_bits_is_scaled_and_nothing_is_said() -> None:
    """Bit for bit: the upper byte's shade, for every value that there is."""
    values = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    for source in (encoded(Image.fromarray(values)), Image.fromarray(values.astype(np.int32))):
        found = decode_image(source)
        assert np.array_equal(grey_of(found), values // 257)
        assert found.notices == ()
    dark = np.minimum(values, 33_000)  # half as bright, and still with the first bit
    assert np.array_equal(grey_of(decode_image(Image.fromarray(dark))), dark // 257)


def test_big_endian_values_are_the_same() -> None:
    """A TIFF that begins with MM."""
    values = np.arange(256, dtype=np.uint16).reshape(16, 16) * 16
    image = Image.frombytes("I;16B", (16, 16), values.astype(">u2").tobytes())
    found = decode_image(encoded(image, "TIFF"))
    assert np.abs(grey_of(found) - values * (255 / 4095)).max() <= 0.5
    assert [notice.code for notice in found.notices] == ["image.stretched"]


def test_the_source_keeps_its_pixels() -> None:
    """What is done to the decoded image, such as making a thumbnail, does not touch the image that was given."""
    image = picture(20, 10, 3)
    decode_image(image).image.paste((1, 2, 3), (0, 0, 20, 10))
    assert np.array_equal(np.asarray(image), np.asarray(picture(20, 10, 3)))


@pytest.mark.parametrize("kind", [np.int32, np.float32])
@pytest.mark.parametrize("form", ["TIFF", None])
def test_eight_bits_in_a_file_of_thirty_two_are_shown_as_they_are(kind: Any, form: str | None) -> None:
    """As the reference shows them; they were black."""
    values = np.rint(RAMP * 255)
    image = Image.fromarray(values.astype(kind))
    found = decode_image(encoded(image, form) if form else image)
    assert np.array_equal(grey_of(found), values)
    said = (Notice("image.stretched", {"lowest": 0, "highest": 255}),) if kind is np.int32 else ()
    assert found.notices == said


@pytest.mark.parametrize(
    ("values", "used"),
    [
        (29_000 + RAMP * 2_000, (29_000, 31_000)),  # a thermal camera, in hundredths of a kelvin
        (-1024 + RAMP * 4_095, (-1024, 3_071)),  # a tomograph
        (RAMP * (2**31 - 1), (0, 2**31 - 1)),
    ],
    ids=["thermal", "tomograph", "all of 32 bits"],
)
def test_values_far_from_zero_are_stretched_over_their_own_range(values: Any, used: tuple[float, float]) -> None:
    """Of them nothing would be left in 8 bits."""
    found = decode_image(Image.fromarray(values.astype(np.int32)))
    assert np.abs(grey_of(found) - np.rint(RAMP * 255)).max() <= 1
    assert found.notices == (Notice("image.stretched", {"lowest": used[0], "highest": used[1]}),)


def test_floats_from_zero_to_one_and_beyond() -> None:
    """NaN is black, infinity white, and neither decides the range of the others."""
    values = RAMP.astype(np.float32)
    assert np.abs(grey_of(decode_image(Image.fromarray(values))) - RAMP * 255).max() <= 0.5
    assert decode_image(Image.fromarray(values)).notices == ()
    dim = decode_image(Image.fromarray(values / 50))
    assert np.abs(grey_of(dim) - RAMP * 255).max() <= 0.5
    assert [notice.code for notice in dim.notices] == ["image.stretched"]
    values[3, :3] = np.nan, np.inf, -np.inf
    found = grey_of(decode_image(Image.fromarray(values)))
    assert found[3, :3].tolist() == [0, 255, 0]
    assert found[15, 15] == 255
    assert grey_of(decode_image(Image.fromarray(np.full((3, 3), np.nan, np.float32)))).max() == 0


@pytest.mark.parametrize("channels", [2, 3, 4])
@pytest.mark.parametrize("full", [255, 4095])
def test_colours_of_sixteen_bits_that_use_the_lower_ones(channels: int, full: int) -> None:
    """Pillow keeps the upper byte of each channel, in which 8 or 12 bits are black."""
    values = np.rint(np.stack([RAMP, RAMP[::-1], RAMP.T, RAMP * 0][: channels - 1 if channels != 3 else 3], 2) * full)
    if channels != 3:
        values = np.concatenate([values[..., : channels - 1], np.full((16, 16, 1), 65535)], 2)
    found = decode_image(png_16(values.astype(np.uint16)))
    expected = values[..., : 1 if channels == 2 else 3] * (255 / full)
    assert np.abs(np.asarray(found.image, np.int32) - expected).max() <= 0.5
    assert found.notices == (Notice("image.stretched", {"lowest": 0, "highest": full}),)
    whole = values.copy()
    whole[..., :1] *= 65535 // full
    kept = decode_image(png_16(whole.astype(np.uint16)))
    assert kept.notices == ()
    assert np.array_equal(np.asarray(kept.image)[..., 0], whole[..., 0].astype(np.uint16) >> 8)


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "deflated"])
@pytest.mark.parametrize("order", ["<", ">"], ids=["little-endian", "big-endian"])
def test_tiffs_with_colours_of_sixteen_bits(order: str, packed: bool) -> None:
    """Read by Pillow itself or by libtiff, in either order of bytes."""
    values = np.rint(np.stack([RAMP, RAMP[::-1], RAMP.T], 2) * 4095).astype(np.uint16)
    found = decode_image(tiff_16(values, order, packed))
    assert np.abs(np.asarray(found.image, np.int32) - values * (255 / 4095)).max() <= 0.5
    assert found.notices == (Notice("image.stretched", {"lowest": 0, "highest": 4095}),)
    whole = decode_image(tiff_16(values * 16, order, packed))
    assert np.array_equal(np.asarray(whole.image), values * 16 >> 8)
    assert whole.notices == ()


def lettering(colour: tuple[int, int, int], size: tuple[int, int] = (120, 40)) -> Image.Image:
    """Text on transparent ground, whose transparent pixels are of the same colour."""
    image = Image.new("RGBA", size, (*colour, 0))
    draw = ImageDraw.Draw(image)
    for row in range(4, size[1] - 8, 10):
        draw.text((4, row), "Total 42.50 EUR", (*colour, 255))
    return image


@pytest.mark.parametrize(
    ("colour", "ground"),
    [((255, 255, 255), 0), ((250, 250, 200), 0), ((255, 255, 0), 0), ((0, 0, 0), 255), ((200, 0, 0), 255),
     ((0, 0, 255), 255), ((120, 120, 120), 255)],
)  # fmt: skip
@pytest.mark.parametrize("form", ["PNG", "WEBP", "LA"])
def test_the_ground_of_transparent_lettering_lets_it_be_seen(
    colour: tuple[int, int, int], ground: int, form: str
) -> None:
    """White as ever for dark letters; black, with a notice, for letters that would be white on white."""
    image = lettering(colour)
    if form == "LA":
        image = image.convert("LA")
    found = decode_image(encoded(image, "WEBP", lossless=True) if form == "WEBP" else encoded(image))
    assert found.image.getpixel((0, 0)) == (ground, ground, ground)
    contrast = np.abs(np.asarray(found.image.convert("L"), np.int32) - ground).max()
    assert contrast > 70
    said = () if ground == 255 else (Notice("image.ground", {"ground": "black"}),)
    assert found.notices == said


def test_a_ground_on_which_both_light_and_dark_can_be_seen() -> None:
    """A logo with white and black letters would lose one of them on either."""
    image = Image.new("RGBA", (240, 40), (0, 0, 0, 0))
    image.paste(lettering((255, 255, 255)), (0, 0))
    image.paste(lettering((0, 0, 0)), (120, 0))
    found = decode_image(encoded(image))
    assert found.image.getpixel((0, 0)) == (128, 128, 128)
    assert found.notices == (Notice("image.ground", {"ground": "grey"}),)


def test_a_white_window_with_round_corners_stays_on_white() -> None:
    """Its content is inside; the corners say nothing."""
    window = Image.new("RGBA", (200, 100), (255, 255, 255, 255))
    ImageDraw.Draw(window).text((20, 30), "File Edit View Search", (0, 0, 0, 255))
    for corner in ((0, 0), (199, 0), (0, 99), (199, 99)):
        window.putpixel(corner, (0, 0, 0, 0))
    found = decode_image(encoded(window))
    assert found.image.getpixel((0, 0)) == (255, 255, 255)
    assert found.notices == ()


@pytest.mark.parametrize("masks", [(0xFF0000, 0xFF00, 0xFF, 0xFF000000), (0, 0, 0, 0)], ids=["masks", "no masks"])
def test_a_bitmap_that_is_transparent_everywhere_shows_its_colours(masks: tuple[int, ...]) -> None:
    """The print-screen key writes 32 bits and leaves the fourth byte empty."""
    image = picture(20, 10, 3)
    pixels = np.zeros((10, 20, 4), np.uint8)
    pixels[..., :3] = np.asarray(image)[::-1, :, ::-1]
    header = struct.pack("<IiiHHIIiiII", 124, 20, 10, 1, 32, 3, pixels.nbytes, 0, 0, 0, 0)
    header += struct.pack("<4I", *masks).ljust(124 - 40, b"\0")
    data = b"BM" + struct.pack("<IHHI", 14 + 124 + pixels.nbytes, 0, 0, 14 + 124) + header + pixels.tobytes()
    found = decode_image(data)
    assert np.array_equal(np.asarray(found.image), np.asarray(image))
    assert found.notices == ()


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_an_alpha_channel_that_hides_nothing_changes_nothing(mode: str) -> None:
    """As screenshots have it: every pixel is as without it, light pictures included."""
    image = Image.fromarray(np.clip(np.asarray(picture(20, 10, 3), np.int32) + 60, 0, 255).astype(np.uint8))
    plain = image.convert({"RGBA": "RGB", "LA": "L", "P": "P"}[mode])
    found = decode_image(encoded(plain, transparency=255) if mode == "P" else encoded(plain.convert(mode)))
    assert np.array_equal(np.asarray(found.image), np.asarray(plain.convert("RGB")))
    assert found.notices == ()


def test_other_images_that_are_transparent_everywhere() -> None:
    """Colours under them are shown, which is said; where there is one colour only, nothing is to be seen: white."""
    image = picture(20, 10, 3)
    image.putalpha(0)
    found = decode_image(encoded(image))
    assert np.array_equal(np.asarray(found.image), np.asarray(picture(20, 10, 3)))
    assert found.notices == (Notice("image.alpha_ignored"),)
    empty = decode_image(Image.new("RGBA", (20, 10), (0, 0, 0, 0)))
    assert np.asarray(empty.image).min() == 255
    assert empty.notices == ()


MANY = [*MODES, "RGBa"]


@settings(deadline=None)
@given(st.sampled_from(MANY), st.integers(1, 40), st.integers(1, 40), st.integers(1, 400), st.integers(0, 2**32 - 1))
def test_bands_make_no_difference(mode: str, width: int, height: int, band: int, seed: int) -> None:
    """Whatever the height of the bands, every mode becomes the same as at once."""
    generator = np.random.default_rng(seed)
    if mode in ("I", "I;16", "F"):
        kind = {"I": np.int32, "I;16": np.uint16, "F": np.float32}[mode]
        image = Image.fromarray(generator.integers(0, 5000, (height, width)).astype(kind))
    else:
        image = Image.fromarray(generator.integers(0, 256, (height, width, 4), np.uint8))
        if mode in ("HSV", "LAB", "CMYK", "YCbCr"):
            image = Image.frombytes(mode, image.size, image.convert("CMYK" if mode == "CMYK" else "RGB").tobytes())
        elif mode != "RGBA":
            for step in ("P", "PA") if mode == "PA" else (mode,):
                image = image.convert(step)
    at_once, notices = rgb.to_rgb(image)
    whole = rgb.BAND_PIXELS
    try:
        rgb.BAND_PIXELS = band
        in_bands, said = rgb.to_rgb(image)
    finally:
        rgb.BAND_PIXELS = whole
    assert np.array_equal(np.asarray(at_once), np.asarray(in_bands))
    assert said == notices
