"""From the start of a process to a model that answers, and what memory is its own.

    python -m dsvl2_bench.starting BUNDLE --threads 2

Another process with the same bundle stays loaded beside it, so the system says how much of the memory both share.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from dsvl2_bench.first_token import first_token
from dsvl2_bench.memory import process_memory_gb
from dsvl2_runtime.model import VisionLanguageModel, load_model

SCREEN = (1080, 1920)
"""(height, width): nine tiles and 1807 tokens with the question."""
QUESTION = "What?"
KEPT = ("Rss", "Pss", "Anonymous")
LOADED = "loaded"


def measure(bundle: Path, threads: int) -> dict[str, Any]:
    """Every figure; seconds and GB."""
    model = load_model(bundle, threads)
    ready_s = time.time() - psutil.Process().create_time()
    touch(model)
    before = process_memory_gb()
    first, again = (first_token(model, QUESTION, SCREEN) for _ in range(2))
    found: dict[str, Any] = {
        "kernels": model.kernels,
        "start_to_ready_s": round(ready_s, 3),
        "load_s": load_seconds(bundle, threads),
        "prompt_tokens": first.prompt_tokens,
        "first_token_s": {"first": round(first.seconds, 3), "again": round(again.seconds, 3)},
        "loaded_gb": {name: before[name] for name in KEPT if name in before},
        "after_prompt_gb": {name: value for name, value in process_memory_gb().items() if name in KEPT},
    }
    command = [sys.executable, "-m", "dsvl2_bench.starting", str(bundle), "--threads", str(threads), "--stay"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8") as other:  # noqa: S603
        assert other.stdin is not None and other.stdout is not None  # noqa: S101 - both are pipes
        if other.stdout.readline().strip() != LOADED:
            raise SystemExit("the second process did not load the bundle")
        for name, path in (("this", "self"), ("other", str(other.pid))):
            memory = process_memory_gb(Path(f"/proc/{path}/smaps_rollup"))
            found[f"two_processes_{name}_gb"] = {key: memory[key] for key in KEPT if key in memory}
        other.stdin.close()
    return found


def load_seconds(bundle: Path, threads: int) -> float:
    """Seconds of `load_model` alone, once more in this process."""
    start = time.perf_counter()
    load_model(bundle, threads)
    return round(time.perf_counter() - start, 3)


def touch(model: VisionLanguageModel) -> None:
    """Read all weights of the decoder once: 64 tokens go to nearly all experts."""
    hidden = model.config.language_config.hidden_size
    decoder = model.components.decoder
    decoder.prefill(decoder.new_sequence(), np.random.default_rng(0).standard_normal((1, 64, hidden), np.float32))


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print one JSON object, or stay loaded until standard input ends."""
    parser = argparse.ArgumentParser(prog="python -m dsvl2_bench.starting")
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--stay", action="store_true", help="load, say so, and wait for the end of standard input")
    options = parser.parse_args(arguments)
    if options.stay:
        touch(load_model(options.bundle, options.threads))
        print(LOADED, flush=True)
        sys.stdin.read()
    else:
        print(json.dumps(measure(options.bundle, options.threads)))


if __name__ == "__main__":
    main()
