"""Packed weights kept on this machine: the decoder's graph as ONNX Runtime has optimised it, weights in kernel order.

Without it every start packs the weights into memory of the process, about a tenth more than the bundle's size. With it
they are mapped from a file: two processes share them, and the system may drop them and read them again instead of
swapping. The order depends on the processor and on the release of ONNX Runtime, so both are part of the name, and the
bundle's manifest too. ONNX Runtime still packs each weight once at load, to compare it with what the file holds
(`docs/performance.md`, "Starting"): starting gets shorter, not short.

A start compares sizes and samples, because reading the whole file would cost what mapping it saves. `verify`, and
`optimize` where there is a copy already, compare its sums.
"""

from __future__ import annotations

import hashlib
import logging
import shutil
from pathlib import Path

import onnxruntime
from pydantic import BaseModel, ValidationError

from dsvl2_runtime.bundle.bundle import Bundle
from dsvl2_runtime.bundle.file_entry import FileEntry, VerifyProgress, check_file, check_sums
from dsvl2_runtime.bundle.manifest import MANIFEST
from dsvl2_runtime.errors import Dsvl2Error, ModelCorruptError, UsageError
from dsvl2_runtime.graphs import graph_io
from dsvl2_runtime.graphs.session import pack_graph, version_numbers
from dsvl2_runtime.graphs.target import CPU
from dsvl2_runtime.machine.disk_space import require_disk
from dsvl2_runtime.machine.files import bytes_in, cache_folder, new_folder, only_writer
from dsvl2_runtime.machine.machine import describe_processor

SOURCE = "source.json"
"""In each folder: what it was made from, and its files with sizes and sums."""
GROWTH_ON_DISK = 2.2
"""Bytes of the packed graph over those of the bundle's: originals stay beside what is packed from them."""

FIRST_ONNXRUNTIME = "1.32"
"""Version 1.31.0 crashes in the first run over packed weights."""

AGAIN = "run `dsvl2-onnx optimize` again, which replaces them"

log = logging.getLogger(__name__)


def packed_root() -> Path:
    """Where packed weights of all bundles lie."""
    return cache_folder() / "packed"


def packed_folder(bundle: Bundle) -> Path:
    """Where this bundle's packed weights lie, or would lie, on this machine with this release of ONNX Runtime."""
    processor = describe_processor()
    key = repr((onnxruntime.__version__, processor.name, processor.features, _manifest_sha256(bundle)))
    return packed_root() / hashlib.sha256(key.encode()).hexdigest()[:24]


def _manifest_sha256(bundle: Bundle) -> str:
    return hashlib.sha256((bundle.folder / MANIFEST).read_bytes()).hexdigest()


def packed_decoder(bundle: Bundle) -> Path | None:
    """The packed decoder's graph, if it was made and its files are, as far as can be seen at once, what was written."""
    try:
        files = _checked_files(bundle)
    except Dsvl2Error as error:
        log.warning("the packed weights are not used: %s", error)
        return None
    return packed_folder(bundle) / f"{graph_io.DECODER}.onnx" if files else None


def packed_bytes(bundle: Bundle) -> int:
    """Bytes of the packed weights that a start will map; 0 where it will find none."""
    try:
        return sum(entry.size for entry in _checked_files(bundle))
    except Dsvl2Error:
        return 0


def _can_run_packed() -> bool:
    return version_numbers(onnxruntime.__version__) >= version_numbers(FIRST_ONNXRUNTIME)


def _checked_files(bundle: Bundle) -> tuple[FileEntry, ...]:
    if not _can_run_packed():  # an earlier release of this program may have packed them
        return ()
    folder = packed_folder(bundle)
    files = _files(folder)
    for entry in files:
        check_file(folder, entry, folder / SOURCE, AGAIN)
    return files


def verify_packed(bundle: Bundle, on_progress: VerifyProgress = lambda done, total: None) -> bool:
    """Compare the packed weights with the sums they were written with; False where there are none.

    Raises:
        ModelCorruptError: a file is missing or differs.
    """
    folder = packed_folder(bundle)
    files = _files(folder)
    check_sums(folder, files, folder / SOURCE, AGAIN, on_progress)
    return bool(files)


