"""The demo tokenizer: byte-level BPE whose merges join only words of the prompts and the brackets of boxes.

A reader learns faster when a token is a character that can be seen. So the 256 bytes stay single, digits never merge,
and the merges are chains from the left for the words that questions are made of (" t" + "h", " th" + "e"); what they
touch in other words is at most a beginning. Ids: bytes, merges, then the eleven official added tokens.
"""

from __future__ import annotations

import functools

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers

from dsvl2_runtime.inputs.tokenizer import BOS, EOS, IMAGE, PAD, SPECIAL_TOKENS

MERGED_WORDS = (
    "\n\n", ", ", "[[", "]]", " the", " is", " picture", " value", " of", " in", " for", " text", " button", " does",
    "What", "Which", "Where", "Read", " shows", " shown", " not", " first", " second",
)  # fmt: skip

VOCABULARY_ROWS = 384
"""Rows of the embedding: the ids in use, rounded up to a multiple of 64."""


def _spelling() -> dict[str, str]:
    """Byte-level BPE writes each byte as a printable character; the table comes from the tokenizer library itself."""
    level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    return {character: level.pre_tokenize_str(character)[0][0] for character in map(chr, range(1, 128))}


def _vocabulary() -> tuple[dict[str, int], list[tuple[str, str]]]:
    entries = {symbol: index for index, symbol in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    spelling = _spelling()
    merges: list[tuple[str, str]] = []
    for word in MERGED_WORDS:
        symbols = [spelling[character] for character in word]
        joined = symbols[0]
        for symbol in symbols[1:]:
            if joined + symbol not in entries:
                merges.append((joined, symbol))
                entries[joined + symbol] = len(entries)
            joined += symbol
    return entries, merges


_ENTRIES, _MERGES = _vocabulary()
BOS_ID = len(_ENTRIES)
EOS_ID = BOS_ID + SPECIAL_TOKENS.index(EOS)
PAD_ID = BOS_ID + SPECIAL_TOKENS.index(PAD)
IMAGE_ID = BOS_ID + SPECIAL_TOKENS.index(IMAGE)


@functools.cache
def demo_tokenizer() -> Tokenizer:
    """The tokenizer, as it is saved in `tokenizer.json`."""
    tokenizer = Tokenizer(models.BPE(vocab=_ENTRIES, merges=_MERGES))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r"\d"), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(
        [AddedToken(token, special=True, normalized=token in (BOS, EOS)) for token in SPECIAL_TOKENS]
    )
    return tokenizer


@functools.lru_cache(maxsize=1 << 14)
def _encoded(text: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    found = demo_tokenizer().encode(text, add_special_tokens=False)
    return tuple(found.ids), tuple([end - 1 for _, end in found.offsets])


def encode(text: str) -> tuple[int, ...]:
    """Ids of a text, nothing added."""
    return _encoded(text)[0]


def last_characters(text: str) -> tuple[int, ...]:
    """For each token of a text the index of its last character."""
    return _encoded(text)[1]


def decode(ids: list[int]) -> str:
    """Text of ids, added tokens kept."""
    text: str = demo_tokenizer().decode(ids, skip_special_tokens=False)
    return text
