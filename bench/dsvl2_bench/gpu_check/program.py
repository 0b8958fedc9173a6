"""The stage that asks as a user does: the command line, from its start to its answer, where `auto` decides."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from dsvl2_bench.gpu_check.packed_cases import PackedCase, each_case
from dsvl2_bench.gpu_check.said import guarded, say

COMMAND = [sys.executable, "-c", "from dsvl2_runtime.cli.main import main; main()"]
CASES, SECONDS = 3, 30
"""Questions, and what each may take."""
LONGEST_MESSAGE = 600


def program(folder: Path, device: str) -> None:
    """`run` about the first pages with one value: where it ran, how long it took, and whether the CPU said the same."""
    if device != "cuda":
        say(skipped="the command line takes no graphs for a GPU on the CPU")
        return
    with tempfile.TemporaryDirectory() as room:
        for number, each in enumerate(_plain_cases(folder)):
            with guarded(question=number):
                page = Path(room) / f"{number}.png"
                each.case.images[0].save(page)
                _ask(folder / "demo", page, each)


def _plain_cases(folder: Path) -> Iterator[PackedCase]:
    """Those whose question is plain text about one page."""
    found = (each for each in each_case(folder / "answers") if each.case.task == "value")
    return islice(found, CASES)


def _ask(bundle: Path, page: Path, each: PackedCase) -> None:
    question = "".join(str(part) for part in each.case.question)
    asked = ["run", question, "-i", str(page), "-m", str(bundle), "--look-once", "--format", "json"]
    start = time.perf_counter()
    ended = subprocess.run(  # noqa: S603 - our own module
        [*COMMAND, *asked], capture_output=True, encoding="utf-8", timeout=SECONDS, check=False
    )
    seconds = round(time.perf_counter() - start, 2)
    if ended.returncode:
        say(ok=False, ended_with=ended.returncode, program_s=seconds, said=ended.stderr[-LONGEST_MESSAGE:])
        return
    report = json.loads(ended.stdout)
    provider, reason = report["model"]["provider"], report["model"].get("provider_reason", "")
    equal = report["answer"].strip() == each.answers["float32"]
    say(
        program_s=seconds, provider=provider, reason=reason, equal=equal, answer=report["answer"], ok=provider == "cuda"
    )
