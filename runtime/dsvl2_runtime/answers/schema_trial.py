"""Tries a JSON schema of somebody else in a process of its own, because a hostile one can take hours or all memory.

Patterns are what makes a schema dangerous: whether a text can fit several of them at once takes time that grows
exponentially with their length. The process has limits for its time and memory. It follows the schema for a few steps
over single bytes, where a schema that is too wide shows itself, and writes what is wrong to standard output.

    {}    it can be followed
    {"refused": "the JSON schema cannot be followed: …"}
    {"missing": "llguidance"}
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from functools import lru_cache
from typing import Any

from dsvl2_runtime.answers.json_grammar import grammar, unfollowable
from dsvl2_runtime.errors import MissingExtraError, UsageError
from dsvl2_runtime.machine.child_limits import limit_this_process
from dsvl2_runtime.machine.own_modules import module_arguments

CHILD = module_arguments("dsvl2_runtime.answers.schema_trial")
CPU_SECONDS = 5
"""Of processor time; schemas that people write take hundredths of a second."""
WALL_SECONDS = 60.0
"""Until the process is killed; for systems without a limit of processor time, and for a busy machine."""
MEMORY_BYTES = 1_000_000_000
"""Of address space."""
KEPT_SCHEMAS = 32
"""Schemas that were tried and are not tried again; programs ask with the same one over and over."""
STEPS = 200
"""Bytes that are tried at most; the shortest answer within a schema has seldom more."""
END_TOKEN = 256
CLOSING = b'"}],:'
"""Bytes that end something, and so lead to the end of an answer."""

_one_at_a_time = threading.Lock()


def try_schema(schema: str) -> None:
    """Return if a schema can be followed at bounded cost.

    Raises:
        UsageError: it cannot, with the reason.
        MissingExtraError: llguidance is not installed.
    """
    with _one_at_a_time:  # so that many hostile schemas take no more than one processor
        _tried(schema)


@lru_cache(KEPT_SCHEMAS)
def _tried(schema: str) -> None:
    """As `try_schema`; only what can be followed is remembered, because an error is no result."""
    too_costly = UsageError(
        "the JSON schema takes too much time or memory; use fewer and shorter patterns and properties"
    )
    try:
        found = subprocess.run(  # noqa: S603 - our own module, in our own Python
            [sys.executable, *CHILD],
            input=schema.encode("ascii", "backslashreplace"),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            check=False,
            timeout=WALL_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise too_costly from None
    try:
        reply: dict[str, Any] = json.loads(found.stdout)
    except ValueError:  # a limit ended it, or the library crashed
        raise too_costly from None
    if "missing" in reply:
        raise MissingExtraError(reply["missing"], "schema")
    if "refused" in reply:
        raise UsageError(reply["refused"])


class _Bytes:
    """A vocabulary of single bytes for llguidance, whose names these are."""

    eos_token_id = bos_token_id = END_TOKEN
    special_token_ids: tuple[int, ...] = (END_TOKEN,)

    # A token that begins with the byte 255 is a special one to the library, and no text has that byte.
    tokens: tuple[bytes, ...] = (*(bytes([byte]) for byte in range(255)), b"", b"\xff<end>")

    def __call__(self, text: str | bytes) -> list[int]:
        return list(text.encode() if isinstance(text, str) else text)


def _follow(schema: str) -> None:
    """Follow a schema over bytes, to the end of an answer or for so many steps.

    Raises:
        UsageError: it cannot be followed.
    """
    import llguidance

    vocabulary = llguidance.LLTokenizer(llguidance.TokenizerWrapper(_Bytes()))
    matcher = llguidance.LLMatcher(vocabulary, grammar(schema), log_level=0)
    for _ in range(STEPS):
        mask = b"" if matcher.is_error() else matcher.compute_bitmask()
        if matcher.is_error():
            raise unfollowable(matcher.get_error())
        allowed = [byte for byte in (*CLOSING, *range(255)) if mask[byte >> 3] >> (byte & 7) & 1]
        if not allowed:
            return
        if not matcher.consume_token(allowed[0]):
            raise unfollowable(matcher.get_error())


def main() -> None:
    """Entry point; the schema comes from standard input."""
    limit_this_process(memory_bytes=MEMORY_BYTES, cpu_seconds=CPU_SECONDS)
    reply: dict[str, str | None] = {}
    try:
        _follow(sys.stdin.buffer.read().decode("ascii"))
    except UsageError as error:
        reply = {"refused": str(error)}
    except ModuleNotFoundError as error:
        reply = {"missing": error.name}
    print(json.dumps(reply))


if __name__ == "__main__":
    main()
