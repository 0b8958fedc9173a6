"""What the stages of the check have in common: lines of output, errors that are only said, and loaded models."""

from __future__ import annotations

import json
import os
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dsvl2_bench.gpu_check.plan import FORM
from dsvl2_runtime.bundle.bundle import Bundle
from dsvl2_runtime.graphs.cuda.weights import Fill
from dsvl2_runtime.graphs.target import CUDA, CUDA_ON_CPU, Target
from dsvl2_runtime.machine.gpu import GpuError, find_gpu
from dsvl2_runtime.model import VisionLanguageModel

LONGEST_ERROR, LONGEST_PLACES, LONGEST_CHAIN = 2000, 2000, 4
"""Characters of one error, and of the places of its traceback; and errors that led to it."""


def say(**fields: Any) -> None:
    """One line of what was found."""
    print(json.dumps(fields, default=str), flush=True)


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
    model = VisionLanguageModel(Bundle.open(folder), os.cpu_count() or 1, target=target, fill=fill)
    say(load_s=round(time.perf_counter() - start, 2), bundle=folder.name, free_gb=_free_gb(device))
    return model


def _free_gb(device: str) -> float | None:
    if device != "cuda":
        return None
    try:
        return round(find_gpu().free_bytes / 1e9, 2)
    except GpuError:
        return None
