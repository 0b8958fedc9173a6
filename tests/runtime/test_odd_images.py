"""Pictures that are read although something about them is odd, and those that only look like one."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms, PngImagePlugin

from dsvl2_runtime.errors import ImageError
from dsvl2_runtime.inputs.images import decode_image, open_image
from image_files import codes, encoded, png_header
from small_models import picture

PLAIN = picture(60, 40, 1)
PIXELS = np.asarray(PLAIN)


def with_chunk(kind: bytes, body: bytes) -> bytes:
    """The plain picture as PNG with one more chunk behind its header."""
    data = encoded(PLAIN)
    end = 8 + 25  # of the signature and of the header's chunk
    chunk = struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    return data[:end] + chunk + data[end:]


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (b"tEXt", b"Comment\0" + b"x" * 5_000_000),
        (b"gAMA", struct.pack(">I", 10_000)),
        (b"iCCP", b"profile\0\0" + zlib.compress(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())),
        (b"prVt", b"of somebody"),
    ],
    ids=["five megabytes of text", "gamma", "profile", "unknown"],
)
def test_what_stands_beside_the_pixels_changes_nothing(kind: bytes, body: bytes) -> None:
    """The pixels are taken as they are stored, which is what the reference does; nothing is said."""
    found = decode_image(with_chunk(kind, body))
    assert np.array_equal(np.asarray(found.image), PIXELS)
    assert codes(found) == []


def test_a_profile_that_unpacks_to_much_is_left_out() -> None:
    """It says nothing of the pixels as they are stored."""
    found = decode_image(with_chunk(b"iCCP", b"profile\0\0" + zlib.compress(bytes(5_000_000))))
    assert np.array_equal(np.asarray(found.image), PIXELS)


@pytest.mark.parametrize("count", [1, 100])
def test_text_that_unpacks_to_much_is_left_out(count: int) -> None:
    """A few kilobytes of a PNG would become a hundred megabytes of text each."""
    info = PngImagePlugin.PngInfo()
    packed = zlib.compress(b"x" * 100_000_000, 9)
    for _ in range(count):
        info.add(b"zTXt", b"Comment\0\0" + packed)
    assert np.array_equal(np.asarray(decode_image(encoded(PLAIN, pnginfo=info)).image), PIXELS)


@pytest.mark.skipif(sys.platform == "win32", reason="the memory of a process is measured with POSIX means")
def test_pixels_that_unpack_to_a_gigabyte_are_as_many_as_the_header_says(tmp_path: Path) -> None:
    """A megabyte of a PNG; what comes after the last row is never unpacked. A watch-dog on the whole process."""
    packer = zlib.compressobj(9)
    begun = packer.compress(bytes(1_000_000)) + packer.flush(zlib.Z_FULL_FLUSH)
    more = packer.compress(bytes(1_000_000)) + packer.flush(zlib.Z_FULL_FLUSH)
    (tmp_path / "bomb.png").write_bytes(png_header(50, 50, begun + more * 1000))
    script = """
import resource, sys
from dsvl2_runtime.inputs.images import open_image
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
assert open_image(sys.argv[1]).size == (50, 50)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    command = [sys.executable, "-c", script, str(tmp_path / "bomb.png")]
    found = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    assert found.returncode == 0, found.stderr
    assert int(found.stdout) * (1 if sys.platform == "darwin" else 1024) < 100_000_000


def test_a_jpeg_in_four_inks_keeps_white_white() -> None:
    """Adobe stores them inverted, and as YCCK as well; both are read as a reader of pictures shows them."""
    inverted = encoded(Image.new("CMYK", (16, 16), (0, 0, 0, 0)), "JPEG", quality=95)
    at = inverted.index(b"Adobe")
    assert np.asarray(open_image(inverted)).min() > 245
    ycck = bytearray(inverted)
    assert ycck[at + 11] == 0  # the transform: none
    ycck[at + 11] = 2
    # The same samples read as YCCK: luminance 255 with chroma 255 is no white any more, but a picture all the same.
    assert open_image(bytes(ycck)).mode == "RGB"


@pytest.mark.parametrize("tail", ["zip", "pdf", "script"])
def test_a_picture_with_something_else_behind_it_is_a_picture(tail: str) -> None:
    """What a file is, is said by its beginning; the rest is never looked at."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("a.txt", "x")
    tails = {"zip": archive.getvalue(), "pdf": b"%PDF-1.7\n%%EOF", "script": b"<script>alert(1)</script>"}
    for form in ("PNG", "JPEG", "GIF"):
        assert open_image(encoded(PLAIN, form) + tails[tail]).size == PLAIN.size


def test_a_document_with_a_picture_behind_it_is_a_document() -> None:
    """The other way round."""
    with pytest.raises(ImageError, match="a PDF document") as found:
        open_image(b"%PDF-1.7\n" + encoded(PLAIN))
    assert found.value.exit_code == 5


@pytest.mark.parametrize("ending", [".jpg", ".pdf", ".txt", ""])
def test_an_ending_says_nothing(tmp_path: Path, ending: str) -> None:
    """The content does."""
    path = tmp_path / f"picture{ending}"
    path.write_bytes(encoded(PLAIN))
    assert np.array_equal(np.asarray(open_image(path)), PIXELS)


def test_ten_thousand_frames_cost_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a GIF the first is shown, the second is looked for, and no other is touched."""
    frames = [Image.new("P", (8, 8), number % 2) for number in range(3)]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:], optimize=False, duration=100)
    block = data[data.rindex(b"\x21\xf9\x04") : -1]  # the last frame with its head
    long = data[:-1] + block * 10_000 + b";"
    sought: list[int] = []
    from PIL import GifImagePlugin

    plain = GifImagePlugin.GifImageFile._seek

    def noted(self: Any, frame: int, update_image: bool = True) -> None:
        sought.append(frame)
        plain(self, frame, update_image)

    monkeypatch.setattr(GifImagePlugin.GifImageFile, "_seek", noted)
    assert codes(decode_image(long)) == ["image.first_frame"]
    assert len(sought) < 10


@pytest.mark.parametrize(
    ("size", "found"),
    [
        ((12_000, 12_000), "pixels"),
        ((0, 0), "damaged"),
        ((0, 5), "damaged"),
        ((20_000, 1), "narrow"),
        ((1, 20_000), "narrow"),
    ],
)
def test_sizes_that_are_no_picture(size: tuple[int, int], found: str) -> None:
    """By the header alone, before anything is decoded."""
    with pytest.raises(ImageError, match=found) as caught:
        open_image(png_header(*size))
    assert (caught.value.exit_code, caught.value.http_status) == (5, 400)
