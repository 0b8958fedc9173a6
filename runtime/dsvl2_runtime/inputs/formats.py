"""The one list of image formats and file endings: what is read, and what other files are called when they are refused.

A file is judged by its first bytes. Its name decides nothing, since names are often wrong.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

HEAD_BYTES = 4096
"""So many first bytes are enough to name a file."""


@dataclass(frozen=True, slots=True)
class ImageFormat:
    """A format that is read."""

    name: str
    """Pillow's name, which is also the usual one."""
    endings: tuple[str, ...]
    """File endings in the order of their use, with the dot."""
    start: re.Pattern[bytes]
    """Matches the first bytes of such a file."""
    plugin: str
    """The module of Pillow that reads it."""


@dataclass(frozen=True, slots=True)
class ForeignFormat:
    """A kind of file that is not read but is known, so that the refusal can say what it is."""

    name: str
    """With its article: "a PDF document"."""
    advice: str
    start: re.Pattern[bytes]
    """Matches the first bytes of such a file."""


def _bytes(pattern: bytes) -> re.Pattern[bytes]:
    return re.compile(pattern, re.DOTALL)


def _iso_media(*brands: bytes) -> re.Pattern[bytes]:
    """Files made of boxes (ISO 14496-12): the first box is `ftyp`, and its major brand names the kind."""
    return _bytes(rb"\x00.{3}ftyp(?:" + b"|".join(brands) + rb")")


