"""Decoded images of any mode to 8-bit RGB, band by band so that a large image is in memory only once.

Three things differ from the reference, which calls `convert("RGB")`, on purpose. It cuts values above 255 off, where
deep values are scaled here. It drops transparency, which shows whatever colour lies under transparent pixels, where a
ground is laid under them here. And images beyond `LARGE_PIXELS` are halved.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dsvl2_runtime.notices import Notice

LARGE_PIXELS = 50_000_000
"""Images with more pixels are halved; the model sees far fewer (`geometry.WIDEST_PIXELS` along a side)."""
BAND_PIXELS = 4_000_000
SIXTEEN_BITS = (0, 65535)
WHITE, BLACK, GREY = 255, 0, 128
GROUNDS = {WHITE: "white", BLACK: "black", GREY: "grey"}
OPAQUE = 255
PROBES = 64
"""Pixels along each side that are compared before all of them are."""
PREVIEW_PIXELS = 1_000_000
VISIBLE_STEP = 32
"""Of 255 levels of brightness; a smaller step between neighbours counts as unseen."""
CLEAR_GAIN = 1.25
"""White is left for a ground that shows so many times as many edges."""

Band = Callable[[Image.Image], Image.Image]
"""Converts rows of an image to RGB."""
Deep = NDArray[np.unsignedinteger] | NDArray[np.signedinteger] | NDArray[np.floating]


def to_rgb(
    image: Image.Image, opaque_format: bool = False, *, is_ours: bool = False
) -> tuple[Image.Image, tuple[Notice, ...]]:
    """An image as RGB, halved if it has more than `LARGE_PIXELS`, and what should be said about it.

    Args:
        image: of any mode, decoded.
        opaque_format: its format has an alpha channel by accident, so that nothing need be said if that is empty.
        is_ours: nobody else will change it, so that it need not be copied where it is what is wanted.
    """
    convert, notices = _converter(image, opaque_format)
    if image.mode == "RGB" and not image.has_transparency_data and image.width * image.height <= LARGE_PIXELS:
        return image if is_ours else image.copy(), ()
    factor = 1 if image.width * image.height <= LARGE_PIXELS else 2
    if factor == 1 and image.width * image.height <= BAND_PIXELS:
        return convert(image), notices
    rgb = Image.new("RGB", (-(-image.width // factor), -(-image.height // factor)))
    for top, band in bands(image, factor):
        converted = convert(band)
        rgb.paste(converted if factor == 1 else converted.reduce(factor), (0, top // factor))
    return rgb, notices


def is_uniform(image: Image.Image) -> bool:
    """Whether all pixels of an RGB image have one colour; an image with content is seldom looked at as a whole."""
    coarse = image.resize((min(PROBES, image.width), min(PROBES, image.height)), Image.Resampling.NEAREST)
    return all(
        all(low == high for low, high in cast("tuple[tuple[int, int], ...]", each.getextrema()))
        for each in (coarse, image)
    )


def bands(image: Image.Image, multiple: int = 1, band_pixels: int | None = None) -> Iterator[tuple[int, Image.Image]]:
    """Pieces of about `band_pixels`, or `BAND_PIXELS`, and the row where each begins: a multiple of `multiple`.

    They are to be read only: where there is one, it is the image itself.
    """
    rows = max(1, (band_pixels or BAND_PIXELS) // image.width // multiple) * multiple
    for top in range(0, image.height, rows):
        yield top, image if rows >= image.height else image.crop((0, top, image.width, min(top + rows, image.height)))


def _converter(image: Image.Image, opaque_format: bool) -> tuple[Band, tuple[Notice, ...]]:
    if image.mode.startswith("I") or image.mode == "F":
        own = ((0.0, 1.0), (0.0, 255.0)) if image.mode == "F" else (SIXTEEN_BITS,)
        used = value_range(np.asarray(band) for _, band in bands(image))
        notices = () if used in own else (stretched_notice(used),)
        return lambda band: Image.fromarray(to_8_bits(np.asarray(band), used)).convert("RGB"), notices
    if image.has_transparency_data:
        return _ground_converter(image, opaque_format)
    return lambda band: band.convert("RGB"), ()


def value_range(pieces: Iterator[Deep]) -> tuple[float, float]:
    """The values that shall become black and white, from all the values of an image.

    They are 0 and the largest number of as many bits as the values need (1.0 where no value is larger), so that 12 bits
    in a file of 16 are shown like 8 bits in a file of 8. Where the values take less than a quarter of that, or some are
    negative, it is the values' own range.
    """
    lowest, highest = math.inf, -math.inf
    for values in pieces:
        finite = values[np.isfinite(values)] if values.dtype.kind == "f" else values
        if finite.size:
            lowest, highest = min(lowest, float(finite.min())), max(highest, float(finite.max()))
    is_float = values.dtype.kind == "f"
    if lowest >= highest:  # nothing to see, so nothing is stretched
        return ((0.0, 1.0) if highest <= 1 else (0.0, 255.0)) if is_float else SIXTEEN_BITS
    full = 1.0 if is_float and highest <= 1 else float((1 << int(highest).bit_length()) - 1)
    return (lowest, highest) if lowest < 0 or (highest - lowest) * 4 < full else (0.0, full)


def stretched_notice(used: tuple[float, float]) -> Notice:
    """That an image has been made brighter or darker than it is stored."""
    return Notice("image.stretched", {"lowest": round(used[0], 6), "highest": round(used[1], 6)})


def to_8_bits(values: Deep, used: tuple[float, float]) -> NDArray[np.uint8]:
    """Values scaled so that `used` becomes 0 and 255; what is outside is cut off, and NaN becomes 0."""
    if used == SIXTEEN_BITS and values.dtype.kind != "f":
        return (np.clip(values, *SIXTEEN_BITS) // (SIXTEEN_BITS[1] // 255)).astype(np.uint8)
    low, high = used
    scaled = values.astype(np.float32)
    scaled -= low
    scaled *= np.float32(255 / (high - low))
    np.nan_to_num(scaled, copy=False, nan=0.0)
    return np.clip(np.rint(scaled, out=scaled), 0, 255, out=scaled).astype(np.uint8)


def _ground_converter(image: Image.Image, opaque_format: bool) -> tuple[Band, tuple[Notice, ...]]:
    lowest, highest = _opacity_range(image)
    if lowest == OPAQUE or (highest == 0 and _has_colours(image)):
        is_told = highest == 0 and not opaque_format
        return _without_alpha, (Notice("image.alpha_ignored"),) if is_told else ()
    ground = _best_ground(image)
    notices = () if ground == WHITE else (Notice("image.ground", {"ground": GROUNDS[ground]}),)

    def on_ground(band: Image.Image) -> Image.Image:
        layer = band.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", layer.size, (ground, ground, ground, 255)), layer).convert("RGB")

    return on_ground, notices


def _without_alpha(band: Image.Image) -> Image.Image:
    return band.convert("RGBA").convert("RGB")


def _opacity_range(image: Image.Image) -> tuple[int, int]:
    """The lowest and the highest alpha value."""
    lowest, highest = OPAQUE, 0
    for _, band in bands(image):
        alpha = np.asarray(band.convert("RGBA").getchannel("A"))
        lowest, highest = min(lowest, int(alpha.min())), max(highest, int(alpha.max()))
    return lowest, highest


def _has_colours(image: Image.Image) -> bool:
    """Whether there is more than one colour under a transparent image."""
    extrema = [_without_alpha(band).getextrema() for _, band in bands(image)]
    return any(len({value for piece in channel for value in piece}) > 1 for channel in zip(*extrema, strict=True))


def _best_ground(image: Image.Image) -> int:
    """White, or the ground on which clearly more edges of a partly transparent image can be seen.

    Light text on white is unseen, while a photograph with round corners has its edges inside.
    """
    colour, alpha = _preview(image)
    shown = {ground: _edges(colour + (ground * (255 - alpha) + 127) // 255) for ground in GROUNDS}
    best = max(shown, key=lambda ground: shown[ground])
    return best if shown[best] > CLEAR_GAIN * shown[WHITE] else WHITE


def _preview(image: Image.Image) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Brightness times opacity, and opacity, both [height, width] int32 in 0..255, of at most `PREVIEW_PIXELS`."""
    factor = math.ceil(math.sqrt(image.width * image.height / PREVIEW_PIXELS))
    pieces = [np.asarray(band.convert("RGBA").convert("RGBa").reduce(factor)) for _, band in bands(image, factor)]
    pixels = np.concatenate(pieces).astype(np.int32)
    red, green, blue, alpha = np.moveaxis(pixels, 2, 0)
    return (299 * red + 587 * green + 114 * blue) // 1000, alpha


def _edges(brightness: NDArray[np.int32]) -> int:
    """Pairs of neighbours with a step that can be seen."""
    return sum(int((np.abs(np.diff(brightness, axis=axis)) >= VISIBLE_STEP).sum()) for axis in (0, 1))
