"""PDFs written by hand, small enough to be damaged everywhere."""

from __future__ import annotations

import hashlib
import io
import random
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence

from PIL import Image

COLOURS = ((255, 0, 0), (0, 128, 0), (0, 0, 255), (255, 128, 0))
PADDING = bytes.fromhex("28bf4e5e4e758a4164004e56fffa01082e2e00b6d0683e802f0ca9fe6453697a")
"""Fills a password up to 32 bytes: algorithm 2 of ISO 32000-1, 7.6.3.3."""


def pdf_of(objects: Sequence[bytes], trailer: bytes = b"") -> bytes:
    """A whole file: its objects from 1 on, the first of which is the catalogue, with table and trailer."""
    out = bytearray(b"%PDF-1.7\n")
    places = []
    for number, content in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    for place in places:
        out += b"%010d 00000 n \n" % place
    out += b"trailer\n<< /Size %d /Root 1 0 R %s >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, trailer, table)
    return bytes(out)


def stream(content: bytes, dictionary: bytes = b"", packed: bool = False) -> bytes:
    """A stream object."""
    if packed:
        content, dictionary = zlib.compress(content), dictionary + b" /Filter /FlateDecode"
    return b"<< /Length %d %s >>\nstream\n%s\nendstream" % (len(content), dictionary, content)


def own_pdf(
    sizes: Sequence[tuple[float, float]] = ((72, 144),) * 3,
    page_extra: bytes = b"",
    trailer: bytes = b"",
    packed: bool = False,
    sealed: Callable[[int, bytes], bytes] = lambda number, content: content,
    catalogue: bytes = b"",
) -> bytes:
    """Pages of (width, height) points, each filled with a colour of its own but for a white margin on the right."""
    kids = b" ".join(b"%d 0 R" % (3 + 2 * index) for index in range(len(sizes)))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R %s >>" % catalogue,
        b"<< /Type /Pages /Count %d /Kids [%s] >>" % (len(sizes), kids),
    ]
    for index, (width, height) in enumerate(sizes):
        red, green, blue = (part / 255 for part in COLOURS[index % len(COLOURS)])
        drawing = f"{red:.3f} {green:.3f} {blue:.3f} rg 0 0 {width - 10:.2f} {height:.2f} re f".encode()
        box = f"[0 0 {width:.2f} {height:.2f}]".encode()
        contents = b"/Contents %d 0 R %s" % (4 + 2 * index, page_extra)
        objects += [
            b"<< /Type /Page /Parent 2 0 R /MediaBox %s %s >>" % (box, contents),
            stream(sealed(4 + 2 * index, drawing), packed=packed),
        ]
    return pdf_of(objects, trailer)


def locked_pdf(password: str, sizes: Sequence[tuple[float, float]] = ((72, 144),) * 3) -> bytes:
    """As `own_pdf`, encrypted with a password (the standard handler, revision 2: RC4 with 40 bits)."""
    user, flags = (password.encode() + PADDING)[:32], struct.pack("<i", -4)
    owner = rc4(md5(user)[:5], user)
    key = md5(user + owner + flags + b"\0")[:5]
    handler = b"/Encrypt << /Filter /Standard /V 1 /R 2 /O <%s> /U <%s> /P -4 >> /ID [<00> <00>]" % (
        owner.hex().encode(), rc4(key, PADDING).hex().encode(),
    )  # fmt: skip

    def sealed(number: int, content: bytes) -> bytes:
        return rc4(md5(key + number.to_bytes(3, "little") + b"\0\0")[:10], content)

    return own_pdf(sizes, trailer=handler, sealed=sealed)


def md5(data: bytes) -> bytes:
    return hashlib.md5(data, usedforsecurity=False).digest()


