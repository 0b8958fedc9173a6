"""Brings a bundle of an older release up to date without its checkpoint: weights stay where they are."""

from __future__ import annotations

import json
from pathlib import Path

from dsvl2_export.exporter import OWN_GRAPH, graph_entries
from dsvl2_export.graphs.own_operators import with_own_operators
from dsvl2_runtime.bundle.bundle import Bundle
from dsvl2_runtime.bundle.file_entry import FileEntry
from dsvl2_runtime.bundle.graph_file import ENDING
from dsvl2_runtime.bundle.manifest import MANIFEST, Manifest
from dsvl2_runtime.graphs import graph_io
from dsvl2_runtime.graphs.target import CPU
from dsvl2_runtime.machine.files import disk_errors, new_file, only_writer


def upgrade_bundle(folder: Path) -> bool:
    """Write the decoder graph with our operators into a bundle, and its manifest in the present form.

    Each file appears whole or not at all; the manifest, which makes the graph count, comes last.

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
        model, count = with_own_operators(bundle.graph(graph_io.DECODER, CPU.name))
        if not count:
            return False
        own = folder / f"{OWN_GRAPH.format(graph_io.DECODER)}{ENDING}"
        with new_file(own) as path, disk_errors(folder):
            path.write_bytes(model.SerializeToString())
        old = bundle.manifest
        files = {entry.path: entry for entry in old.files} | {own.name: FileEntry.of(own, folder)}
        graphs = graph_entries(folder, old.config.language_config)
        fields = {name: getattr(old, name) for name in Manifest.model_fields if name not in ("files", "graphs")}
        manifest = Manifest(files=tuple(files[name] for name in sorted(files)), graphs=tuple(graphs), **fields)
        document = json.dumps(manifest.model_dump(mode="json"), indent=1, ensure_ascii=False)
        with new_file(folder / MANIFEST) as path, disk_errors(folder):
            path.write_text(document + "\n", "utf-8")
    return True
