# ruff: noqa: SIM905 - a long list of names is read and edited as text
"""The typefaces that pages are set in: those to train with, and those kept back for evaluation.

Training wants many faces, which come from Debian packages, and leaves out a face that is not installed. The faces of
evaluation ship with the program, so held-out pages are the same on every machine.
"""

from __future__ import annotations

import functools
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from PIL import ImageFont

SHIPPED_FACES = Path(__file__).parent.parent / "fonts"
"""Folder of the faces that come with the program."""


def font_folders() -> tuple[Path, ...]:
    """Folders to search for typefaces; a face in an earlier one wins."""
    if sys.platform == "darwin":
        return SHIPPED_FACES, Path("~/Library/Fonts"), Path("/Library/Fonts")
    if sys.platform == "win32":
        return SHIPPED_FACES, Path("C:/Windows/Fonts")
    return SHIPPED_FACES, Path("/usr/share/fonts"), Path("/usr/local/share/fonts"), Path("~/.local/share/fonts")


TRAINING_FACES = tuple(
    """
    DejaVuSans LiberationSans-Regular Roboto-Regular Lato-Regular
    DejaVuSans-Bold LiberationSans-Bold NotoSans-Regular Carlito-Regular
    Inter-Regular Cantarell-Regular FreeSans Oxygen-Sans ClearSans-Regular Go-Regular Karla-Regular Cabin-Regular
    LiberationMono-Regular Roboto-Medium Lato-Bold Inter-SemiBold Manrope-Medium Mplus1-Regular PTS55F Andika-Regular
    LiberationSerif-Regular DejaVuSansMono DejaVuSerif Carlito-Bold Quicksand-Medium NimbusSans-Regular
    NotoSans-Bold Roboto-Bold LiberationSerif-Bold Hack-Regular FiraCode-Regular JetBrainsMono-Regular
    DejaVuSansCondensed RobotoCondensed-Regular RobotoSlab-Regular Caladea-Regular NotoSerif-Regular Tinos-Regular
    FreeSerif LinBiolinum_R LinLibertine_R P052-Roman C059-Roman URWGothic-Book URWBookman-Light GenBasR
    Inter-Medium Lato-Semibold Cabin-SemiBold Karla-Bold Cantarell-Bold Manrope-Bold ClearSans-Medium FreeSansBold
    LiberationSansNarrow-Regular PTN57F OxygenMono-Regular Cousine-Regular LiberationMono-Bold NimbusMonoPS-Bold
    DejaVuSansMono-Bold Mplus1-Medium Mplus2-Regular FreeMonoBold EBGaramond12-Regular PTF55F PTM55F Oxygen-Sans-Bold
    Roboto-Light Lato-Light Inter-Light Quicksand-Bold RobotoSlab-Bold NotoSerif-Bold DejaVuSerif-Bold FreeSerifBold
    """.split()
)
"""Ordered from plain to odd: a curriculum takes the first few, then all."""

TRAINING_PACKAGES = (
    "fonts-cabin fonts-cantarell fonts-clear-sans fonts-croscore fonts-crosextra-caladea "
    "fonts-crosextra-carlito fonts-dejavu-core fonts-dejavu-extra fonts-ebgaramond fonts-firacode fonts-freefont-otf "
    "fonts-go fonts-hack fonts-inter fonts-jetbrains-mono fonts-karla fonts-lato fonts-liberation fonts-linuxlibertine "
    "fonts-manrope fonts-mplus fonts-noto-core fonts-oxygen fonts-paratype fonts-quicksand fonts-roboto-slab "
    "fonts-roboto-unhinted fonts-sil-andika fonts-sil-gentium-basic fonts-urw-base35"
)
"""Debian packages with all of `TRAINING_FACES`."""

HELD_OUT_FACES = ("Aileron-Regular", "OpenSans-Regular", "OpenSans-Semibold", "Go-Mono")
"""Never drawn in training; all of them ship with the program."""


@dataclass(frozen=True, slots=True)
class Face:
    """One typeface and its file."""

    name: str
    path: Path

    def at(self, pixels: int) -> ImageFont.FreeTypeFont:
        """The face at a size in pixels (the em, not the capital height)."""
        return _load(self.path, pixels)


@functools.lru_cache(maxsize=4096)
def _load(path: Path, pixels: int) -> ImageFont.FreeTypeFont:
    # The basic layout needs no library that a machine may lack, so widths are the same everywhere.
    return ImageFont.truetype(path, pixels, layout_engine=ImageFont.Layout.BASIC)


FOREIGN = "€£äßéçñłśžťÅ–•"
"""What a face must have to set the words of several languages."""


@functools.cache
def is_complete(face: Face) -> bool:
    """Whether a face has the accented letters and signs of `FOREIGN`; what it lacks would be drawn as a box."""
    font = face.at(20)
    missing = bytes(font.getmask("\uffff"))
    return all(bytes(font.getmask(character)) != missing for character in FOREIGN)


@functools.cache
def _files(folders: tuple[Path, ...]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for folder in folders:
        # os.path.expanduser leaves "~" as it is where there is no home; Path.expanduser raises.
        for path in sorted(Path(os.path.expanduser(folder)).rglob("*.[ot]tf")):  # noqa: PTH111
            found.setdefault(path.stem, path)
    return found


def installed_faces(names: tuple[str, ...]) -> tuple[Face, ...]:
    """The faces among `names` that this machine has, in the order of `names`."""
    files = _files(font_folders())
    return tuple(Face(name, files[name]) for name in names if name in files)


def training_faces(count: int | None = None) -> tuple[Face, ...]:
    """The first `count` installed training faces, or all of them; one of the shipped faces where none is installed."""
    return installed_faces(TRAINING_FACES)[:count] or held_out_faces()[:1]


def missing_training_faces() -> tuple[str, ...]:
    """Names of the training faces that are not installed."""
    installed = {face.name for face in installed_faces(TRAINING_FACES)}
    return tuple(name for name in TRAINING_FACES if name not in installed)


@functools.cache
def held_out_faces() -> tuple[Face, ...]:
    """The faces that training never draws."""
    return tuple(Face(name, SHIPPED_FACES / f"{name}.ttf") for name in HELD_OUT_FACES)
