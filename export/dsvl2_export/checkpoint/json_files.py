"""JSON files of a checkpoint: read with limits on size and form, written like the official ones."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dsvl2_runtime.errors import ModelCorruptError, ModelNotFoundError

JSON_LIMIT_BYTES = 32_000_000
"""The largest official JSON file, a tokenizer, has 6.3 MB."""


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object of a checkpoint.

    Raises:
        ModelNotFoundError: the file is missing.
        ModelCorruptError: it is too large, not JSON, or not an object.
    """
    if not path.is_file():
        raise ModelNotFoundError(path, "missing", "copy it from the checkpoint's repository")
    size = path.stat().st_size
    if size > JSON_LIMIT_BYTES:
        raise ModelCorruptError(path, f"{size} bytes of JSON", f"at most {JSON_LIMIT_BYTES} are read")
    try:
        document = json.loads(path.read_text("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ModelCorruptError(path, f"not JSON ({error})", "download it again") from error
    if not isinstance(document, dict):
        raise ModelCorruptError(path, f"a JSON {type(document).__name__}, not an object", "download it again")
    return document


def write_json(path: Path, document: Mapping[str, Any]) -> None:
    """Two-space indent, sorted keys."""
    path.write_text(json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n", "utf-8")
