"""Reads `tokenizer.json` so that ids depend on nothing but its vocabulary, its merges and its cuts.

Every part of the format, and what becomes of it:

| part | here |
|---|---|
| `truncation`, `padding` | ignored: they are left from training, and would cut prompts or fill them up |
| `post_processor` | ignored: it would put tokens around every piece of a prompt |
| `decoder` | ignored: text is put together from the bytes of the vocabulary |
| `normalizer` | refused unless it is empty: no release changes a text before it is read |
| `pre_tokenizer` | used; refused where it would add to a text or take from it |
| `added_tokens` | taken out, with their ids; flags that would touch the text around the eleven are refused |
| `model.vocab`, `model.merges` | used; every byte of UTF-8 must have a token, and every id one token |
| `model.dropout` | ignored: it is for training, and makes ids random |
| `model.unk_token`, `fuse_unk`, `byte_fallback` | ignored: with all bytes in the vocabulary nothing is unknown |
| `model.ignore_merges`, prefix and suffix of subwords | refused where set: no release has them |
| anything else | refused, since nobody knows what it changes |
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dsvl2_runtime.config import MOST_IDS

IGNORED = {"version", "truncation", "padding", "post_processor", "decoder"}
USED = {"normalizer", "pre_tokenizer", "added_tokens", "model"}
MODEL_IGNORED = {"type", "dropout", "unk_token", "fuse_unk", "byte_fallback"}
MODEL_UNSET = {"ignore_merges", "continuing_subword_prefix", "end_of_word_suffix"}
MODEL_USED = {"vocab", "merges"}
PRE_TOKENIZERS: dict[str, dict[str, tuple[Any, ...]]] = {
    "Split": {"behavior": ("Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"), "invert": (False, True)},
    "Digits": {"individual_digits": (False, True)},
    "ByteLevel": {"add_prefix_space": (False,), "trim_offsets": (False, True), "use_regex": (False, True, None)},
}
"""Pre-tokenizers that only cut a text, and the values of their options with which they do no more; None is missing."""
FREE_OPTIONS = {"type", "pattern"}
TEXT_FLAGS = ("single_word", "lstrip", "rstrip")
"""Flags of an added token that decide about the characters beside it."""


class UnusableTokenizerError(ValueError):
    """Why a tokenizer cannot be used; `Tokenizer.from_file` adds the file's name."""


@dataclass(frozen=True, slots=True)
class TokenizerFile:
    """What is used of a `tokenizer.json`."""

    vocabulary: Mapping[str, int]
    """Pieces, written in the byte alphabet, to ids."""
    added_ids: Mapping[str, int]
    """Added tokens by name."""
    encoder: str
    """A `tokenizer.json` for the library: cuts, vocabulary and merges, and nothing else."""


