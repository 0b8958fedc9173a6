"""The stage that says what finding kernels for experts costs, and how fast prompts are without it.

ONNX Runtime times all its kernels for experts when a number of rows is met first, in each layer. Where `FIRST_KERNEL`
is 1 it takes the first of them and times none; it looks at the environment in each run (1.31, `moe_quantization.cc`).
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np

from dsvl2_bench import phases
from dsvl2_bench.gpu_check.said import say
from dsvl2_bench.gpu_check.speeds import full_model
from dsvl2_runtime.graphs.cuda.decoder import WARMED
from dsvl2_runtime.graphs.gpu_memory import GPU_CHUNK
from dsvl2_runtime.model import VisionLanguageModel

FIRST_KERNEL = "ORT_FORCE_DETERMINISTIC_MOE"
"""Of the environment; also for loads of any program, to try it out."""
REPEATS = 5


def kernel_search(folder: Path, device: str) -> None:
    """A load and prompts with the first kernel; then each size's search, and prompts with what it found."""
    os.environ[FIRST_KERNEL] = "1"
    with full_model(folder, device) as model:
        say(first_kernel_tok_s=phases.prefill_rates(model, REPEATS))
        model.tune()
        say(first_kernel_tuned_tok_s=phases.prefill_rates(model, REPEATS))
        os.environ[FIRST_KERNEL] = "0"
        say(search_ms={str(size): _search_ms(model, size) for size in (*WARMED, GPU_CHUNK)})
        say(found_kernel_tuned_tok_s=phases.prefill_rates(model, REPEATS))


def _search_ms(model: VisionLanguageModel, size: int) -> float:
    """What the first run of a size takes longer than the second."""
    decoder = model.components.decoder
    prompt = model.components.embedding.tokens(np.zeros(size, np.int64))
    taken = []
    for _ in range(2):
        start = time.perf_counter()
        decoder.run(decoder.new_sequence(), prompt)
        taken.append(time.perf_counter() - start)
    return round(1000 * (taken[0] - taken[1]), 1)
