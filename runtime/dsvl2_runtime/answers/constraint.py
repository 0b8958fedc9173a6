"""Keeps an answer within a JSON schema: of each token's logits only those stay that can still lead to a valid text.

llguidance follows the schema byte by byte; this module gives it our vocabulary. A valid text is no true one: where the
model has nothing to say, it says something of the right form.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dsvl2_runtime.answers.json_grammar import grammar, unfollowable
from dsvl2_runtime.errors import GenerationError
from dsvl2_runtime.inputs.tokenizer import SPECIAL_TOKENS, Tokenizer

MARK = b"\xff"
"""Begins the name of a special token for llguidance, so that no text is taken for one."""


DOES_NOT_FIT = "doesn't satisfy the grammar"
"""What llguidance says of a token that is not allowed; its other reasons are limits of its own."""


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


@dataclass(frozen=True)
class JsonVocabulary:
    """The tokens of a model, from which answers in JSON are put together; llguidance gets them at the first schema."""

    tokenizer: Tokenizer
    vocab_size: int

    @cached_property
    def tokens(self) -> Any:
        """As llguidance keeps them.

        Raises:
            ModuleNotFoundError: llguidance is not installed.
        """
        import llguidance

        return llguidance.LLTokenizer(llguidance.TokenizerWrapper(_Vocabulary(self.tokenizer, self.vocab_size)))


class JsonConstraint:
    """Follows one answer."""

    def __init__(self, schema: str, vocabulary: JsonVocabulary) -> None:
        """Read a schema of a user who may take the time and memory that it needs; `schema_trial.py` is for others.

        Raises:
            UsageError: it is none, or uses what llguidance cannot follow.
            ModuleNotFoundError: llguidance is not installed.
        """
        import llguidance

        self._matcher = llguidance.LLMatcher(vocabulary.tokens, grammar(schema), log_level=0)
        if self._matcher.is_error():
            raise unfollowable(self._matcher.get_error())
        self._vocab_size = vocabulary.vocab_size

    def allowed(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """A copy of logits [vocab] float32 in which every token that leads to no valid text is minus infinity.

        Raises:
            UsageError: no text can fit the schema, or it is too complex to be followed further.
        """
        mask = np.frombuffer(self._matcher.compute_bitmask(), np.uint8)
        if self._matcher.is_error():
            raise unfollowable(self._matcher.get_error())
        bits = np.unpackbits(mask, bitorder="little")[: self._vocab_size].astype(np.bool_)
        return np.where(bits, logits[: self._vocab_size], np.float32(-np.inf))

    def accept(self, token_id: int) -> None:
        """Take the token that was chosen.

        Raises:
            GenerationError: it leads to no valid text, since another option of the call left nothing to choose from.
            UsageError: the schema is too complex to be followed further.
        """
        if self._matcher.consume_token(token_id):
            return
        if DOES_NOT_FIT not in (reason := self._matcher.get_error()):
            raise unfollowable(reason)
        raise GenerationError("no token fits both the JSON schema and the other options; leave out no_repeat_ngram")
