"""What files are, by their content."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, TiffImagePlugin

from dsvl2_app import texts
from dsvl2_runtime.errors import ImageError, OutOfMemoryError
from dsvl2_runtime.geometry import LARGEST_PIXELS
from dsvl2_runtime.inputs.formats import FORMATS, IMAGE_ENDINGS, foreign_format, image_format
from dsvl2_runtime.inputs.images import decode_image, open_image
from fuzzing import examples


def zipped(*names: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, "x" * 100)
    return buffer.getvalue()


def saved(form: str) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (20, 10), (9, 99, 199)).save(buffer, form)
    return buffer.getvalue()


def media(brand: bytes, *compatible: bytes) -> bytes:
    body = b"ftyp" + brand + b"\0\0\0\0" + b"".join(compatible)
    return struct.pack(">I", 4 + len(body)) + body + b"\0\0\0\x08mdat"


FOREIGN = {
    "PDF": (saved("PDF"), "a PDF document"),
    "PDF after a line": (b"\n\n" + saved("PDF"), "a PDF document"),
    "HEIC": (media(b"heic", b"mif1", b"heic"), "a HEIC picture"),
    "HEIF": (media(b"mif1", b"mif1", b"heic"), "a HEIC picture"),
    "MP4": (media(b"isom", b"mp41"), "a video"),
    "MOV": (struct.pack(">I", 8) + b"wide" + bytes(20), "a video"),
    "WebM": (b"\x1aE\xdf\xa3" + bytes(40), "a video"),
    "raw": (media(b"crx "), "a raw camera picture"),
    "CR2": (b"II*\0\x10\0\0\0CR\x02\0" + bytes(40), "a raw camera picture"),
    "SVG": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "an SVG drawing"),
    "SVG with a head": (b"\xef\xbb\xbf<?xml version='1.0'?>\n<!-- a -->\n<svg width='3'>", "an SVG drawing"),
    "JP2": (saved("JPEG2000"), "a JPEG 2000 picture"),
    "ICO": (saved("ICO"), "an icon"),
    "PSD": (b"8BPS\0\1" + bytes(40), "a Photoshop document"),
    "PPM": (saved("PPM"), "a PNM picture"),
    "EPS": (saved("EPS"), "a PostScript document"),
    "FITS": (b"SIMPLE  =                    T" + b" " * 50, "a FITS file"),
    "DICOM": (bytes(128) + b"DICM" + bytes(40), "a DICOM file"),
    "DOCX": (zipped("[Content_Types].xml", "_rels/.rels", "word/document.xml"), "a Word document"),
    "XLSX": (zipped("[Content_Types].xml", "xl/workbook.xml"), "an Excel workbook"),
    "PPTX": (zipped("[Content_Types].xml", "ppt/presentation.xml"), "a PowerPoint presentation"),
    "ODT": (zipped("mimetype", "content.xml"), "an office document"),
    "DOC": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(40), "an office document"),
    "ZIP": (zipped("a.png"), "a ZIP archive"),
    "gzip": (b"\x1f\x8b\x08" + bytes(40), "a compressed file"),
    "ELF": (b"\x7fELF" + bytes(40), "a program"),
    "HTML": (b"\n<!DOCTYPE html>\n<html><svg></svg></html>", "a web page"),
    "LFS": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n", "a pointer of Git LFS"),
    "text": ("Rechnung, Gesamtbetrag 42 €\n".encode(), "a text"),
    "UTF-16 text": ("Rechnung, Gesamtbetrag".encode("utf-16"), "a text"),
    "JSON": (b'{"a": [1, 2]}', "a text"),
}


@pytest.mark.parametrize("kind", FOREIGN)
@pytest.mark.parametrize("ending", [".png", ".pdf", ""])
def test_a_file_that_is_not_read_is_named(kind: str, ending: str, tmp_path: Path) -> None:
    """As what it is, whatever its name promises, and with something to do about it."""
    data, name = FOREIGN[kind]
    path = tmp_path / f"file{ending}"
    path.write_bytes(data)
    with pytest.raises(ImageError) as caught:
        open_image(path)
    message = str(caught.value)
    assert message.startswith(f"picture {path}: it is {name}")
    assert len(message.partition("; ")[2]) > 10


def test_the_thumbnail_of_a_raw_file_is_no_image() -> None:
    """Raw files of cameras are TIFF, and their first page is a stamp; a page beside others is a picture."""
    stamp = TiffImagePlugin.ImageFileDirectory_v2()
    stamp[254] = 1
    buffer = io.BytesIO()
    Image.new("RGB", (160, 120)).save(buffer, "TIFF", tiffinfo=stamp)
    assert decode_image(buffer.getvalue()).size == (160, 120)
    stamp[330] = 8
    buffer = io.BytesIO()
    Image.new("RGB", (160, 120)).save(buffer, "TIFF", tiffinfo=stamp)
    with pytest.raises(ImageError, match="it is a raw camera picture"):
        decode_image(buffer.getvalue())


@pytest.mark.parametrize("form", FORMATS, ids=lambda form: form.name)
def test_what_is_read_is_no_foreign_file(form: object) -> None:
    """Each format is recognised by its first bytes, read, and not taken for anything else."""
    name = getattr(form, "name", "")
    data = saved(name)
    assert image_format(data) == form
    assert foreign_format(data) is None
    assert decode_image(data).size == (20, 10)


LISTS_PLUGINS = """
import sys
from dsvl2_runtime.errors import ImageError
from dsvl2_runtime.inputs.images import decode_image
try:
    print(decode_image(sys.stdin.buffer.read()).size)
