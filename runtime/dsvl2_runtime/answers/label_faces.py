"""A typeface of this system for the labels of boxes, which may be in any script; numbers where there is none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from PIL import ImageFont

Face = ImageFont.FreeTypeFont | ImageFont.ImageFont

FACES = (
    # Of nearly all languages in Latin, Greek and Cyrillic letters.
    "DejaVuSans.ttf", "NotoSans-Regular.ttf", "LiberationSans-Regular.ttf", "segoeui.ttf", "arial.ttf", "Arial.ttf",
    "Helvetica.ttc",
    # Chinese, Japanese and Korean, on Linux, Windows and macOS.
    "NotoSansCJK-Regular.ttc", "NotoSansCJKsc-Regular.otf", "NotoSansSC-Regular.otf", "wqy-zenhei.ttc",
    "wqy-microhei.ttc", "DroidSansFallbackFull.ttf", "DroidSansFallback.ttf", "uming.ttc", "msyh.ttc", "simsun.ttc",
    "YuGothM.ttc", "malgun.ttf", "PingFang.ttc", "Hiragino Sans GB.ttc", "AppleSDGothicNeo.ttc", "Arial Unicode.ttf",
    # Whatever else there is in one file.
    "unifont.ttf", "unifont.otf", "FreeSans.ttf",
)  # fmt: skip
"""Names of files, which Pillow looks for in the folders of the system; the first that has all letters is taken."""
NO_CHARACTER = "\uffff"
"""No typeface has it, so it is drawn as every missing character is."""


@dataclass(frozen=True, slots=True)
class Labels:
    """How the labels of one drawing are written."""

    face: Face
    texts: Mapping[str, str]
    """Label to what is written: itself, or its number."""

    @property
    def are_numbers(self) -> bool:
        """Whether numbers stand for the labels."""
        return any(label != text for label, text in self.texts.items())


def choose_labels(labels: Sequence[str], size: int) -> Labels:
    """Labels in a typeface that has all their characters, or their numbers from 1.

    Args:
        labels: each as it is to be written; the same ones get the same number.
        size: of the letters in pixels.
    """
    different = list(dict.fromkeys(labels))
    plain = ImageFont.load_default(size=size)
    text = "".join(different)
    faces = (plain,) if has_all(plain, text) else _system_faces(size)
    for face in faces:
        if has_all(face, text):
            return Labels(face, {label: label for label in different})
    return Labels(plain, {label: str(number) for number, label in enumerate(different, 1)})


def has_all(face: Face, text: str) -> bool:
    """Whether a typeface has every character of a text that is not white space."""
    missing = _drawn(face, NO_CHARACTER)
    return all(_drawn(face, character) not in (missing, b"") for character in set(text) if not character.isspace())


def _drawn(face: Face, character: str) -> bytes:
    mask = face.getmask(character)
    return repr(mask.size).encode() + bytes(mask) if mask.size[0] * mask.size[1] else b""


def _system_faces(size: int) -> Iterator[Face]:
    """One after the other, since the first is nearly always enough."""
    for name in FACES:
        try:
            yield ImageFont.truetype(name, size)
        except OSError:  # it is not there, or no typeface that can be read
            continue
