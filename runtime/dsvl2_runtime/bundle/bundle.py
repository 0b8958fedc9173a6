"""A bundle: a folder with ONNX graphs, a tokenizer and `manifest.json`, which names every file with size and SHA-256.

A bundle is untrusted until checked: sizes are compared when it is opened, sums when it is verified, and no listed path
can lead out of the folder. It is written into a hidden sibling folder and renamed when complete, so a bundle that can
be seen is whole.
"""

from __future__ import annotations

import errno
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from dsvl2_runtime.bundle.manifest import MANIFEST, Manifest, VerifyProgress, check_sums, contained, read_manifest
from dsvl2_runtime.errors import ModelCorruptError, ModelNotFoundError
from dsvl2_runtime.machine.files import read_errors

TOKENIZER = "tokenizer.json"


@dataclass(frozen=True)
class Bundle:
    """An opened bundle."""

    folder: Path
    manifest: Manifest

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Read the manifest and compare every file's size with it.

        Raises:
            ModelNotFoundError: the folder, its manifest or a listed file is missing.
            ModelCorruptError: the manifest is not one of ours, or a file has another size.
            ResourceError: one of them cannot be read.
        """
        path = folder / MANIFEST
        advice = "make a bundle with `dsvl2-onnx export`"
        if not stat.S_ISDIR(_mode_and_size(folder)[0]):
            raise ModelNotFoundError(folder, "no such folder", advice)
        if not stat.S_ISREG(_mode_and_size(path)[0]):
            raise ModelNotFoundError(path, "missing, so this folder is no bundle", advice)
        manifest = read_manifest(path)
        for entry in manifest.files:
            found = contained(folder, entry.path)
            mode, size = _mode_and_size(found)
            if not stat.S_ISREG(mode):
                raise ModelNotFoundError(found, "missing, but listed in the manifest", "copy the bundle again")
            if size != entry.size:
                wrong = f"{size} bytes, but the manifest says {entry.size}"
                raise ModelCorruptError(found, wrong, "copy or export the bundle again")
        return cls(folder, manifest)

    def graph(self, name: str) -> Path:
        """The file of a graph of `graph_io.GRAPHS`."""
        return self._listed(f"{name}.onnx")

    @property
    def tokenizer(self) -> Path:
        """The file of the tokenizer."""
        return self._listed(TOKENIZER)

    def _listed(self, path: str) -> Path:
        if path not in {entry.path for entry in self.manifest.files}:
            raise ModelCorruptError(self.folder / MANIFEST, f"it does not list {path}", "export the bundle again")
        return self.folder / path

    def verify(self, on_progress: VerifyProgress = lambda done, total: None) -> None:
        """Compare every file's SHA-256 with the manifest, and look for files that it does not list.

        Raises:
            ModelCorruptError: a file differs, or there is one too many.
        """
        check_sums(self.folder, self.manifest.files, "copy or export the bundle again", on_progress)
        listed = {MANIFEST, *(entry.path for entry in self.manifest.files)}
        present = {path.relative_to(self.folder).as_posix() for path in self.folder.rglob("*") if not path.is_dir()}
        if extra := sorted(present - listed):
            raise ModelCorruptError(self.folder / extra[0], "not listed in the manifest", "remove it")


def _mode_and_size(path: Path) -> tuple[int, int]:
    """Of a file or folder; zeros where there is none, or none can have that name.

    Raises:
        ResourceError: it may not be looked at.
    """
    try:
        found = path.stat()
    except ValueError:
        return 0, 0
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.EINVAL):
            return 0, 0
        with read_errors(path):
            raise
    return found.st_mode, found.st_size
