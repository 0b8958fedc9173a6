"""Text to token ids and back, with special tokens kept out of reach of users' text.

The file's added tokens are taken out before the encoder is built, so that no text a person types can become one; they
are placed by id (`special_id`). Decoding goes through byte-level pieces, so that a character of several tokens is shown
when it is whole.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from tokenizers import Tokenizer as Encoder

from dsvl2_runtime.errors import ModelCorruptError, ModelNotFoundError
from dsvl2_runtime.machine.files import read_errors

BOS = "<｜begin▁of▁sentence｜>"
EOS = "<｜end▁of▁sentence｜>"
PAD = "<｜▁pad▁｜>"
IMAGE = "<image>"
REF, REF_END = "<|ref|>", "<|/ref|>"
DET, DET_END = "<|det|>", "<|/det|>"
GROUNDING = "<|grounding|>"
USER, ASSISTANT = "<|User|>", "<|Assistant|>"
SPECIAL_TOKENS = (BOS, EOS, PAD, IMAGE, REF, REF_END, DET, DET_END, GROUNDING, USER, ASSISTANT)
"""The eleven added tokens; their ids differ between the releases, so they are found by name."""

FILE_LIMIT_BYTES = 64_000_000


def byte_alphabet() -> dict[str, int]:
    """The printable character that stands for each byte in a byte-level vocabulary, inverted (GPT-2's table)."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    rest = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + index): byte for index, byte in enumerate(rest)}


BYTE_OF = byte_alphabet()


@dataclass(frozen=True)
class Tokenizer:
    """A byte-level BPE with special tokens beside it."""

    _encoder: Encoder
    _special_ids: Mapping[str, int]
    _pieces: Mapping[int, bytes]
    """Token id to the bytes it stands for; special tokens to their names."""

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """Read `tokenizer.json`.

        Raises:
            ModelNotFoundError: there is no such file.
            ResourceError: it cannot be read.
            ModelCorruptError: it is no tokenizer, or one of the eleven special tokens is missing.
        """
        if not path.is_file():
            raise ModelNotFoundError(path, "missing", "copy or export the bundle again")
        if path.stat().st_size > FILE_LIMIT_BYTES:
            raise ModelCorruptError(path, f"over {FILE_LIMIT_BYTES} bytes", "a tokenizer is never that large")
        with read_errors(path):
            content = path.read_bytes()
        try:
            document = json.loads(content.decode("utf-8"))
            added: list[dict[str, Any]] = document.pop("added_tokens", [])
            specials = {str(token["content"]): int(token["id"]) for token in added}
            vocabulary: dict[str, int] = document["model"]["vocab"]
            # A post-processor would put tokens around text on its own; prompts are built piece by piece.
            encoder = Encoder.from_str(json.dumps({**document, "added_tokens": [], "post_processor": None}))
            pieces = {token_id: _bytes_of(piece) for piece, token_id in vocabulary.items()}
        except Exception as error:  # `tokenizers` raises bare Exception for whatever it does not like
            raise ModelCorruptError(path, f"not a tokenizer ({error})", "copy or export the bundle again") from error
        missing = [name for name in SPECIAL_TOKENS if name not in specials]
        if missing:
            raise ModelCorruptError(
                path, f"special tokens missing: {', '.join(missing)}", "use the checkpoint's own file"
            )
        pieces |= {token_id: name.encode() for name, token_id in specials.items()}
        return cls(encoder, specials, pieces)

    @property
    def largest_id(self) -> int:
        """Of all tokens."""
        return max(self._pieces)

    def special_id(self, name: str) -> int:
        """The id of one of `SPECIAL_TOKENS`."""
        return self._special_ids[name]

    @property
    def bos_id(self) -> int:
        """The token that opens every prompt."""
        return self._special_ids[BOS]

    @property
    def eos_id(self) -> int:
        """The token that ends an answer."""
        return self._special_ids[EOS]

    @property
    def image_id(self) -> int:
        """The token whose embeddings are replaced by a picture's."""
        return self._special_ids[IMAGE]

    def encode(self, text: str) -> list[int]:
        """Token ids of text in which nothing is special; lone surrogates become U+FFFD."""
        clean = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        ids: list[int] = self._encoder.encode(clean, add_special_tokens=False).ids
        return ids

    def piece(self, token_id: int) -> bytes:
        """The bytes of one token; nothing for an id that the vocabulary does not have (padded embedding tables)."""
        return self._pieces.get(token_id, b"")

    def decode(self, ids: Iterable[int]) -> str:
        """Text of tokens, special ones by name, bytes that are no UTF-8 as U+FFFD."""
        return b"".join(self.piece(token_id) for token_id in ids).decode("utf-8", "replace")


class StreamDecoder:
    """Turns tokens into text as they come, never splitting a character."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def push(self, token_id: int) -> str:
        """Text that is certain after this token; empty while a character is incomplete."""
        return self._decoder.decode(self._tokenizer.piece(token_id))

    def flush(self) -> str:
        """U+FFFD for an incomplete character at the end, or nothing."""
        return self._decoder.decode(b"", final=True)


def _bytes_of(piece: str) -> bytes:
    try:
        return bytes(BYTE_OF[character] for character in piece)
    except KeyError:  # a piece that is not byte-level stands for itself
        return piece.encode()
