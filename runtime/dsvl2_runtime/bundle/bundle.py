"""A bundle: a folder with ONNX graphs, a tokenizer and `manifest.json`, which names every file with size and SHA-256.

A bundle is untrusted until checked. When it is opened, sizes and samples of the content are compared, and what the
graphs refer to; sums when it is verified. No listed path can lead out of the folder, and no graph can name a file that
is not listed. It is written into a hidden sibling folder and renamed when complete, so a bundle that can be seen is
whole.
"""

from __future__ import annotations

import stat
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Self

from dsvl2_runtime.bundle.file_entry import VerifyProgress, check_file, check_sums, mode_and_size
from dsvl2_runtime.bundle.graph_entry import BUILT_IN_DOMAINS, GraphEntry
from dsvl2_runtime.bundle.graph_file import read_graph_file
from dsvl2_runtime.bundle.manifest import MANIFEST, Manifest, read_manifest
from dsvl2_runtime.errors import ModelCorruptError, ModelNotFoundError
from dsvl2_runtime.machine.files import sha256

TOKENIZER = "tokenizer.json"
AGAIN = "copy or export the bundle again"


@dataclass(frozen=True)
class Bundle:
    """An opened bundle."""

    folder: Path
    manifest: Manifest
    data_files: Mapping[str, frozenset[str]]
    """Of each graph, by its path, the listed files with its weights."""

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Read the manifest and compare every file with it, as far as that takes milliseconds.

        Raises:
            ModelNotFoundError: the folder, its manifest or a listed file is missing.
            ModelCorruptError: the manifest is not one of ours, a file is another one than it lists, or a graph needs
                what it does not list.
            ResourceError: one of them cannot be read.
        """
        path = folder / MANIFEST
        advice = "make a bundle with `dsvl2-onnx export`"
        if not stat.S_ISDIR(mode_and_size(folder)[0]):
            raise ModelNotFoundError(
                folder, "no such folder", f"`dsvl2-onnx ls` lists the models that have a name; {advice}"
            )
        if not stat.S_ISREG(mode_and_size(path)[0]):
            raise ModelNotFoundError(path, "missing, so this folder is no bundle", advice)
        manifest = read_manifest(path)
        for entry in manifest.files:
            check_file(folder, entry, path, AGAIN)
        listed = frozenset(entry.path for entry in manifest.files)
        return cls(folder, manifest, {graph.file: _listed_data(folder, graph, listed) for graph in manifest.graphs})

    @property
    def manifest_sha256(self) -> str:
        """SHA-256 of the manifest, as 64 hexadecimal digits: the same for the same weights.

        Raises:
            ResourceError: it cannot be read any more.
        """
        return sha256(self.folder / MANIFEST)

    def data_bytes(self, graph: GraphEntry) -> int:
        """Bytes of the files beside a graph that hold its weights."""
        return sum(entry.size for entry in self.manifest.files if entry.path in self.data_files[graph.file])

    def target_bytes(self, target: str) -> int:
        """Bytes of all files with weights of a target's graphs."""
        graphs = [graph for graph in self.manifest.graphs if graph.target == target]
        names = {name for graph in graphs for name in (graph.file, *self.data_files[graph.file])}
        return sum(entry.size for entry in self.manifest.files if entry.path in names)

    def graph_entry(self, name: str, target: str, domains: Collection[str] = ()) -> GraphEntry:
        """What the manifest says about a graph.

        Args:
            name: of `graph_io.GRAPHS`.
            target: where it shall run, the name of a `target.Target`.
            domains: of the sets of operators that a library brings; of several graphs the first that needs no other.

        Raises:
            ModelCorruptError: there is none that can run.
        """
        graphs = [graph for graph in self.manifest.graphs if (graph.name, graph.target) == (name, target)]
        for graph in graphs:
            if graph.domains <= set(domains):
                return graph
        path = self.folder / MANIFEST
        if graphs:
            missing = ", ".join(sorted(graphs[0].domains - set(domains)))
            raise ModelCorruptError(path, f"its {name} needs operators that are not installed: {missing}", AGAIN)
        raise ModelCorruptError(path, f"it has no graph {name} for {target}", "export the bundle again")

    def graph(self, name: str, target: str, domains: Collection[str] = ()) -> Path:
        """The file of a graph; see `graph_entry`."""
        return self.folder / self.graph_entry(name, target, domains).file

    @property
    def tokenizer(self) -> Path:
        """The file of the tokenizer."""
        if TOKENIZER not in {entry.path for entry in self.manifest.files}:
            raise ModelCorruptError(self.folder / MANIFEST, f"it does not list {TOKENIZER}", "export the bundle again")
        return self.folder / TOKENIZER

    def verify(self, on_progress: VerifyProgress = lambda done, total: None) -> None:
        """Compare every file's SHA-256 with the manifest, and look for files that it does not list.

        Raises:
            ModelCorruptError: a file differs, or there is one too many.
            ResourceError: a file cannot be read.
        """
        check_sums(self.folder, self.manifest.files, self.folder / MANIFEST, AGAIN, on_progress)
        listed = {MANIFEST, *(entry.path for entry in self.manifest.files)}
        present = {path.relative_to(self.folder).as_posix() for path in self.folder.rglob("*") if not path.is_dir()}
        if extra := sorted(present - listed):
            raise ModelCorruptError(self.folder / extra[0], "not listed in the manifest", "remove it")


def _listed_data(folder: Path, graph: GraphEntry, listed: Collection[str]) -> frozenset[str]:
    """The files with a graph's weights, relative to the bundle.

    Raises:
        ModelCorruptError: it names a file or a set of operators of which the manifest says nothing.
    """
    path = folder / graph.file
    found = read_graph_file(path)
    beside = PurePosixPath(graph.file).parent
    for name in sorted(found.data_files):
        if str(beside / name) not in listed or name != str(PurePosixPath(name)):
            raise ModelCorruptError(path, f"its weights are in {name!r}, which {MANIFEST} does not list", AGAIN)
    for domain in sorted(found.opsets.keys() - graph.opsets.keys() - BUILT_IN_DOMAINS):
        raise ModelCorruptError(path, f"it needs operators of {domain!r}, of which {MANIFEST} says nothing", AGAIN)
    return frozenset(str(beside / name) for name in found.data_files)