def rc4(key: bytes, data: bytes) -> bytes:
    """The stream cipher of old PDFs."""
    state, swap = list(range(256)), 0
    for index in range(256):
        swap = (swap + state[index] + key[index % len(key)]) % 256
        state[index], state[swap] = state[swap], state[index]
    out, swap = bytearray(), 0
    for place, byte in enumerate(data, 1):
        index = place % 256
        swap = (swap + state[index]) % 256
        state[index], state[swap] = state[swap], state[index]
        out.append(byte ^ state[(state[index] + state[swap]) % 256])
    return bytes(out)


def protected_pdf() -> bytes:
    """Wants a password that nobody knows (the standard handler, revision 2)."""
    secret = b"<" + b"5a" * 32 + b">"
    handler = b"/Encrypt << /Filter /Standard /V 1 /R 2 /O %s /U %s /P -4 >> /ID [<00> <00>]" % (secret, secret)
    return own_pdf(trailer=handler)


def pillow_pdf() -> bytes:
    """Two scanned pages, one compressed as JPEG and one as the pixels of a bilevel fax."""
    out = io.BytesIO()
    first = Image.effect_noise((80, 60), 60).convert("RGB")
    first.save(out, "PDF", save_all=True, append_images=[Image.new("1", (40, 50))], resolution=72)
    return out.getvalue()


def bomb_pdfs() -> Iterator[bytes]:
    """Small files that want much: pixels, unpacked bytes, forms in forms, pages in a circle, deep nesting."""
    page = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 72 72] /Contents 4 0 R "
    page += b"/Resources << /XObject << /X 5 0 R >> >> >>"
    first = [b"<< /Type /Catalog /Pages 2 0 R >>", b"<< /Type /Pages /Count 1 /Kids [3 0 R] >>", page]
    show = stream(b"72 0 0 72 0 0 cm /X Do")
    picture = b"/Type /XObject /Subtype /Image /Width %d /Height %d /ColorSpace /DeviceRGB /BitsPerComponent 8"
    yield pdf_of([*first, show, stream(bytes(10_000_000), picture % (60000, 60000), packed=True)])
    yield pdf_of([*first, show, stream(bytes(100), picture % (2**31 - 1, 2**31 - 1), packed=True)])
    yield pdf_of([*first, stream(b"q " * 30_000_000, packed=True), show])
    form = b"/Type /XObject /Subtype /Form /BBox [0 0 72 72] /Resources << /XObject << /X 5 0 R >> >>"
    yield pdf_of([*first, show, stream(b"/X Do " * 1000, form)])
    yield pdf_of([first[0], b"<< /Type /Pages /Count 9 /Kids [2 0 R 2 0 R] /Parent 2 0 R >>"])
    yield pdf_of([first[0], b"[" * 100_000 + b"]" * 100_000])
    yield own_pdf().replace(b"/Count 3", b"/Count 2147483647")


def mutated(count: int, seed: int) -> Iterator[bytes]:
    """So many damaged files: bytes changed, cut out, doubled and swapped, numbers replaced, ends cut off."""
    rng = random.Random(seed)
    whole = [own_pdf(), own_pdf(packed=True), pillow_pdf(), protected_pdf(), own_pdf(page_extra=b"/Rotate 90")]
    for index in range(count):
        data = bytearray(rng.choice(whole))
        for _ in range(rng.choice((1, 1, 3, 20))):
            start = rng.randrange(5, max(6, len(data)))
            stop = min(len(data), start + rng.randrange(1, 60))
            match rng.randrange(6):
                case 0:
                    data[start:stop] = rng.randbytes(stop - start)
                case 1:
                    del data[start:stop]
                case 2:
                    data[start:start] = data[start:stop]
                case 3:
                    del data[start:]
                case 4:
                    digits = [at for at in range(5, len(data)) if 48 <= data[at] <= 57]
                    if digits:
                        at = rng.choice(digits)
                        data[at : at + 1] = rng.choice((b"-1", b"99999999999", b"0", b"4294967296", b"1e9"))
                case _:
                    if index % 2:
                        data += data[start:stop]
                    data[start:stop] = data[start:stop][::-1]
        yield bytes(data)
