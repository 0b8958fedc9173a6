"""PNGs whose metadata is larger than their pixels."""

from __future__ import annotations

import io
import zlib

import numpy as np
import pytest

from dsvl2_runtime.errors import ImageError
from dsvl2_runtime.inputs.images import decode_image
from dsvl2_runtime.inputs.png_texts import LONGEST, MOST_CHUNKS, without_long_texts
from small_models import picture

SOURCE = picture(40, 30, 3)
LONG = zlib.compress(b"x" * 3_000_000)


def png() -> bytes:
    out = io.BytesIO()
    SOURCE.save(out, "PNG")
    return out.getvalue()


def chunk(name: bytes, data: bytes) -> bytes:
    return len(data).to_bytes(4) + name + data + zlib.crc32(name + data).to_bytes(4)


def with_chunks(*chunks: bytes, at_the_end: bool = False) -> bytes:
    """Behind the header, or before the last chunk."""
    plain = png()
    place = len(plain) - 12 if at_the_end else 8 + 25
    return plain[:place] + b"".join(chunks) + plain[place:]


@pytest.mark.parametrize("at_the_end", [False, True])
@pytest.mark.parametrize(
    "chunks",
    [
        [chunk(b"zTXt", b"mxGraphModel\0\0" + LONG)],
        [chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + LONG)],
        [chunk(b"iCCP", b"a profile\0\0" + LONG)],
        [chunk(b"tEXt", b"drawing\0" + b"y" * 70_000_000)],
        [chunk(b"zTXt", b"%d\0\0" % number + zlib.compress(b"z" * 900_000)) for number in range(80)],
    ],
    ids=["zTXt", "iTXt", "iCCP", "tEXt", "many"],
)
def test_long_texts_do_not_keep_a_picture_from_being_seen(chunks: list[bytes], at_the_end: bool) -> None:
    """Its pixels are those of the same picture without them."""
    found = decode_image(with_chunks(*chunks, at_the_end=at_the_end))
    assert np.array_equal(np.asarray(found.image), np.asarray(SOURCE))
    assert found.notices == ()


def test_what_stays_is_below_the_bounds_of_pillow() -> None:
    """Deflate at its densest, in as many bytes as are left in."""
    packed = zlib.compress(b"\0" * 1_000_000, 9)
    assert len(packed) < LONGEST
    assert decode_image(with_chunks(chunk(b"zTXt", b"t\0\0" + packed))).image.size == SOURCE.size


def test_other_files_are_themselves() -> None:
    """Without a copy: a PNG with short texts, and whatever is no PNG."""
    for content in (png(), with_chunks(chunk(b"tEXt", b"Software\0mine")), b"", b"\x89PNG", b"\xff\xd8\xff" * 900):
        file = io.BytesIO(content)
        assert without_long_texts(file) is file
        assert file.tell() == 0


def test_damage_is_said_as_ever() -> None:
    """A text that claims to be longer than the file takes the picture with it; so many chunks are not all looked at."""
    with pytest.raises(ImageError, match="damaged"):
        decode_image(with_chunks(b"\xf0\0\0\0tEXt"))
    file = io.BytesIO(with_chunks(chunk(b"tEXt", b"") * MOST_CHUNKS, chunk(b"zTXt", b"t\0\0" + LONG)))
    assert without_long_texts(file) is file
