"""Keeps an answer within a JSON schema: of each token's logits only those stay that can still lead to a valid text.

llguidance follows the schema byte by byte; this module gives it our vocabulary. A valid text is no true one: where the
model has nothing to say, it says something of the right form.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dsvl2_runtime.errors import GenerationError, UsageError
from dsvl2_runtime.inputs.tokenizer import SPECIAL_TOKENS, Tokenizer

LARGEST_SCHEMA = 100_000
"""Characters."""
MARK = b"\xff"
"""Begins the name of a special token for llguidance, so that no text is taken for one."""
COMPACT: Any = {"whitespace_flexible": False}
"""No white space between the parts: a model that is unsure may write it without end."""


@dataclass(frozen=True)
class _Vocabulary:
    """What llguidance wants to know of a tokenizer; the names are its own."""

    tokenizer: Tokenizer
    vocab_size: int

    @property
    def eos_token_id(self) -> int:
        return self.tokenizer.eos_id

    @property
    def bos_token_id(self) -> int:
        return self.tokenizer.bos_id

    @property
    def special_token_ids(self) -> list[int]:
        return [self.tokenizer.special_id(name) for name in SPECIAL_TOKENS]

    @property
    def tokens(self) -> list[bytes]:
        special = set(self.special_token_ids)
        pieces = ((token_id, self.tokenizer.piece(token_id)) for token_id in range(self.vocab_size))
        return [MARK + piece if token_id in special else piece for token_id, piece in pieces]

    def __call__(self, text: str | bytes) -> list[int]:
        return self.tokenizer.encode(text if isinstance(text, str) else text.decode("utf-8", "replace"))


class JsonConstraint:
    """Follows one answer."""

    def __init__(self, schema: str, tokenizer: Tokenizer, vocab_size: int) -> None:
        """Read a schema.

        Raises:
            UsageError: it is none, or uses what llguidance cannot follow.
            ModuleNotFoundError: llguidance is not installed.
        """
        import llguidance

        document = _parsed(schema)
        vocabulary = llguidance.LLTokenizer(llguidance.TokenizerWrapper(_Vocabulary(tokenizer, vocab_size)))
        try:
            grammar = llguidance.LLMatcher.grammar_from_json_schema(json.dumps(document), overrides=COMPACT)
            self._matcher = llguidance.LLMatcher(vocabulary, grammar, log_level=0)
        except ValueError as error:
            raise UsageError(f"the JSON schema cannot be followed: {error}") from None
        if self._matcher.is_error():
            raise UsageError(f"the JSON schema cannot be followed: {self._matcher.get_error()}")
        self._vocab_size = vocab_size

    def allowed(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """A copy of logits [vocab] float32 in which every token that leads to no valid text is minus infinity."""
        mask = np.frombuffer(self._matcher.compute_bitmask(), np.uint8)
        bits = np.unpackbits(mask, bitorder="little")[: self._vocab_size].astype(np.bool_)
        return np.where(bits, logits[: self._vocab_size], np.float32(-np.inf))

    def accept(self, token_id: int) -> None:
        """Take the token that was chosen.

        Raises:
            GenerationError: it leads to no valid text, since another option of the call left nothing to choose from.
        """
        if not self._matcher.consume_token(token_id):
            raise GenerationError("no token fits both the JSON schema and the other options; leave out no_repeat_ngram")


def _parsed(schema: str) -> Mapping[str, Any]:
    if len(schema) > LARGEST_SCHEMA:
        raise UsageError(f"the JSON schema has more than {LARGEST_SCHEMA} characters")
    try:
        document = json.loads(schema)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"the JSON schema is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise UsageError(f"the JSON schema is a {type(document).__name__}; it must be an object")
    return document
