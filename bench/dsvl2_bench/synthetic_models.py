"""Models with random weights to measure, made once and kept: in a cache folder, or where the user says."""

from __future__ import annotations

import importlib.util
from hashlib import sha256
from pathlib import Path

from dsvl2_runtime.bundle.manifest import MANIFEST
from dsvl2_runtime.bundle.releases import Variant, official_config
from dsvl2_runtime.cli.console import progress_bars
from dsvl2_runtime.cli.streams import print_message
from dsvl2_runtime.machine.files import cache_folder

GRAPH_WRITERS = ("dsvl2_export", "dsvl2_quant")
"""The packages whose source decides about a bundle's graphs and formats."""


def models_folder() -> Path:
    """The folder of these models, where the user names no other."""
    return cache_folder() / "bench"


def synthetic_bundle(variant: str, precision: str, layers: int | None, keep: Path | None = None) -> Path:
    """A bundle of random weights; it is made again when the source code that writes it has changed.

    Args:
        variant: a release, whose sizes it has.
        precision: of its weights.
        layers: fewer than the release has, or None.
        keep: the folder where it is looked for and made; by default `models_folder()`.
    """
    name = f"{variant}-{precision}" + (f"-{layers}-layers" if layers else "")
    kept = keep or models_folder()
    folder, written_by = kept / name, kept / f"{name}.written-by"
    writer = source_of(GRAPH_WRITERS)
    made = (folder / MANIFEST).is_file()
    if made and written_by.is_file() and written_by.read_text("ascii") == writer:
        return folder
    from dsvl2_export.exporter import export_weights
    from dsvl2_export.synth.config import synthetic_config
    from dsvl2_export.synth.weights import RandomWeights

    print_message(f"making {folder}{' again' if made else ''} for this and later measurements")
    with progress_bars(of_bytes=True) as bars:
        export_weights(
            RandomWeights(synthetic_config(variant, layers=layers)),
            folder,
            precision,
            overwrite=made,
            on_progress=lambda done, total: bars.update("bundle", done, total),
        )
    written_by.write_text(writer, "ascii")
    return folder


def source_of(packages: tuple[str, ...]) -> str:
    """SHA-256 over the source files of installed packages, as hexadecimal digits."""
    digest = sha256()
    for package in packages:
        spec = importlib.util.find_spec(package)
        for folder in spec.submodule_search_locations or () if spec else ():
            for path in sorted(Path(folder).rglob("*.py")):
                digest.update(str(path.relative_to(folder)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def synthetic_gguf(kind: str, keep: Path | None = None, variant: str = Variant.SMALL) -> Path:
    """A release's language model with random weights for llama.cpp, kept as bundles are."""
    from dsvl2_bench.peers.gguf_model import write_gguf

    path = (keep or models_folder()) / f"{variant}-{kind}.gguf"
    if not path.is_file():
        print_message(f"making {path} for this and later measurements")
        path.parent.mkdir(parents=True, exist_ok=True)
        write_gguf(path, official_config(variant).language_config, kind)
    return path
