"""A JSON schema as a grammar that llguidance follows; what is refused before that library sees it.

Neither NumPy nor a tokenizer is imported here, so that a process that only tries a schema (`schema_trial.py`) starts
fast.
"""

from __future__ import annotations

import json
from typing import Any

from dsvl2_runtime.errors import UsageError

LARGEST_SCHEMA = 100_000
"""Characters."""
LIBRARY_KEY = "x-guidance"
"""With it a schema would set options of the library, such as what stands between two values."""
COMPACT: Any = {"whitespace_flexible": False}
"""No white space between the parts: a model that is unsure may write it without end."""
ONE_OF = (
    "a value may fit several branches of its oneOf; use anyOf, or give every branch a required property with a const "
    "of its own"
)
LONGEST_REASON = 300
"""Characters of what the library says about a schema; it may quote all of it, and its own state."""


def grammar(schema: str) -> str:
    """The grammar of the texts that fit a schema.

    Raises:
        UsageError: it is no JSON schema, is too large, or uses what llguidance cannot follow.
        ModuleNotFoundError: llguidance is not installed.
    """
    import llguidance

    from dsvl2_runtime.answers.exclusive import with_any_of  # which a question without a schema need not wait for

    document = _parsed(schema)
    try:
        followed = json.dumps(with_any_of(document))
        return llguidance.LLMatcher.grammar_from_json_schema(followed, overrides=COMPACT)
    except (ValueError, RecursionError) as error:
        raise unfollowable(str(error)) from None


def unfollowable(reason: str) -> UsageError:
    """The error of a schema that the library refuses, with the first line of its reason."""
    first = reason.strip().split("\n<state>", maxsplit=1)[0].strip()
    line = " ".join(first.split()).partition(" Enable ")[0][:LONGEST_REASON]  # its options cannot be set
    if "oneOf constraints" in line:
        line = ONE_OF
    if "NoExtension" in line:
        line = "no text can fit it"
    return UsageError(f"the JSON schema cannot be followed: {line}")


def _parsed(schema: str) -> dict[str, Any]:
    if len(schema) > LARGEST_SCHEMA:
        raise UsageError(f"the JSON schema has more than {LARGEST_SCHEMA} characters")
    try:
        document = json.loads(schema)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"the JSON schema is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise UsageError(f"the JSON schema is a {type(document).__name__}; it must be an object")
    if LIBRARY_KEY in document:
        raise UsageError(f"the JSON schema has the key {LIBRARY_KEY}, which is not followed; leave it out")
    return document
