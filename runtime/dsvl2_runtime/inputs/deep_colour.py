"""Colour images with 16 bits a channel that use only the lower bits, such as 12-bit values of a camera.

Pillow keeps the upper eight bits of each channel, in which such an image is black. It reads the lower eight bits when
it takes the bytes of each value in the other order, so both halves together are the values of the file.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dsvl2_runtime.inputs.rgb import SIXTEEN_BITS, bands, stretched_notice, to_8_bits, value_range
from dsvl2_runtime.notices import Notice

_SWAPPED_NATIVE = "16B" if sys.byteorder == "little" else "16L"
GREY_WITH_ALPHA = "LA;16B"
SWAPPED = {
    "RGB;16B": "RGB;16L",
    "RGB;16L": "RGB;16B",
    "RGB;16N": f"RGB;{_SWAPPED_NATIVE}",
    "RGBA;16B": "RGBA;16L",
    "RGBA;16L": "RGBA;16B",
    "RGBA;16N": f"RGBA;{_SWAPPED_NATIVE}",
    GREY_WITH_ALPHA: "RGBA",
}
"""Pillow's names of 16-bit layouts (big-endian, little-endian, as the machine has it) to those of the other order; grey
with alpha has no other order, but its four bytes can be read as four channels."""
UPPER_HALF = 128
"""An upper byte from here on means that the value's first bit is used."""
COLOURS = 3


def low_byte_tiles(image: Image.Image) -> list[Any] | None:
    """How to decode the lower bytes of a colour image that is not decoded yet; None where it has no 16-bit channels."""
    tiles = []
    for tile in getattr(image, "tile", ()):
        layout, *more = (tile.args,) if isinstance(tile.args, str) else tile.args or ("",)
        if layout not in SWAPPED:
            return None
        tiles.append(tile._replace(args=(SWAPPED[layout], *more) if more else SWAPPED[layout]))
    return tiles or None


def decode_low_bytes(image: Any, tiles: list[Any]) -> Image.Image:
    """The lower bytes of an image, which is opened and not decoded, in the channels of the upper ones."""
    was_grey = image.tile[0].args == GREY_WITH_ALPHA
    image.tile = tiles
    image.load()
    if was_grey:
        lower, alpha = image.getchannel(1), image.getchannel(3)
        return Image.merge("RGBA", (lower, lower, lower, alpha))
    decoded: Image.Image = image
    return decoded


def with_low_bytes(high: Image.Image, decode_low: Callable[[], Image.Image]) -> tuple[Image.Image, tuple[Notice, ...]]:
    """A decoded image of upper bytes, or the image that its full values make where the upper bytes are nearly empty.

    Args:
        high: RGB or RGBA, as Pillow decodes 16-bit channels.
        decode_low: decodes the same image with `low_byte_tiles`; called only where it is needed.
    """
    if int(np.asarray(high.getextrema())[:COLOURS].max()) >= UPPER_HALF:
        return high, ()
    low = decode_low()

    def pieces() -> Iterator[NDArray[np.uint16]]:
        for (_, upper), (_, lower) in zip(bands(high), bands(low), strict=True):
            yield np.asarray(upper)[..., :COLOURS].astype(np.uint16) * 256 + np.asarray(lower)[..., :COLOURS]

    used = value_range(pieces())
    if used == SIXTEEN_BITS:
        return high, ()
    stretched = high.copy()
    for (top, upper), values in zip(bands(high), pieces(), strict=True):
        band = Image.fromarray(to_8_bits(values, used))
        if high.mode == "RGBA":
            band.putalpha(upper.getchannel("A"))
        stretched.paste(band, (0, top))
    return stretched, (stretched_notice(used),)
