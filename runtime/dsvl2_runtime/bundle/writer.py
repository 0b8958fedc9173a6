"""Writes a bundle that appears when it is complete, or not at all."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from dsvl2_runtime.bundle.manifest import MANIFEST, Manifest, file_entry
from dsvl2_runtime.errors import DISK_ERRNOS, UsageError
from dsvl2_runtime.machine.files import cannot_write, disk_errors, flush, flush_files

PURPOSE = "purpose.txt"
"""In an unfinished bundle: what is being written from what."""


def unfinished_folder(out: Path) -> Path:
    """Where a bundle is written until it is complete."""
    return out.parent / f".{out.name[:80]}.partial"


class BundleWriter:
    """Writes a bundle that appears when it is complete, or not at all; a context manager.

    Files go into `folder`; `finish` sums them up, writes the manifest and puts the bundle in its place. What a broken
    attempt has written is thrown away, at once or, if it was killed, by the next writer; unless it left a `journal`
    and has the same `purpose`: then the next writer finds it in `folder` and goes on.

    Args:
        out: the bundle's folder.
        overwrite: replace a bundle that is there.
        purpose: what is written from what; two attempts with the same one would write the same bytes.
        journal: name of the file that says how far an attempt has come; without one nothing is gone on with.

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
        self.folder = unfinished_folder(self.out)
        self._purpose = purpose
        self._journal = journal
        self._finished = False

    def __enter__(self) -> Self:
        with disk_errors(self.out):
            self.out.parent.mkdir(parents=True, exist_ok=True)
            note = self.folder / PURPOSE
            same = note.is_file() and note.read_text("utf-8") == self._purpose
            if self.folder.exists() and not (same and self._can_go_on):
                shutil.rmtree(self.folder)
            self.folder.mkdir(mode=0o700, exist_ok=True)
            note.write_text(self._purpose, "utf-8")
        return self

    @property
    def _can_go_on(self) -> bool:
        return self._journal is not None and (self.folder / self._journal).is_file()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._finished and not self._can_go_on:
            shutil.rmtree(self.folder, ignore_errors=True)
        if isinstance(error, OSError) and error.errno in DISK_ERRNOS:
            raise cannot_write(self.out, error)

    def finish(self, **fields: Any) -> Manifest:
        """Write the manifest and rename the folder; until then the journal stays, for summing up takes minutes too.

        Args:
            **fields: of `Manifest`, except `files`.
        """
        marks = [self.folder / name for name in (PURPOSE, self._journal) if name]
        # An attempt that came as far as this has left a manifest.
        unlisted = {*marks, self.folder / MANIFEST}
        paths = sorted(path for path in self.folder.rglob("*") if path.is_file() and path not in unlisted)
        files = tuple(file_entry(path, self.folder) for path in paths)
        manifest = Manifest(files=files, **fields)
        with disk_errors(self.out):
            flush_files(paths)
            document = json.dumps(manifest.model_dump(mode="json"), indent=1, ensure_ascii=False)
            (self.folder / MANIFEST).write_text(document + "\n", "utf-8")
            flush(self.folder / MANIFEST)
            self.folder.chmod(0o755)
            kept = {mark: mark.read_bytes() for mark in marks if mark.is_file()}
            try:
                for mark in kept:
                    mark.unlink()
                self._put_in_place()
            except BaseException:
                if self.folder.exists():
                    for mark, content in kept.items():
                        mark.write_bytes(content)
                raise
        self._finished = True
        return manifest

    def _put_in_place(self) -> None:
        """Rename the folder to `out`; a bundle that is there is deleted only when the new one stands in its place."""
        if not self.out.exists():
            self.folder.rename(self.out)
            return
        replaced = self.folder.with_suffix(".replaced")
        if replaced.exists():
            shutil.rmtree(replaced)
        self.out.rename(replaced)
        try:
            self.folder.rename(self.out)
        except OSError:
            replaced.rename(self.out)
            raise
        shutil.rmtree(replaced)
