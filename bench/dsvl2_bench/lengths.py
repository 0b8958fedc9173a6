"""The lengths of prompts and contexts that are measured, the same for every engine."""

from __future__ import annotations

import argparse
from dataclasses import dataclass

PREFILL_TOKENS = (421, 1415, 2017)
"""Prompt lengths with an image of one tile, of 3×2 tiles, of 3×3 tiles."""
CONTEXTS = (0, 1415, 3500)
"""Cached rows before the decode steps."""
DECODE_STEPS = 16


@dataclass(frozen=True, slots=True)
class Lengths:
    """What one run measures."""

    prompts: tuple[int, ...] = PREFILL_TOKENS
    contexts: tuple[int, ...] = CONTEXTS

    @classmethod
    def asked(cls, options: argparse.Namespace) -> Lengths:
        """Those of a command line with the options of `add_lengths`."""
        return cls(tuple(options.prompts), tuple(options.contexts))

    def arguments(self) -> tuple[str, ...]:
        """Of such a command line."""
        return ("--prompts", *map(str, self.prompts), "--contexts", *map(str, self.contexts))


def add_lengths(parser: argparse.ArgumentParser) -> None:
    """Give a parser the options for other lengths."""
    parser.add_argument("--prompts", type=int, nargs="*", default=PREFILL_TOKENS, help="tokens")
    parser.add_argument("--contexts", type=int, nargs="*", default=CONTEXTS, help="cached rows before decode steps")
