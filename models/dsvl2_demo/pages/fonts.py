# ruff: noqa: SIM905 - a long list of names is read and edited as text
"""The typefaces pages are set in: those to train with, those kept back for evaluation.

Training wants many faces, which come from Debian packages. Nothing but training may depend on them: a face that is not
installed is left out, and Aileron, which Pillow carries, is always there.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

from PIL import ImageFont

FONT_FOLDERS = (
    Path(__file__).parent.parent / "fonts",
    Path("/usr/share/fonts"),
    Path("/usr/local/share/fonts"),
    Path.home() / ".local/share/fonts",
    Path("/Library/Fonts"),
    Path("C:/Windows/Fonts"),
)

PILLOW_FACE = "Aileron"
"""The face inside Pillow; it needs no file, so every evaluation can draw with it."""

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
    "fonts-cabin fonts-cantarell fonts-clear-sans fonts-croscore fonts-crosextra-caladea fonts-crosextra- "
    "carlito fonts-dejavu-core fonts-dejavu-extra fonts-ebgaramond fonts-firacode fonts-freefont-otf fonts-go "
    "fonts-hack fonts-inter fonts-jetbrains-mono fonts-karla fonts-lato fonts-liberation fonts-linuxlibertine "
    "fonts-manrope fonts-mplus fonts-noto-core fonts-oxygen fonts-paratype fonts-quicksand fonts-roboto-slab "
    "fonts-roboto-unhinted fonts-sil-andika fonts-sil-gentium-basic fonts-urw-base35"
)
"""Debian packages with all of `TRAINING_FACES`."""

HELD_OUT_FACES = (PILLOW_FACE, "OpenSans-Regular", "OpenSans-Semibold", "Go-Mono")
"""Never drawn in training."""


@dataclass(frozen=True, slots=True)
class Face:
    """One typeface; `path` is None for the one inside Pillow."""

    name: str
    path: Path | None

    def at(self, pixels: int) -> ImageFont.FreeTypeFont:
        """The face at a size in pixels (the em, not the capital height)."""
        return _load(self.name, self.path, pixels)


@functools.lru_cache(maxsize=4096)
def _load(name: str, path: Path | None, pixels: int) -> ImageFont.FreeTypeFont:
    if path is None:
        font = ImageFont.load_default(pixels)
        if not isinstance(font, ImageFont.FreeTypeFont):  # a Pillow without FreeType
            raise RuntimeError(f"Pillow was built without FreeType, so the face {name!r} cannot be scaled")
        return font
    return ImageFont.truetype(path, pixels, layout_engine=ImageFont.Layout.BASIC)


@functools.cache
def _files() -> dict[str, Path]:
    found: dict[str, Path] = {}
    for folder in FONT_FOLDERS:
        if folder.is_dir():
            for path in sorted(folder.rglob("*.[ot]tf")):
                found.setdefault(path.stem, path)
    return found


@functools.cache
def available(names: tuple[str, ...]) -> tuple[Face, ...]:
    """The installed faces among `names`, in their order; Aileron alone where none is."""
    files = _files()
    faces = tuple(Face(name, files.get(name)) for name in names if name in files or name == PILLOW_FACE)
    return faces or (Face(PILLOW_FACE, None),)


def training_faces(count: int | None = None) -> tuple[Face, ...]:
    """The first `count` installed training faces, or all of them."""
    return available(TRAINING_FACES)[:count]


def missing_training_faces() -> tuple[str, ...]:
    """Names of the training faces that are not installed."""
    installed = {face.name for face in available(TRAINING_FACES)}
    return tuple(name for name in TRAINING_FACES if name not in installed)


def held_out_faces() -> tuple[Face, ...]:
    """The installed faces that training never draws."""
    return available(HELD_OUT_FACES)
