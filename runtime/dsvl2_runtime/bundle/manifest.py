"""What a bundle says about itself: the form of `manifest.json`, in this and in older versions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from dsvl2_runtime.bundle.file_entry import FileEntry
from dsvl2_runtime.bundle.graph_entry import BUILT_IN_DOMAINS, CPU_TARGET, CacheFormat, GraphEntry
from dsvl2_runtime.bundle.graph_file import ENDING
from dsvl2_runtime.bundle.releases import Precision, Variant
from dsvl2_runtime.config import ModelConfig, describe
from dsvl2_runtime.errors import ModelCorruptError
from dsvl2_runtime.machine.files import read_errors

MANIFEST = "manifest.json"
SCHEMA_VERSION = 2
MANIFEST_LIMIT_BYTES = 4_000_000
OPSET_OF_SCHEMA_1 = 21
"""The highest that its exporters wrote."""


class _AnyManifest(BaseModel):
    """What all versions have in common; unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    schema_version: int
    name: str
    variant: Variant
    precision: Precision
    parts: dict[str, str]
    """Format of each part."""
    config: ModelConfig
    files: tuple[FileEntry, ...]
    minimum_onnxruntime: str = Field(pattern=r"^[0-9]{1,6}(\.[0-9]{1,6}){0,3}$")
    note: str = ""
    """A sentence to show beside answers."""
    looks_again: bool = False
    """Whether a second look (`answers/second_look.py`) was found to make this model's answers better."""
    created_with: str = ""


class Manifest(_AnyManifest):
    """What a bundle says about itself."""

    schema_version: Literal[2] = 2
    graphs: tuple[GraphEntry, ...]

    @model_validator(mode="after")
    def _lists_its_graphs(self) -> Self:
        listed = {entry.path for entry in self.files}
        for graph in self.graphs:
            if graph.file not in listed:
                raise ValueError(f"the graph {graph.name} is in {graph.file}, which is not among the files")
        return self


class _ManifestOfSchema1(_AnyManifest):
    """Its graphs are the files `NAME.onnx`, all for the CPU."""

    schema_version: Literal[1] = 1

    def upgraded(self) -> Manifest:
        """The same in the present version."""
        graphs = [
            GraphEntry(
                name=PurePosixPath(entry.path).stem,
                file=entry.path,
                target=CPU_TARGET,
                opsets=dict.fromkeys(BUILT_IN_DOMAINS, 1) | {"": OPSET_OF_SCHEMA_1},
                cache=CacheFormat.of(self.config.language_config) if entry.path == f"decoder{ENDING}" else None,
            )
            for entry in self.files
            if entry.path.endswith(ENDING)
        ]
        common = {name: getattr(self, name) for name in _AnyManifest.model_fields if name != "schema_version"}
        return Manifest(graphs=tuple(graphs), **common)


def read_manifest(path: Path) -> Manifest:
    """Parse a manifest of this or an older version.

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
    version = document.get("schema_version", 1) if isinstance(document, dict) else None
    if isinstance(version, int) and version > SCHEMA_VERSION:
        shown = version if version < 1000 else "over 1000"
        newer = f"schema version {shown}, newer than {SCHEMA_VERSION}"
        raise ModelCorruptError(path, newer, "update this program: pip install -U dsvl2-onnx")
    try:
        if version == 1:
            return _ManifestOfSchema1.model_validate(document).upgraded()
        return Manifest.model_validate(document)
    except ValidationError as error:
        raise ModelCorruptError(path, describe(error), advice) from error


def _without_duplicates(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"key {next(name for name in names if names.count(name) > 1)!r} stands twice")
    return document