FORMATS = (
    ImageFormat("PNG", (".png", ".apng"), _bytes(rb"\x89PNG\r\n\x1a\n"), "PngImagePlugin"),
    ImageFormat("JPEG", (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"), _bytes(rb"\xff\xd8\xff"), "JpegImagePlugin"),
    ImageFormat("WEBP", (".webp",), _bytes(rb"RIFF.{4}WEBP"), "WebPImagePlugin"),
    ImageFormat("BMP", (".bmp",), _bytes(rb"BM.{4}\x00\x00\x00\x00"), "BmpImagePlugin"),
    ImageFormat("TIFF", (".tif", ".tiff"), _bytes(rb"II\*\x00|MM\x00\*|II\+\x00|MM\x00\+"), "TiffImagePlugin"),
    ImageFormat("GIF", (".gif",), _bytes(rb"GIF8[79]a"), "GifImagePlugin"),
    ImageFormat(
        "AVIF", (".avif",), _iso_media(rb"avif", rb"avis", rb"(?:mif1|msf1).{4,60}?avi[fs]"), "AvifImagePlugin"
    ),
)
IMAGE_ENDINGS = tuple(ending for form in FORMATS for ending in form.endings)
"""Endings of files that can be read, for a file dialog."""
FORMATS_ADVICE = "use " + ", ".join(form.name for form in FORMATS)

_AS_PNG = "save it as PNG"
_PAGE = "save the page as PNG, or take a screenshot of it"
_FRAME = "save one frame as PNG, or take a screenshot of it"
_UNPACK = "unpack the picture first"
_MARK = rb"(?:\xef\xbb\xbf)?\s*"
"""A byte order mark and white space before a text."""
_TAKE = f"take a picture ({FORMATS_ADVICE})"

RAW_PICTURE = ForeignFormat(
    "a raw camera picture",
    "develop it and save it as JPEG or PNG",
    _bytes(rb"\x00.{3}ftypcrx |FUJIFILMCCD-RAW|II(?:RO|RS|U\x00)|MMOR|FOVb|II\*\x00.{4}CR\x02"),
)
PDF = ForeignFormat("a PDF document", "ask about its pages with --pdf, or save one as PNG", _bytes(rb".{0,1020}%PDF-"))
FOREIGN = (
    PDF,
    ForeignFormat(
        "a HEIC picture",
        "save it as JPEG or PNG; a phone can be set to take JPEG",
        _iso_media(rb"hei[cxms]", rb"hev[cxms]", rb"(?:mif[12]|msf1)(?!.{4,60}?avi[fs])"),
    ),
    RAW_PICTURE,
    ForeignFormat("a video", _FRAME, _bytes(rb"\x00.{3}(?:ftyp(?!avi[fs]|mif1|msf1)|moov|mdat|wide|skip|free)")),
    ForeignFormat(
        "a video", _FRAME, _bytes(rb"\x1aE\xdf\xa3|RIFF.{4}AVI |\x00\x00\x01[\xb3\xba]|FLV\x01|0&\xb2u\x8ef\xcf")
    ),
    ForeignFormat("a sound recording", _TAKE, _bytes(rb"RIFF.{4}WAVE|ID3|OggS|fLaC|\xff[\xfb\xf3\xf2]|#!AMR")),
    ForeignFormat("a JPEG 2000 picture", _AS_PNG, _bytes(rb"\x00\x00\x00\x0cjP  |\xff\x4f\xff\x51")),
    ForeignFormat("a JPEG XL picture", _AS_PNG, _bytes(rb"\xff\x0a|\x00\x00\x00\x0cJXL ")),
    ForeignFormat("a JPEG XR picture", _AS_PNG, _bytes(rb"II\xbc[\x00\x01]")),
    ForeignFormat("an icon", _AS_PNG, _bytes(rb"\x00\x00[\x01\x02]\x00[^\x00]\x00.{3}\x00|icns")),
    ForeignFormat("a Photoshop document", _AS_PNG, _bytes(rb"8BPS")),
    ForeignFormat("a GIMP document", _AS_PNG, _bytes(rb"gimp xcf")),
    ForeignFormat("a PNM picture", _AS_PNG, _bytes(rb"P[1-6]\s+[#\d]|P7\sWIDTH")),
    ForeignFormat("a PCX picture", _AS_PNG, _bytes(rb"\x0a[\x00-\x05]\x01[\x01\x02\x04\x08]")),
    ForeignFormat("a QOI picture", _AS_PNG, _bytes(rb"qoif")),
    ForeignFormat("a DDS texture", _AS_PNG, _bytes(rb"DDS ")),
    ForeignFormat("a picture of high dynamic range", _AS_PNG, _bytes(rb"\x76\x2f\x31\x01|#\?R(?:ADIANCE|GBE)")),
    ForeignFormat(
        "a Windows metafile", _AS_PNG, _bytes(rb"\xd7\xcd\xc6\x9a|\x01\x00\x09\x00\x00\x03|\x01\x00\x00\x00.{36} EMF")
    ),
    ForeignFormat("a PostScript document", _PAGE, _bytes(rb"%!PS|\xc5\xd0\xd3\xc6|\x04%!")),
    ForeignFormat("a DjVu document", _PAGE, _bytes(rb"AT&TFORM")),
    ForeignFormat("a FITS file", _AS_PNG, _bytes(rb"SIMPLE  =")),
    ForeignFormat("a DICOM file", _AS_PNG, _bytes(rb".{128}DICM")),
    ForeignFormat("a Word document", _PAGE, _bytes(rb"PK\x03\x04.{26,4000}?word/")),
    ForeignFormat("an Excel workbook", _PAGE, _bytes(rb"PK\x03\x04.{26,4000}?xl/")),
    ForeignFormat("a PowerPoint presentation", _PAGE, _bytes(rb"PK\x03\x04.{26,4000}?ppt/")),
    ForeignFormat("an office document", _PAGE, _bytes(rb"PK\x03\x04.{26}(?:mimetype|\[Content_Types\]|_rels/)")),
    ForeignFormat("an office document", _PAGE, _bytes(rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1|\{\\rtf")),
    ForeignFormat("a ZIP archive", _UNPACK, _bytes(rb"PK(?:\x03\x04|\x05\x06|\x07\x08)")),
    ForeignFormat(
        "a compressed file",
        _UNPACK,
        _bytes(rb"\x1f\x8b|BZh[1-9]|\xfd7zXZ\x00|\x28\xb5\x2f\xfd|7z\xbc\xaf\x27\x1c|Rar!"),
    ),
    ForeignFormat("a tar archive", _UNPACK, _bytes(rb".{257}ustar")),
    ForeignFormat("a program", _TAKE, _bytes(rb"\x7fELF|MZ.{62}|\xcf\xfa\xed\xfe|\xca\xfe\xba\xbe")),
    ForeignFormat(
        "a pointer of Git LFS, not the file itself", "run: git lfs pull", _bytes(rb"version https://git-lfs")
    ),
    ForeignFormat(
        "an SVG drawing", _AS_PNG, _bytes(_MARK + rb"<(?:svg[\s>]|(?:\?xml|!--|!DOCTYPE svg).*?<(?:svg:)?svg[\s>])")
    ),
    ForeignFormat(
        "a web page", _PAGE, _bytes(rb"(?i:" + _MARK + rb"<(?:!doctype html|html|head|body)|.{0,1000}<html)")
    ),
)

_TEXT = re.compile(r"[^\x00-\x08\x0e-\x1a\x1c-\x1f]*")


def image_format(head: bytes) -> ImageFormat | None:
    """The format that a file with these first bytes claims to have; it may still be damaged."""
    return next((form for form in FORMATS if form.start.match(head)), None)


def foreign_format(head: bytes) -> ForeignFormat | None:
    """What a file with these first bytes is, where it is a known kind of file that is not read."""
    found = next((form for form in FOREIGN if form.start.match(head)), None)
    if found is None and _is_text(head):
        return ForeignFormat("a text", _TAKE, _bytes(b""))
    return found


def is_pdf(head: bytes) -> bool:
    """Whether a file with these first bytes is a PDF, and no image that holds one."""
    return foreign_format(head) is PDF and image_format(head) is None


def _is_text(head: bytes) -> bool:
    encoding = "utf-16" if head.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    try:
        text = codecs.getincrementaldecoder(encoding)().decode(head)  # whose last character may be cut
    except UnicodeDecodeError:
        return False
    return bool(text.strip()) and _TEXT.fullmatch(text) is not None
