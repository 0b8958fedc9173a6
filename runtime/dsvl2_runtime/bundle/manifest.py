"""What a bundle says about itself, and the files that it lists."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dsvl2_runtime.bundle.releases import Precision, Variant
from dsvl2_runtime.config import ModelConfig, describe
from dsvl2_runtime.errors import ModelCorruptError
from dsvl2_runtime.machine.files import read_errors, sha256

MANIFEST = "manifest.json"
SCHEMA_VERSION = 1
MANIFEST_LIMIT_BYTES = 4_000_000

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
    variant: Variant
    precision: Precision
    parts: dict[str, str]
    """Format of each part."""
    config: ModelConfig
    files: tuple[FileEntry, ...]
    minimum_onnxruntime: str = Field(pattern=r"^\d+(\.\d+)*$")
    note: str = ""
    """A sentence to show beside answers."""
    created_with: str = ""


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