def parse_tokenizer(content: bytes, special_tokens: tuple[str, ...], byte_pieces: Mapping[str, int]) -> TokenizerFile:
    """Check the content of a `tokenizer.json` and keep what is used.

    Args:
        content: of the file.
        special_tokens: names that must be among the added tokens.
        byte_pieces: the piece that stands for each byte, to the byte.

    Raises:
        UnusableTokenizerError: it is not JSON, or a part of it is missing, unknown, out of range or refused.
    """
    try:
        document = json.loads(content.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise UnusableTokenizerError(f"not JSON ({error})") from error
    _require_keys(_object(document, "the file"), IGNORED | USED, "")
    model = _object(document.get("model"), "model")
    _require_keys(model, MODEL_IGNORED | MODEL_UNSET | MODEL_USED, "model.")
    if model.get("type", "BPE") != "BPE":
        raise UnusableTokenizerError(f"model.type is {_short(model['type'])}; the releases have BPE")
    for key in sorted(MODEL_UNSET):
        if model.get(key) not in (None, "", False):
            raise UnusableTokenizerError(f"model.{key} is {_short(model[key])}, which no release has")
    _require_no_normalizer(document.get("normalizer"))
    if not _cuts_to_bytes(document.get("pre_tokenizer"), "pre_tokenizer"):
        raise UnusableTokenizerError("pre_tokenizer does not end in ByteLevel, which the vocabulary is made of")
    vocabulary = _vocabulary(model.get("vocab"), byte_pieces)
    added_ids = _added_ids(document.get("added_tokens"), vocabulary, special_tokens)
    if not isinstance(model.get("merges"), list):
        raise UnusableTokenizerError("model.merges is no list")
    encoder = {
        "version": "1.0",
        "added_tokens": [],
        "pre_tokenizer": document["pre_tokenizer"],
        "model": {"type": "BPE", "vocab": vocabulary, "merges": model["merges"]},
    }
    return TokenizerFile(vocabulary, added_ids, json.dumps(encoder))


def _object(value: object, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise UnusableTokenizerError(f"{name} is no JSON object")
    return value


def _require_keys(value: Mapping[str, Any], known: set[str], prefix: str) -> None:
    if unknown := sorted(set(value) - known):
        raise UnusableTokenizerError(
            f"the part {prefix}{unknown[0][:100]} is not known, so what it changes is not either"
        )


def _require_no_normalizer(normalizer: object) -> None:
    if normalizer is None:
        return
    found = _object(normalizer, "normalizer")
    if found.get("type") != "Sequence" or found.get("normalizers") != []:
        raise UnusableTokenizerError(f"normalizer {_short(found.get('type'))} would change texts before they are read")


def _cuts_to_bytes(pre_tokenizer: object, name: str) -> bool:
    """Whether the last of some pre-tokenizers, which must do no more than cut, is the one that writes bytes."""
    found = _object(pre_tokenizer, name)
    kind = found.get("type")
    if kind == "Sequence":
        _require_keys(found, {"type", "pretokenizers"}, f"{name}.")
        members = found.get("pretokenizers")
        if not isinstance(members, list) or any(
            isinstance(one, dict) and one.get("type") == "Sequence" for one in members
        ):
            raise UnusableTokenizerError(f"{name}.pretokenizers is no plain list")
        last = [_cuts_to_bytes(member, f"{name}.{index}") for index, member in enumerate(members)]
        return last[-1:] == [True] and sum(last) == 1
    options = PRE_TOKENIZERS.get(kind) if isinstance(kind, str) else None
    if options is None:
        raise UnusableTokenizerError(f"{name} {_short(kind)} is not known to leave texts whole")
    _require_keys(found, FREE_OPTIONS | set(options), f"{name}.")
    for option, allowed in options.items():
        value = found.get(option)
        if not any(value is one or (isinstance(value, str) and value == one) for one in allowed):
            raise UnusableTokenizerError(f"{name}.{option} is {_short(value)}, which does more than cut a text")
    return kind == "ByteLevel"


def _vocabulary(vocab: object, byte_pieces: Mapping[str, int]) -> dict[str, int]:
    vocabulary = _object(vocab, "model.vocab")
    for piece, token_id in vocabulary.items():
        _token_id(piece, token_id)
    if len(set(vocabulary.values())) < len(vocabulary):
        raise UnusableTokenizerError("two entries of model.vocab have the same id")
    for piece, byte in byte_pieces.items():
        if piece not in vocabulary and byte not in NEVER_IN_UTF_8:
            raise UnusableTokenizerError(f"model.vocab has no token for the byte {byte:#04x}, so texts would lose it")
    return vocabulary


NEVER_IN_UTF_8 = frozenset([0xC0, 0xC1, *range(0xF5, 0x100)])


def _added_ids(added: object, vocabulary: Mapping[str, int], special_tokens: tuple[str, ...]) -> dict[str, int]:
    if added is not None and not isinstance(added, list):
        raise UnusableTokenizerError("added_tokens is no list")
    names = {token_id: piece for piece, token_id in vocabulary.items()}
    ids: dict[str, int] = {}
    for entry in added or ():
        token = _object(entry, "an entry of added_tokens")
        name = token.get("content")
        if not isinstance(name, str) or not name:
            raise UnusableTokenizerError("an entry of added_tokens has no content")
        token_id = _token_id(name, token.get("id"))
        if names.setdefault(token_id, name) != name or ids.get(name, vocabulary.get(name, token_id)) != token_id:
            raise UnusableTokenizerError(f"added token {_short(name)} and another token share a name or an id")
        for flag in TEXT_FLAGS:
            if name in special_tokens and token.get(flag) not in (None, False):
                raise UnusableTokenizerError(f"added token {_short(name)} has {flag}, which changes the text beside it")
        ids[name] = token_id
    if missing := [name for name in special_tokens if name not in ids]:
        raise UnusableTokenizerError(f"special tokens missing: {', '.join(missing)}")
    return ids


def _token_id(name: str, token_id: object) -> int:
    if type(token_id) is not int or not 0 <= token_id < MOST_IDS:
        raise UnusableTokenizerError(
            f"token {_short(name)} has the id {_short(token_id)}; ids go from 0 to {MOST_IDS - 1}"
        )
    return token_id


def _short(value: object) -> str:
    """A value of the file for a message; the number of digits that Python prints is limited, too."""
    try:
        return repr(value)[:100]
    except ValueError:
        return "a number of thousands of digits"