except ImageError:
    print("refused")
print([name for name in ("PIL.PsdImagePlugin", "PIL.EpsImagePlugin", "PIL.FitsImagePlugin") if name in sys.modules])
"""


@pytest.mark.parametrize("form", [*(form.name for form in FORMATS), "PDF", "ICO", "EPS"])
def test_only_modules_for_what_is_read_are_imported(form: str) -> None:
    """Pillow imports those of all its formats for a file of one that it does not know yet, which takes 50 ms."""
    command = [sys.executable, "-c", LISTS_PLUGINS]
    found = subprocess.run(command, input=saved(form), capture_output=True, check=True)
    read = "(20, 10)" if form in {each.name for each in FORMATS} else "refused"
    assert found.stdout.decode().splitlines() == [read, "[]"]


def test_a_bmp_with_used_reserved_bytes_is_read() -> None:
    """Its first bytes are not those of the list; Pillow takes it, as others do."""
    data = bytearray(saved("BMP"))
    data[6:10] = b"\1\2\3\4"
    assert image_format(bytes(data)) is None
    assert decode_image(bytes(data)).size == (20, 10)


@pytest.mark.parametrize("form", ["AVIF", "WEBP"])
def test_a_format_that_pillow_was_built_without_is_named(monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    """The file is not damaged; distributions leave some decoders out."""
    data = saved(form)
    plugin = {"AVIF": "AvifImagePlugin", "WEBP": "WebPImagePlugin"}[form]
    monkeypatch.setattr(f"PIL.{plugin}.SUPPORTED", False)
    monkeypatch.setattr("PIL.features.check_module", lambda module: module != form.lower())
    with pytest.raises(ImageError, match=f"it is in the format {form}, which this installation of Pillow cannot read"):
        open_image(data)


def test_the_window_offers_every_ending() -> None:
    """There is one list; each ending belongs to one format."""
    assert {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".avif"} <= set(IMAGE_ENDINGS)
    assert len(set(IMAGE_ENDINGS)) == len(IMAGE_ENDINGS)
    assert all(f"*{ending}" in texts.window.file_filter(IMAGE_ENDINGS) for ending in IMAGE_ENDINGS)


@examples(300)
@given(st.binary(max_size=300), st.sampled_from([b"", *[data[:40] for data, _ in FOREIGN.values()]]))
def test_any_bytes_are_an_image_or_an_error_of_ours(tail: bytes, start: bytes) -> None:
    """With a known beginning or none."""
    try:
        decode_image(start + tail)
    except ImageError as error:
        assert str(error).startswith("picture in memory: ")


WHOLE = tuple(saved(form) for form in ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF", "AVIF"))
HEADER_BYTES = 200
"""Of each of these files, nearly all of which are headers."""


@examples(300)
@given(
    st.sampled_from(WHOLE),
    st.lists(st.tuples(st.integers(0, HEADER_BYTES), st.binary(min_size=1, max_size=8)), min_size=1, max_size=4),
    st.integers(0, 3).flatmap(lambda cut: st.just(None) if cut else st.integers(0, HEADER_BYTES)),
)
def test_any_damaged_header_is_an_image_or_an_error_of_ours(
    whole: bytes, changes: list[tuple[int, bytes]], length: int | None
) -> None:
    """Other sizes, types, offsets and counts, or an early end; what is decoded keeps the bound of pixels."""
    data = bytearray(whole[:length])
    for at, new in changes:
        start = at % max(1, len(data))
        data[start : start + len(new)] = new
    try:
        found = decode_image(bytes(data))
    except (ImageError, OutOfMemoryError) as error:
        assert str(error).startswith("picture in memory: ") or isinstance(error, OutOfMemoryError)
    else:
        width, height = found.size
        assert found.image.mode == "RGB"
        assert 0 < width * height <= LARGEST_PIXELS
