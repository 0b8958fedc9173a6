"""What a small file may cost: pages, scans, pixels, and what libraries say about damage."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, TiffImagePlugin

from dsvl2_export.synth.tokenizer import write_tokenizer
from dsvl2_runtime.errors import ImageError
from dsvl2_runtime.inputs import images, rgb
from dsvl2_runtime.inputs.images import check_image, decode_image, open_image
from dsvl2_runtime.inputs.jpeg_scans import MOST_SCANS, has_too_many_scans
from image_files import codes, encoded
from small_models import picture, small_config

PLAIN = picture(60, 40, 1)


def many_pages(count: int) -> bytes:
    """A TIFF whose first page is 8x8 pixels and whose others have no entry at all."""
    page = encoded(Image.new("L", (8, 8), 200), "TIFF")
    assert page[:4] == b"II*\0"
    at = int.from_bytes(page[4:8], "little")
    link = at + 2 + 12 * int.from_bytes(page[at : at + 2], "little")  # of the page to the next one
    first = len(page) + len(page) % 2
    data = bytearray(page.ljust(first, b"\0"))
    data[link : link + 4] = first.to_bytes(4, "little")
    for number in range(1, count):
        following = first + 6 * number if number + 1 < count else 0
        data += (0).to_bytes(2, "little") + following.to_bytes(4, "little")
    return bytes(data)


def test_pages_are_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 300,000 empty pages the first is read, and the second is not even looked at."""
    loaded = []
    load = TiffImagePlugin.ImageFileDirectory_v2.load

    def counted(directory: Any, file: Any) -> None:
        loaded.append(directory)
        load(directory, file)

    monkeypatch.setattr(TiffImagePlugin.ImageFileDirectory_v2, "load", counted)
    found = decode_image(many_pages(300_000))
    assert found.image.getpixel((3, 3)) == (200, 200, 200)
    assert codes(found) == ["image.first_page"]
    assert len(loaded) < 10


