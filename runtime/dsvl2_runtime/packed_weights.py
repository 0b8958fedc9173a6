"""Packed weights kept on this machine: the decoder's graph as ONNX Runtime has prepared it, weights in kernel order.

Without it every start packs the weights into memory of the process, about a tenth more than the bundle's size. With it
they are mapped from a file: two processes share them, and the system may drop them and read them again instead of
swapping. The order depends on the processor and on the release of ONNX Runtime, so both are part of the name, and the
bundle's manifest too. ONNX Runtime still packs each weight once at load, to compare it with what the file holds
(`docs/performance.md`, "Starting"): starting gets shorter, not short.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_cache_path

from dsvl2_runtime import graph_io
from dsvl2_runtime.bundle import MANIFEST, Bundle, disk_errors
from dsvl2_runtime.disk_space import require_disk
from dsvl2_runtime.machine import describe_machine
from dsvl2_runtime.session import prepare_graph

SOURCE = "source.json"
"""In each folder: what it was made from, and the sizes of its files."""
GROWTH = 2.2
"""Bytes of the packed graph over those of the bundle's: originals stay beside what is packed from them."""

log = logging.getLogger(__name__)


def packed_root() -> Path:
    """Where packed weights of all bundles lie."""
    root: Path = user_cache_path("dsvl2-onnx") / "packed"
    return root


def packed_folder(bundle: Bundle) -> Path:
    """Where this bundle's packed weights lie, or would lie, on this machine with this release of ONNX Runtime."""
    machine = describe_machine(bundle.folder)
    manifest = (bundle.folder / MANIFEST).read_bytes()
    key = repr((machine.onnxruntime, machine.processor, machine.features, hashlib.sha256(manifest).hexdigest()))
    return packed_root() / hashlib.sha256(key.encode()).hexdigest()[:24]


def packed_decoder(bundle: Bundle) -> Path | None:
    """The packed decoder's graph, if it was made and its files have the sizes they were written with."""
    folder = packed_folder(bundle)
    source = _read_source(folder)
    if source is None:
        return None
    if any(not (folder / name).is_file() or (folder / name).stat().st_size != size for name, size in source.sizes):
        log.warning("the packed weights in %s are damaged and not used; run `dsvl2-onnx optimize` again", folder)
        return None
    return folder / f"{graph_io.DECODER}.onnx"


def pack_weights(bundle: Bundle, threads: int) -> Path:
    """Make the packed weights of a bundle, unless they are there; returns their folder.

    Older ones of the same bundle are deleted: they are of another processor, release or export, or half made.

    Raises:
        ResourceError: the disk has too little room or cannot be written.
        ModelCorruptError: the decoder cannot be loaded.
    """
    folder = packed_folder(bundle)
    if packed_decoder(bundle) is not None:
        return folder
    delete_packed(bundle)
    decoder = bundle.graph(graph_io.DECODER)
    require_disk(folder, GROWTH * decoder.with_suffix(".data").stat().st_size)
    with disk_errors(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(suffix=".partial", dir=folder.parent))
        try:
            _write_source(unfinished, bundle, {})  # first, so that `delete_packed` finds what a killed attempt left
            prepare_graph(decoder, unfinished / decoder.name, threads)
            files = [path for path in unfinished.iterdir() if path.name != SOURCE]
            _write_source(unfinished, bundle, {path.name: path.stat().st_size for path in files})
            shutil.rmtree(folder, ignore_errors=True)  # damaged, or it would have been used
            unfinished.rename(folder)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    return folder


def delete_packed(bundle: Bundle) -> int:
    """Delete all packed weights made from this bundle's folder; returns how many bytes that freed."""
    freed = 0
    for path in packed_root().glob(f"*/{SOURCE}"):
        source = _read_source(path.parent)
        if source is not None and source.bundle == str(bundle.folder.resolve()):
            freed += sum(entry.stat().st_size for entry in os.scandir(path.parent))
            shutil.rmtree(path.parent, ignore_errors=True)
    return freed


@dataclass(frozen=True, slots=True)
class _Source:
    bundle: str
    sizes: tuple[tuple[str, int], ...]


def _write_source(folder: Path, bundle: Bundle, sizes: Mapping[str, int]) -> None:
    document = {"bundle": str(bundle.folder.resolve()), "sizes": sizes}
    (folder / SOURCE).write_text(json.dumps(document), "utf-8")


def _read_source(folder: Path) -> _Source | None:
    """What `pack_weights` wrote; None where there is nothing, or nothing that can be read."""
    try:
        document = json.loads((folder / SOURCE).read_text("utf-8"))
        return _Source(
            str(document["bundle"]), tuple((str(name), int(size)) for name, size in document["sizes"].items())
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
