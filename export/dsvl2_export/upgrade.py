"""Brings a bundle of an older release up to date without its checkpoint: weights stay where they are."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from dsvl2_export.bundle_size import MARGIN_BYTES, cuda_bytes
from dsvl2_export.exporter import OWN_GRAPH, REWRITERS, graph_entries
from dsvl2_export.graphs.cuda.bundle_graphs import write_cuda_graphs
from dsvl2_export.graphs.cuda.form import CudaForm
from dsvl2_quant.recipe import RECIPES
from dsvl2_runtime.bundle.bundle import Bundle
from dsvl2_runtime.bundle.file_entry import FileEntry
from dsvl2_runtime.bundle.graph_entry import GraphEntry
from dsvl2_runtime.bundle.graph_file import ENDING
from dsvl2_runtime.bundle.manifest import MANIFEST, Manifest
from dsvl2_runtime.graphs.target import CPU, CUDA
from dsvl2_runtime.machine.disk_space import require_disk
from dsvl2_runtime.machine.files import disk_errors, flush_files, new_file, only_writer


def upgrade_bundle(folder: Path) -> bool:
    """Write the graphs with our operators into a bundle, and its manifest in the present form.

    Each file appears whole or not at all; the manifest, which makes the graphs count, comes last.

    Args:
        folder: of the bundle.

    Returns:
        Whether there is an operator of ours for anything in it; else it stays as it was.

    Raises:
        ModelNotFoundError, ModelCorruptError: the bundle cannot be opened.
        BusyError: another process writes there.
        ResourceError: the folder is not writable.
    """
    folder = folder.resolve()
    with only_writer(folder):
        bundle = Bundle.open(folder)
        written = []
        for graph, rewritten in REWRITERS.items():
            model, count = rewritten(bundle.graph(graph, CPU.name))
            if count:
                own = folder / f"{OWN_GRAPH.format(graph)}{ENDING}"
                with new_file(own) as path, disk_errors(folder):
                    path.write_bytes(model.SerializeToString())
                written.append(own)
        if not written:
            return False
        others = [graph for graph in bundle.manifest.graphs if graph.target != CPU.name]
        graphs = graph_entries(folder, bundle.manifest.config.language_config)
        _write_manifest(bundle, [*graphs, *others], written)
    return True


def add_cuda_graphs(folder: Path, form: CudaForm | None = None, on_graph: Callable[[], None] = lambda: None) -> None:
    """Give a bundle the graphs for a GPU, or write those that it has anew; those for the CPU stay as they are.

    They are written beside their places first, so that a bundle that is in use stays whole; the manifest comes last.

    Args:
        folder: of the bundle.
        form: types and layout; by default those of `form_for`.
        on_graph: called when a graph is written.

    Raises:
        ModelNotFoundError, ModelCorruptError: the bundle cannot be opened.
        UsageError: it is not quantised, or a size is none that the GPU's kernels take.
        BusyError: another process writes there.
        ResourceError: the disk has too little room, or is not writable.
    """
    folder = folder.resolve()
    with only_writer(folder):
        bundle = Bundle.open(folder)
        config = bundle.manifest.config
        recipe = RECIPES[bundle.manifest.precision].fitted(config.language_config)
        require_disk(folder / MANIFEST, cuda_bytes(config, recipe) + MARGIN_BYTES)
        with disk_errors(folder), tempfile.TemporaryDirectory(prefix=".", suffix=".cuda", dir=folder.parent) as made:
            entries = write_cuda_graphs(folder, Path(made), config, form, on_graph)
            flush_files(Path(made).iterdir())
            paths = [_moved(path, folder) for path in sorted(Path(made).iterdir())]
        others = [graph for graph in bundle.manifest.graphs if graph.target != CUDA.name]
        _write_manifest(bundle, [*others, *entries], paths)


def _moved(path: Path, folder: Path) -> Path:
    """A file of a temporary folder on the same disk, put into its place."""
    place = folder / path.name
    with new_file(place) as unfinished:
        path.replace(unfinished)
    return place


def _write_manifest(bundle: Bundle, graphs: Sequence[GraphEntry], new: Sequence[Path]) -> None:
    """The bundle's manifest with other graphs and with some new files."""
    folder, old = bundle.folder, bundle.manifest
    files = {entry.path: entry for entry in old.files} | {path.name: FileEntry.of(path, folder) for path in new}
    fields = {name: getattr(old, name) for name in Manifest.model_fields if name not in ("files", "graphs")}
    manifest = Manifest(files=tuple(files[name] for name in sorted(files)), graphs=tuple(graphs), **fields)
    document = json.dumps(manifest.model_dump(mode="json"), indent=1, ensure_ascii=False)
    with new_file(folder / MANIFEST) as path, disk_errors(folder):
        path.write_text(document + "\n", "utf-8")