def with_scans(count: int) -> bytes:
    """A progressive JPEG whose last scan is repeated until it has so many."""
    data = encoded(PLAIN, "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    more = count - data.count(b"\xff\xda")
    return data[:-2] + data[last:-2] * more + data[-2:]


def test_the_scans_of_a_jpeg_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each takes time for all pixels. The markers alone decide; what only looks like a scan is not counted."""
    assert open_image(with_scans(MOST_SCANS)).size == PLAIN.size
    thumbnails = b"\xff\xe1" + (2 + 2 * 200).to_bytes(2) + b"\xff\xda" * 200  # in a segment of metadata
    video = b"\xff\xda" * 200  # after the end
    plain = encoded(PLAIN, "JPEG", progressive=True)
    assert open_image(plain[:2] + thumbnails + plain[2:] + video).size == PLAIN.size
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda image: pytest.fail("pixels were decoded"))
    for count in (MOST_SCANS + 1, 3000):
        with pytest.raises(ImageError, match="scans"):
            check_image(with_scans(count))
    with pytest.raises(ImageError, match="scans"):
        check_image(with_scans(MOST_SCANS + 1).replace(b"\xff\xda", b"\xff\xff\xff\xda"))


SEGMENTS = st.lists(
    st.tuples(st.just("scan"), st.binary(max_size=40), st.integers(0, 2))
    | st.tuples(st.just("data"), st.binary(max_size=40) | st.just(b"\xff\xda" * 9), st.integers(0, 2)),
    max_size=12,
)


@settings(deadline=None)
@given(SEGMENTS, st.binary(max_size=40) | st.just(b"\xff\xda" * 9))
def test_scans_are_counted_as_the_decoder_meets_them(segments: list[tuple[str, bytes, int]], after: bytes) -> None:
    """Not inside other segments, escaped bytes or what follows the end; restart markers and padding do not matter."""
    data = b"\xff\xd8"
    for kind, body, padding in segments:
        if kind == "scan":
            inside = body.replace(b"\xff", b"\xff\x00") + b"\xff\xd3" + body.replace(b"\xff", b"\xff\x00")
            data += b"\xff" * padding + b"\xff\xda\x00\x04\xff\xda" + inside
        else:
            data += b"\xff" * padding + b"\xff\xe1" + (2 + len(body)).to_bytes(2) + body
    data += b"\xff\xd9" + after
    count = sum(kind == "scan" for kind, _, _ in segments)
    for most in (count - 1, count, count + 1):
        assert has_too_many_scans(data, most) == (count > most)


@pytest.mark.skipif(sys.platform == "win32", reason="the memory of a process is measured with POSIX means")
def test_eight_huge_images_take_the_memory_of_one(tmp_path: Path) -> None:
    """Of 1-bit PNGs of 100 megapixels, one after the other is decoded and halved; a watch-dog on the whole process.

    One takes 100 MB as it is decoded and 100 MB as RGB; all eight at once would take 3.2 GB.
    """
    path = tmp_path / "huge.png"
    Image.new("1", (10_000, 10_000), 1).save(path)
    assert path.stat().st_size < 40_000
    config = small_config("small")
    write_tokenizer(tmp_path, config.language_config)
    (tmp_path / "config.json").write_text(json.dumps(config.to_json()), "utf-8")
    script = """
import json, resource, sys
from pathlib import Path
from dsvl2_runtime.config import ModelConfig
from dsvl2_runtime.inputs.processor import prepare_inputs
from dsvl2_runtime.inputs.prompt import Message, question_content
from dsvl2_runtime.inputs.tokenizer import Tokenizer
folder = Path(sys.argv[1])
config = ModelConfig.from_json(json.loads((folder / "config.json").read_text("utf-8")))
tokenizer = Tokenizer.from_file(folder / "tokenizer.json")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
inputs = prepare_inputs([Message("user", question_content("?", 8))], [folder / "huge.png"] * 8, config, tokenizer)
assert [image.size for image in inputs.images] == [(10_000, 10_000)] * 8
assert len({image.sha256 for image in inputs.images}) == 1
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    command = [sys.executable, "-c", script, str(tmp_path)]
    found = subprocess.run(command, capture_output=True, encoding="utf-8", check=True)
    unit = 1 if sys.platform == "darwin" else 1024
    assert int(found.stdout) * unit < 500_000_000


@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_an_image_beyond_the_limit_of_pixels_is_halved(monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    """It keeps its size in name, and looks the same; at the limit itself every pixel is as it was."""
    for module in (images, rgb):
        monkeypatch.setattr(module, "LARGE_PIXELS", PLAIN.width * PLAIN.height)
    monkeypatch.setattr(rgb, "BAND_PIXELS", 7 * PLAIN.width)
    data = encoded(PLAIN, form, quality=100, subsampling=0)
    assert np.array_equal(np.asarray(open_image(data)), np.asarray(Image.open(io.BytesIO(data)).convert("RGB")))
    wide = picture(61, 41, 1)
    exif = Image.Exif()
    exif[0x0112] = 6
    found = decode_image(encoded(wide, form, quality=100, subsampling=0, exif=exif))
    assert found.size == (41, 61)
    assert found.image.size == (21, 31)
    expected = wide.transpose(Image.Transpose.ROTATE_270).reduce(2)
    assert np.abs(np.asarray(found.image, np.int32) - np.asarray(expected)).mean() < 12


def test_a_damaged_tiff_gives_nothing_but_the_error(capfd: pytest.CaptureFixture[str]) -> None:
    """The library writes to standard error by itself; afterwards the descriptor is what it was."""
    page = bytearray(encoded(PLAIN, "TIFF", compression="tiff_lzw"))
    page[8:200] = b"\xff" * 192
    with pytest.raises(ImageError, match="damaged"):
        open_image(bytes(page))
    os.write(2, b"said afterwards")
    assert capfd.readouterr() == ("", "said afterwards")


def test_what_pillow_logs_is_not_printed(tmp_path: Path) -> None:
    """Where nobody has set logging up, Python would print it."""
    page = bytearray(encoded(PLAIN, "TIFF"))
    samples = page.index(b"\x15\x01\x03\x00\x01\x00\x00\x00\x03\x00")
    page[samples + 8 : samples + 10] = b"\xff\xff"
    path = tmp_path / "samples.tif"
    path.write_bytes(page)
    script = f"from dsvl2_runtime.inputs.images import open_image; open_image({str(path)!r})"
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, encoding="utf-8", check=False)
    assert "ImageError" in found.stderr.splitlines()[-1]
    assert "samples per pixel" not in found.stderr.partition("Traceback")[0]
