"""What the stages of the check have in common: lines of output, errors that are only said, and loaded models."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dsvl2_bench.gpu_check.plan import FORM, SECONDS_OF_STAGE
from dsvl2_runtime.bundle.bundle import Bundle
from dsvl2_runtime.graphs.cuda.weights import Fill
from dsvl2_runtime.graphs.target import CUDA, CUDA_ON_CPU, Target
from dsvl2_runtime.machine.gpu import GpuError, find_gpu
from dsvl2_runtime.model import VisionLanguageModel
from dsvl2_runtime.progress import Progress, Watch

STARTED = time.monotonic()
CARD_FIELDS = "clocks.sm,clocks.mem,clocks.max.sm,power.draw,power.limit,temperature.gpu,utilization.gpu,memory.used"
CARD_SECONDS = 10
"""For the program that is asked about the card."""
LONGEST_ERROR, LONGEST_PLACES, LONGEST_CHAIN = 2000, 2000, 4
"""Characters of one error, and of the places of its traceback; and errors that led to it."""


def say(**fields: Any) -> None:
    """One line of what was found."""
    print(json.dumps(fields, default=str), flush=True)


def seconds_left() -> float:
    """Until this stage is ended from outside; without end where nobody said so."""
    return float(os.environ.get(SECONDS_OF_STAGE, math.inf)) - (time.monotonic() - STARTED)


def say_card(device: str, when: str) -> None:
    """How fast the card's clocks are at this moment, and whether somebody else uses it: figures depend on both."""
    program = shutil.which("nvidia-smi")
    if device != "cuda" or program is None:
        return
    command = [program, f"--query-gpu={CARD_FIELDS}", "--format=csv,noheader,nounits", "--id=0"]
    try:
        found = subprocess.run(  # noqa: S603 - the driver's own program
            command, capture_output=True, encoding="utf-8", errors="replace", timeout=CARD_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        say(card=None, when=when, why=f"{type(error).__name__}: {error}"[:LONGEST_ERROR])
        return
    values = [value.strip() for value in found.stdout.strip().split(",")]
    names = CARD_FIELDS.split(",")
    if found.returncode or len(values) != len(names):
        say(card=None, when=when, why=(found.stderr or found.stdout).strip()[:LONGEST_ERROR])
        return
    say(card=dict(zip(names, values, strict=True)), when=when)


def what_failed(error: BaseException) -> dict[str, str]:
    """An error as fields of a line: what it says, with the errors that led to it, and where it was raised."""
    chain, cause = list[str](), error.__cause__ or error.__context__
    while cause is not None and len(chain) < LONGEST_CHAIN:
        chain.append(f"{type(cause).__name__}: {cause}"[:LONGEST_ERROR])
        cause = cause.__cause__ or cause.__context__
    found = {"error": f"{type(error).__name__}: {error}"[:LONGEST_ERROR]}
    if chain:
        found["because"] = " <- ".join(chain)
    places = [
        f"{Path(each.filename).name}:{each.lineno} {each.name}" for each in traceback.extract_tb(error.__traceback__)
    ]
    return {**found, "where": " > ".join(places)[-LONGEST_PLACES:]}


@contextmanager
def guarded(**fields: Any) -> Iterator[None]:
    """Go on behind an error, which is said with the fields of what it belongs to."""
    try:
        yield
    except Exception as error:  # whatever it is: what comes next is to be tried too
        say(**fields, ok=False, **what_failed(error))


def form_folder(path: Path, form: str | None = None) -> Path:
    """Where a bundle lies in another form; by default the one that the environment asks for."""
    form = os.environ.get(FORM, "") if form is None else form
    return path.with_name(f"{path.name}-{form}") if form else path


def opened(folder: Path, device: str, fill: Fill | None = None, target: Target | None = None) -> VisionLanguageModel:
    """A bundle on the GPU, or its graphs for the GPU on the CPU where only this program is tried out."""
    start = time.perf_counter()
    target = target or (CUDA if device == "cuda" else CUDA_ON_CPU)

    def on_progress(progress: Progress) -> None:
        """A load that does not end in time has told how far it came."""
        say(loading=f"{progress.done}/{progress.total}", s=round(time.perf_counter() - start, 2))

    bundle, threads = Bundle.open(folder), os.cpu_count() or 1
    model = VisionLanguageModel(bundle, threads, watch=Watch(on_progress), target=target, fill=fill)
    say(load_s=round(time.perf_counter() - start, 2), bundle=folder.name, free_gb=free_gb(device))
    return model


def free_gb(device: str) -> float | None:
    """Of the card's memory; None where there is none, or where it does not answer."""
    if device != "cuda":
        return None
    try:
        return round(find_gpu().free_bytes / 1e9, 2)
    except GpuError:
        return None
