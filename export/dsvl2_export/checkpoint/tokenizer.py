"""The tokenizer of a checkpoint: put together from its two files, and checked against the model before anything else.

`tokenizer.json` is what the runtime reads. Added tokens that only `tokenizer_config.json` names are put into it;
nothing else of that file is used.
"""

from __future__ import annotations

import json
import logging
import tempfile
from pathlib import Path
from typing import Any

from dsvl2_export.checkpoint.json_files import read_json
from dsvl2_runtime.config import LanguageConfig
from dsvl2_runtime.errors import ModelCorruptError
from dsvl2_runtime.inputs.tokenizer import BOS, EOS, Tokenizer

TOKENIZER = "tokenizer.json"
TOKENIZER_CONFIG = "tokenizer_config.json"
ADVICE = "use the checkpoint's own files"

log = logging.getLogger(__name__)


def added_token(name: str, token_id: int) -> dict[str, Any]:
    """An entry of `added_tokens` as the releases have them."""
    return {
        "id": token_id,
        "content": name,
        "single_word": False,
        "lstrip": False,
        "rstrip": False,
        "normalized": False,
        "special": True,
    }


def read_tokenizer(folder: Path, config: LanguageConfig) -> bytes:
    """Content of a bundle's `tokenizer.json`: that of the checkpoint, byte for byte unless tokens are missing in it.

    Raises:
        ModelNotFoundError: there is no `tokenizer.json`.
        ModelCorruptError: it is no tokenizer, lacks a special token, contradicts `tokenizer_config.json`, or has ids
            that the configuration does not have.
    """
    path = folder / TOKENIZER
    document = read_json(path)
    named = _named_tokens(folder / TOKENIZER_CONFIG)
    try:
        added = {str(token["content"]): int(token["id"]) for token in document.get("added_tokens", [])}
        ids: dict[str, int] = {**document["model"]["vocab"], **added}
        other = [name for name, token in named.items() if ids.get(name, token["id"]) != token["id"]]
        ids |= {name: token["id"] for name, token in named.items()}
        outside = [name for name, token_id in ids.items() if not 0 <= token_id < config.vocab_size]
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise ModelCorruptError(path, f"not a tokenizer ({type(error).__name__}: {error})", ADVICE) from error
    if other:
        raise ModelCorruptError(path, f"another id for {other[0]!r} than in {TOKENIZER_CONFIG}", ADVICE)
    if outside:
        found = f"{outside[0]!r} has the id {ids[outside[0]]}, but vocab_size is {config.vocab_size}"
        raise ModelCorruptError(path, found, ADVICE)
    content = path.read_bytes()
    if missing := [token for name, token in named.items() if name not in added]:
        log.warning("%s: %d added tokens taken from %s", path, len(missing), TOKENIZER_CONFIG)
        tokens = [*document.get("added_tokens", []), *missing]
        content = json.dumps({**document, "added_tokens": sorted(tokens, key=lambda token: token["id"])}).encode()
    tokenizer = _open_tokenizer(path, content)
    for key, name, token_id in (("bos_token_id", BOS, tokenizer.bos_id), ("eos_token_id", EOS, tokenizer.eos_id)):
        if token_id != getattr(config, key):
            found = f"{name} has the id {token_id}, but {key} is {getattr(config, key)}"
            raise ModelCorruptError(path, found, "is config.json the one of this tokenizer?")
    return content


def _named_tokens(path: Path) -> dict[str, dict[str, Any]]:
    """Name to entry of `added_tokens` from `tokenizer_config.json`; empty without that file."""
    if not path.is_file():
        return {}
    try:
        entries = read_json(path).get("added_tokens_decoder", {}).items()
        return {
            str(entry["content"]): added_token(entry["content"], int(key)) | entry | {"id": int(key)}
            for key, entry in entries
        }
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise ModelCorruptError(path, "added_tokens_decoder is no table of ids to tokens", ADVICE) from error


def _open_tokenizer(path: Path, content: bytes) -> Tokenizer:
    """The tokenizer as the runtime will open it."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / TOKENIZER
        copy.write_bytes(content)
        try:
            return Tokenizer.from_file(copy)
        except ModelCorruptError as error:
            raise ModelCorruptError(path, error.found, ADVICE) from error
