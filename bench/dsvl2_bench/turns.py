"""Programs that measure take turns, each time in a fresh process, and the medians of their figures count."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dsvl2_runtime.errors import GenerationError

Figures = dict[str, Any]
"""Names to numbers, words, None, or more figures."""


def figures_of(module: str, *arguments: str, environment: Mapping[str, str] | None = None) -> Figures:
    """Run a module in a fresh process, whose memory is then that of the measured program alone.

    Args:
        module: its last line of output is a JSON object of figures.
        arguments: of its command line.
        environment: variables that it gets beside those of this process.

    Raises:
        GenerationError: the process failed.
    """
    command = [sys.executable, "-m", "dsvl2_bench.child", module, *arguments]
    reading, writing = os.pipe()  # the child ends when nobody holds its writing end any more (`child.py`)
    try:
        found = subprocess.run(  # noqa: S603 - our own module
            command,
            stdin=reading,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
            env={**os.environ, **(environment or {})},
        )
    finally:
        os.close(reading)
        os.close(writing)
    if found.returncode:
        last = (found.stderr.strip().splitlines() or ["no message"])[-1]
        raise GenerationError(f"measuring with {module} {' '.join(arguments)} failed: {last}")
    figures: Figures = json.loads(found.stdout.strip().splitlines()[-1])
    return figures


def in_turns(
    programs: Mapping[str, Callable[[], Figures]], rounds: int, on_run: Callable[[str], None] = lambda name: None
) -> dict[str, Figures]:
    """Run every program once per round, and give each one's medians.

    Args:
        programs: by their names, in the order of their turns.
        rounds: how often.
        on_run: called with the name of the next program.
    """
    found: dict[str, list[Figures]] = {name: [] for name in programs}
    for _ in range(rounds):
        for name, program in programs.items():
            on_run(name)
            found[name].append(program())
    return {name: medians(runs) for name, runs in found.items()}


def medians(runs: Sequence[Figures]) -> Figures:
    """The median of each figure over runs that have the same figures."""
    result: Figures = {}
    for name, first in runs[0].items():
        values = [run[name] for run in runs]
        if isinstance(first, dict):
            result[name] = medians(values)
        elif isinstance(first, str):
            result[name] = ", ".join(sorted({str(value) for value in values}))
        else:
            result[name] = None if None in values else statistics.median(values)
    return result