def pack_weights(bundle: Bundle, threads: int, on_progress: VerifyProgress = lambda done, total: None) -> Path:
    """Make the packed weights of a bundle, unless they are there undamaged; returns their folder.

    Older ones of the same bundle are deleted: they are of another processor, release or export, or half made.

    Args:
        bundle: whose decoder is packed.
        threads: of one operator.
        on_progress: told how much of what is there has been checked.

    Raises:
        UsageError: this release of ONNX Runtime cannot run what it would pack.
        BusyError: another process packs or deletes.
        ResourceError: the disk has too little room or cannot be written.
        ModelCorruptError: the decoder cannot be loaded.
    """
    if not _can_run_packed():
        raise UsageError(
            f"ONNX Runtime {onnxruntime.__version__} crashes with packed weights; install {FIRST_ONNXRUNTIME} or newer,"
            " or go on without"
        )
    with only_writer(packed_root()):  # a second writer would sweep away what the first one is writing
        folder = packed_folder(bundle)
        try:
            if verify_packed(bundle, on_progress):
                return folder
        except ModelCorruptError:
            log.warning("the packed weights in %s were damaged and are made again", folder)
        _sweep(bundle)
        entry = bundle.graph_entry(graph_io.DECODER, CPU.name)
        decoder = bundle.folder / entry.file
        require_disk(folder, GROWTH_ON_DISK * bundle.data_bytes(entry))
        with new_folder(folder, overwrite=True) as unfinished:  # what is there is damaged, or it would be used
            _write_source(unfinished, bundle, ())  # first, so that `_sweep` finds what a killed attempt left
            pack_graph(decoder, unfinished / decoder.name, threads)
            paths = sorted(path for path in unfinished.iterdir() if path.name != SOURCE)
            _write_source(unfinished, bundle, tuple(FileEntry.of(path, unfinished) for path in paths))
    return folder


def delete_packed(bundle: Bundle) -> int:
    """Delete all packed weights made from this bundle, wherever it was then; returns how many bytes that freed.

    Raises:
        BusyError: another process packs or deletes.
    """
    if not packed_root().is_dir():  # taking the lock would make the folders around it
        return 0
    with only_writer(packed_root()):
        return _sweep(bundle)


def _sweep(bundle: Bundle) -> int:
    """Delete what was made from the bundle in this folder, or from this very bundle when it was in another one."""
    here, manifest, mine = str(bundle.folder.resolve()), _manifest_sha256(bundle), packed_folder(bundle)
    freed = 0
    for path in packed_root().glob(f"*/{SOURCE}"):
        source = _read_source(path.parent)
        if path.parent == mine or (source is not None and (source.bundle == here or source.manifest == manifest)):
            freed += bytes_in(path.parent)
            shutil.rmtree(path.parent, ignore_errors=True)
    return freed


class _Source(BaseModel):
    bundle: str
    """The folder."""
    manifest: str = ""
    """SHA-256 of the bundle's manifest; empty in copies that older releases made."""
    files: tuple[FileEntry, ...] = ()
    """Empty while packing, and in copies made before checksums were recorded."""


def _write_source(folder: Path, bundle: Bundle, files: tuple[FileEntry, ...]) -> None:
    source = _Source(bundle=str(bundle.folder.resolve()), manifest=_manifest_sha256(bundle), files=files)
    (folder / SOURCE).write_text(source.model_dump_json(), "utf-8")


def _read_source(folder: Path) -> _Source | None:
    """What `pack_weights` wrote; None where there is nothing, or nothing that can be read."""
    try:
        return _Source.model_validate_json((folder / SOURCE).read_bytes())
    except (OSError, ValidationError):
        return None


def _files(folder: Path) -> tuple[FileEntry, ...]:
    source = _read_source(folder)
    return source.files if source is not None else ()
