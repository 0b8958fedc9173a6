"""Writes a bundle that appears when it is complete, or not at all."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from dsvl2_runtime.bundle.file_entry import FileEntry
from dsvl2_runtime.bundle.manifest import MANIFEST, Manifest
from dsvl2_runtime.errors import UsageError
from dsvl2_runtime.machine.files import PURPOSE, disk_errors, new_folder


class BundleWriter(AbstractContextManager["BundleWriter"]):
    """Writes a bundle that appears when it is complete, or not at all; a context manager (`files.new_folder`).

    Files go into `folder`; `finish` sums them up and writes the manifest. The bundle is in its place when the block
    ends.

    Args:
        out: the bundle's folder.
        overwrite: replace a bundle that is there.
        purpose: what is written from what; two attempts with the same one would write the same bytes.
        journal: name of the file that says how far an attempt has come; without one nothing is resumed.

    Raises:
        UsageError: `out` is there and may not be replaced.
    """

    def __init__(self, out: Path, overwrite: bool = False, *, purpose: str = "", journal: str | None = None) -> None:
        if out.is_symlink():
            raise UsageError(f"{out} is a link; give the folder it leads to, or another one")
        if out.exists() and not overwrite:
            raise UsageError(f"{out} is there already; give another folder or --force to replace it")
        if out.exists() and not (out / MANIFEST).is_file() and any(out.iterdir() if out.is_dir() else [out]):
            raise UsageError(f"{out} is no bundle and will not be replaced; give another folder")
        # "." has no name and no parent, so what is written beside it would lie inside.
        self.out = out.resolve()
        self._new_folder = new_folder(self.out, overwrite=overwrite, purpose=purpose, journal=journal)
        self._unlisted = {MANIFEST, PURPOSE, journal}
        """A manifest is there if an earlier attempt got this far."""
        self._finished = False

    def __enter__(self) -> Self:
        """Take the place for this process.

        Raises:
            BusyError: another process writes there.
            ResourceError: the place cannot be written.
        """
        self.folder = self._new_folder.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None and not self._finished:
            kind, error = RuntimeError, RuntimeError(f"{self.out} was not finished")
            self._new_folder.__exit__(kind, error, None)
            raise error
        self._new_folder.__exit__(kind, error, trace)

    def finish(self, **fields: Any) -> Manifest:
        """Write the manifest.

        Args:
            **fields: of `Manifest`, except `files`.
        """
        found = (path for path in self.folder.rglob("*") if path.is_file())
        paths = sorted(path for path in found if path.relative_to(self.folder).as_posix() not in self._unlisted)
        manifest = Manifest(files=tuple(FileEntry.of(path, self.folder) for path in paths), **fields)
        document = json.dumps(manifest.model_dump(mode="json"), indent=1, ensure_ascii=False)
        with disk_errors(self.out):
            (self.folder / MANIFEST).write_text(document + "\n", "utf-8")
        self._finished = True
        return manifest
