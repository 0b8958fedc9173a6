"""llama.cpp on the language model: `python -m dsvl2_bench.peers.llama_cpp FILE.gguf --threads 2`.

Prompts of the same lengths as ours in batches of 512; decode steps after as many tokens as the prompt had.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from llama_cpp import Llama

from dsvl2_bench.lengths import DECODE_STEPS, Lengths, add_lengths
from dsvl2_bench.memory import anonymous_rss_gb, peak_rss_gb
from dsvl2_runtime.graphs.decoder import PREFILL_CHUNK

WARMING = 64
"""Tokens before anything is timed."""


def measure(path: Path, threads: int, lengths: Lengths) -> dict[str, Any]:
    """Load, prefill and decode, each once; the caller takes medians of processes in turn."""
    start = time.perf_counter()
    model = Llama(
        str(path),
        n_ctx=max(WARMING, *lengths.prompts, *lengths.contexts) + DECODE_STEPS + 1,
        n_batch=PREFILL_CHUNK,
        n_ubatch=PREFILL_CHUNK,
        n_threads=threads,
        n_threads_batch=threads,
        verbose=False,
    )
    load_s = time.perf_counter() - start
    # Different tokens, so that they go to different experts as those of a real prompt do.
    tokens = np.random.default_rng(0).integers(model.n_vocab(), size=model.n_ctx()).tolist()
    model.eval(tokens[:WARMING])
    prefill, decode = {}, {}
    for length in sorted({*lengths.prompts, *lengths.contexts}):
        model.reset()
        start = time.perf_counter()
        if length:
            model.eval(tokens[:length])
        seconds = time.perf_counter() - start
        if length in lengths.prompts:
            prefill[str(length)] = round(length / seconds, 2)
        if length in lengths.contexts:
            decode[str(length)] = round(1 / statistics.median(_steps(model, tokens[length:])), 2)
    return {
        "load_s": round(load_s, 3),
        "prefill_tok_s": prefill,
        "decode_tok_s": decode,
        "peak_rss_gb": peak_rss_gb(),
        "anon_rss_gb": anonymous_rss_gb(),
    }


def _steps(model: Llama, tokens: Sequence[int]) -> list[float]:
    times = []
    for token in tokens[:DECODE_STEPS]:
        start = time.perf_counter()
        model.eval([token])
        times.append(time.perf_counter() - start)
    return times


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure one file and print one JSON object."""
    parser = argparse.ArgumentParser(prog="python -m dsvl2_bench.peers.llama_cpp")
    parser.add_argument("file", type=Path)
    parser.add_argument("--threads", type=int, required=True)
    add_lengths(parser)
    options = parser.parse_args(arguments)
    print(json.dumps(measure(options.file, options.threads, Lengths.asked(options))))


if __name__ == "__main__":
    main()
