"""Text to token ids and back, with special tokens kept out of reach of users' text.

The file's added tokens are taken out before the encoder is built, so that no text a person types can become one; they
are placed by id (`special_id`). Decoding goes through byte-level pieces, so that a character of several tokens is shown
when it is whole.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tokenizers import Tokenizer as Encoder

from dsvl2_runtime.errors import ModelCorruptError, ModelNotFoundError
from dsvl2_runtime.inputs.tokenizer_file import UnusableTokenizerError, parse_tokenizer
from dsvl2_runtime.machine.files import read_errors
from dsvl2_runtime.machine.stderr import silent_stderr

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
NOT_OF_THE_LIBRARY = (KeyboardInterrupt, SystemExit, MemoryError)
"""Exceptions that say nothing about a tokenizer; its library raises bare `Exception`, and panics that are none."""
PROBES = (
    "Total: 1234.50 EUR, 12%  (paid)\r\n\t What's THIS? I'll see.  ",
    "  cafe\u0301 caf\u00e9 \ufb01 \u2460 \u00a0\u3000 图片里写的是什么? 合計 \uac00 ﷺ 🙂\u200d\n\n",
    "\x00\x1f\ufeff\ufffd <image",
)
"""Texts in which anything that changes a text, such as a Unicode normal form, would show."""


def byte_alphabet() -> dict[str, int]:
    """The printable character that stands for each byte in a byte-level vocabulary, inverted (GPT-2's table)."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    rest = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + index): byte for index, byte in enumerate(rest)}


BYTE_OF = byte_alphabet()


@dataclass(frozen=True)
class Tokenizer:
    """A byte-level BPE with special tokens beside it."""

    _path: Path
    """Of its file, for messages."""
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
            ModelCorruptError: it is no tokenizer, one of the eleven special tokens is missing, or a part of it would
                change ids; `tokenizer_file.py` lists these parts.
        """
        if not path.is_file():
            raise ModelNotFoundError(path, "missing", "copy or export the bundle again")
        if path.stat().st_size > FILE_LIMIT_BYTES:
            raise ModelCorruptError(path, f"over {FILE_LIMIT_BYTES} bytes", "a tokenizer is never that large")
        with read_errors(path):
            content = path.read_bytes()
        try:
            file = parse_tokenizer(content, SPECIAL_TOKENS, BYTE_OF)
            with silent_stderr():
                encoder = Encoder.from_str(file.encoder)
                pieces = {token_id: _bytes_of(piece) for piece, token_id in file.vocabulary.items()}
                pieces |= {token_id: name.encode() for name, token_id in file.added_ids.items()}
                tokenizer = cls(path, encoder, file.added_ids, pieces)
                tokenizer._require_plain_text()
        except BaseException as error:
            if isinstance(error, (*NOT_OF_THE_LIBRARY, ModelCorruptError)):
                raise
            raise ModelCorruptError(path, f"unusable tokenizer: {error}", "use the checkpoint's own file") from error
        return tokenizer

    def _require_plain_text(self) -> None:
        """Refuse cuts and merges that lose something of a text, or with which a typed name becomes a special token.

        Raises:
            UnusableTokenizerError: they do.
        """
        for text in PROBES:
            if self.decode(self.encode(text)) != text:
                raise UnusableTokenizerError(f"the text {text!r} does not come back from its tokens")
        special_ids = {self._special_ids[name] for name in SPECIAL_TOKENS}
        for name in SPECIAL_TOKENS:
            if special_ids & set(self.encode(name)):
                raise UnusableTokenizerError(f"the typed text {name} would become a special token")

    @property
    def largest_id(self) -> int:
        """The largest id of any token."""
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
        """Token ids of text in which nothing is special; lone surrogates become U+FFFD.

        Raises:
            ModelCorruptError: a pattern of the tokenizer gives up on this text.
        """
        clean = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        try:
            ids: list[int] = self._encoder.encode(clean, add_special_tokens=False).ids
        except BaseException as error:
            if isinstance(error, NOT_OF_THE_LIBRARY):
                raise
            raise ModelCorruptError(
                self._path, f"it fails on a text ({error})", "use the checkpoint's own file"
            ) from error
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
