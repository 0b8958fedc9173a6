"""A bundle: a folder with ONNX graphs, a tokenizer and `manifest.json`, which names every file with size and SHA-256.

A bundle is untrusted until checked: sizes are compared when it is opened, sums when it is verified, and no listed path
can lead out of the folder. It is written into a hidden sibling folder and renamed when complete, so a bundle that can
be seen is whole.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dsvl2_runtime.config import ModelConfig, describe
from dsvl2_runtime.errors import DISK_ERRNOS, ModelCorruptError, ModelNotFoundError, ResourceError, UsageError

MANIFEST = "manifest.json"
TOKENIZER = "tokenizer.json"
PURPOSE = "purpose.txt"
"""In an unfinished bundle: what is being written from what."""
SCHEMA_VERSION = 1
MANIFEST_LIMIT_BYTES = 4_000_000
HASH_CHUNK_BYTES = 1 << 22

VerifyProgress = Callable[[int, int], None]
"""Told (bytes checked, bytes in all)."""


class FileEntry(BaseModel):
    """One file of a bundle."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    path: str
    """Relative to the bundle, with forward slashes."""
    size: int = Field(ge=0)
    """Bytes."""
    sha256: str = Field(pattern="^[0-9a-f]{64}$")


class Manifest(BaseModel):
    """What a bundle says about itself; unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    name: str
    variant: Literal["tiny", "small", "base"]
    precision: Literal["fp32", "int8", "int4", "int4-128"]
    parts: dict[str, str]
    """Format of each part."""
    config: ModelConfig
    files: tuple[FileEntry, ...]
    minimum_onnxruntime: str = Field(pattern=r"^\d+(\.\d+)*$")
    note: str = ""
    """A sentence to show beside answers."""
    created_with: str = ""


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


def read_manifest(path: Path) -> Manifest:
    """Parse a manifest.

    Raises:
        ModelCorruptError: it is too large, not JSON, has a key twice or an unknown one, or a value of the wrong type.
        ResourceError: it cannot be read.
    """
    advice = "copy or export the bundle again"
    if path.stat().st_size > MANIFEST_LIMIT_BYTES:
        raise ModelCorruptError(path, f"over {MANIFEST_LIMIT_BYTES} bytes", "a manifest is never that large")
    try:
        with read_errors(path):
            text = path.read_text("utf-8")
        document = json.loads(text, object_pairs_hook=_without_duplicates)
    except (ValueError, RecursionError) as error:
        raise ModelCorruptError(path, f"not a manifest ({error})", advice) from error
    version = document.get("schema_version") if isinstance(document, dict) else None
    if isinstance(version, int) and version > SCHEMA_VERSION:
        newer = f"schema version {version}, newer than {SCHEMA_VERSION}"
        raise ModelCorruptError(path, newer, "update this program: pip install -U dsvl2-onnx")
    try:
        return Manifest.model_validate(document)
    except ValidationError as error:
        raise ModelCorruptError(path, describe(error), advice) from error


def _without_duplicates(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"key {next(name for name in names if names.count(name) > 1)!r} stands twice")
    return document


def contained(folder: Path, relative: str) -> Path:
    """A file inside a folder.

    Raises:
        ModelCorruptError: the path is absolute, climbs out, is a link or leads through one, or no file can have it.
    """
    parts = PurePosixPath(relative).parts
    plain = parts and not relative.startswith("/") and all(part not in ("..", ".") for part in parts)
    path = folder.joinpath(*parts)
    try:
        direct = path.resolve() == folder.resolve().joinpath(*parts)
    except ValueError:  # a zero byte, half a character
        direct = False
    if not plain or "\\" in relative or ":" in relative or not direct:
        raise ModelCorruptError(folder / MANIFEST, f"it lists {relative!r}, outside the bundle", "do not trust it")
    return path


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


def check_sums(folder: Path, files: Sequence[FileEntry], advice: str, on_progress: VerifyProgress) -> None:
    """Compare every listed file's SHA-256 with the list.

    Raises:
        ModelCorruptError: a file is missing or differs.
        ResourceError: a file cannot be read.
    """
    total = sum(entry.size for entry in files)
    before = 0
    for entry in files:
        path = contained(folder, entry.path)
        if not path.is_file():
            raise ModelCorruptError(path, "missing", advice)
        found = sha256(path, lambda done, start=before: on_progress(start + done, total))  # type: ignore[misc]
        if found != entry.sha256:
            raise ModelCorruptError(path, f"its SHA-256 is {found}, but it was written with {entry.sha256}", advice)
        before += entry.size


def file_entry(path: Path, folder: Path) -> FileEntry:
    """How a file is listed that lies in `folder`; reads all of it."""
    return FileEntry(path=path.relative_to(folder).as_posix(), size=path.stat().st_size, sha256=sha256(path))


def sha256(path: Path, on_bytes: Callable[[int], None] = lambda done: None) -> str:
    """SHA-256 of a file, read in pieces, as 64 hexadecimal digits.

    Raises:
        ResourceError: it cannot be read.
    """
    digest = hashlib.sha256()
    done = 0
    with read_errors(path), path.open("rb") as file:
        while piece := file.read(HASH_CHUNK_BYTES):
            digest.update(piece)
            done += len(piece)
            on_bytes(done)
    return digest.hexdigest()


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
            raise _cannot_write(self.out, error)

    def finish(self, **fields: Any) -> Manifest:
        """Write the manifest and rename the folder; until then the journal stays, for summing up takes minutes too.

        Args:
            **fields: of `Manifest`, except `files`.
        """
        from dsvl2_runtime import __version__

        marks = [self.folder / name for name in (PURPOSE, self._journal) if name]
        # An attempt that came as far as this has left a manifest.
        unlisted = {*marks, self.folder / MANIFEST}
        paths = sorted(path for path in self.folder.rglob("*") if path.is_file() and path not in unlisted)
        files = tuple(file_entry(path, self.folder) for path in paths)
        manifest = Manifest(files=files, created_with=f"dsvl2-onnx {__version__}", **fields)
        with disk_errors(self.out):
            flush_files(paths)
            document = json.dumps(manifest.model_dump(mode="json"), indent=1, ensure_ascii=False)
            (self.folder / MANIFEST).write_text(document + "\n", "utf-8")
            _flush(self.folder / MANIFEST)
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


@contextmanager
def disk_errors(out: Path) -> Iterator[None]:
    """Say what could not be written where, instead of a bare `OSError`."""
    try:
        yield
    except OSError as error:
        if isinstance(error, ResourceError):
            raise
        raise _cannot_write(out, error) from error


def _cannot_write(out: Path, error: OSError) -> ResourceError:
    """With the file that the system names, which may be one that was to be read."""
    named = f"{error.filename}: " if error.filename else ""
    return ResourceError(f"cannot write {out}: {named}{error.strerror}; free some space or choose another folder")


@contextmanager
def read_errors(path: Path) -> Iterator[None]:
    """Say what could not be read, which is neither damage nor a full disk."""
    try:
        yield
    except OSError as error:
        raise ResourceError(f"cannot read {path}: {error.strerror}; check its permissions and its disk") from error


def flush_files(paths: Iterable[Path]) -> None:
    """Put the bytes of files on the disk before the rename that makes them count."""
    for path in paths:
        _flush(path)


def _flush(path: Path) -> None:
    """Ask the system to put a file's bytes on the disk before the rename that makes them count."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())
