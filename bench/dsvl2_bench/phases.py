"""Times the phases of an answer one by one, in this process: run it in a fresh one (`python -m dsvl2_bench.phases`).

Prompts of different lengths take turns, so that a slow moment of the machine affects all of them alike.
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

from dsvl2_bench.first_token import first_token
from dsvl2_bench.lengths import CONTEXTS, DECODE_STEPS, PREFILL_TOKENS, Lengths, add_lengths
from dsvl2_bench.memory import anonymous_rss_gb, copy_gb_s, peak_rss_gb, read_gb_s
from dsvl2_runtime.graphs.sequence import Cache
from dsvl2_runtime.inputs.processor import ImageInput
from dsvl2_runtime.inputs.tiling import Tiling
from dsvl2_runtime.machine.provider import Provider
from dsvl2_runtime.model import VisionLanguageModel, load_model

TILES = 3
PARTS = ("decoder", "vision")
FIRST_TOKEN_PICTURE = (600, 800)
"""(height, width): with a release 3x2 tiles, and 1415 tokens beside the question."""
QUESTION = "What is the total?"


def measure(
    bundle: Path,
    threads: int,
    repeats: int,
    provider: str | None = None,
    lengths: Lengths | None = None,
    parts: Sequence[str] = PARTS,
) -> dict[str, Any]:
    """Every figure of the report except the machine's description; a part that is not asked for has None or nothing."""
    lengths = lengths or Lengths()
    start = time.perf_counter()
    model = load_model(bundle, threads, provider=provider)
    load_s = time.perf_counter() - start
    prefill = prefill_rates(model, repeats, lengths.prompts) if "decoder" in parts else {}
    decode = decode_rates(model, repeats, lengths.contexts) if "decoder" in parts else {}
    vision = vision_seconds(model, repeats) if "vision" in parts else None
    first = first_token_seconds(model, repeats) if set(PARTS) <= set(parts) else None
    peak, anonymous = peak_rss_gb(), anonymous_rss_gb()
    kernels, runs_on = model.kernels, model.provider
    del model
    start = time.perf_counter()
    load_model(bundle, threads, provider=provider)
    warm_load_s = time.perf_counter() - start
    return {
        "provider": runs_on,
        "kernels": kernels,
        "load_s": round(load_s, 3),
        "warm_load_s": round(warm_load_s, 3),
        "prefill_tok_s": prefill,
        "decode_tok_s": decode,
        "vision_s_per_tile": vision,
        "first_token": first,
        "peak_rss_gb": None if peak is None else round(peak, 3),
        "anon_rss_gb": None if anonymous is None else round(anonymous, 3),
        "copy_gb_s": round(copy_gb_s(threads), 2),
        "read_gb_s": round(read_gb_s(threads), 2),
    }


def _embeds(model: VisionLanguageModel, seq: int) -> Any:
    """Random positions for the decoder: rows of embeddings, or ids where its graphs look them up themselves."""
    language, generator = model.config.language_config, np.random.default_rng(seq)
    if model.provider is Provider.CUDA:
        return model.components.embedding.tokens(generator.integers(0, language.vocab_size, seq))
    return generator.standard_normal((1, seq, language.hidden_size), np.float32)


def prefill_rates(
    model: VisionLanguageModel, repeats: int, prompts: Sequence[int] = PREFILL_TOKENS
) -> dict[str, float]:
    """Prompt length to tokens per second, the median of some runs in turn; lengths beyond the context are left out."""
    context = model.config.language_config.max_position_embeddings
    lengths = [length for length in prompts if length < context]
    seconds: dict[int, list[float]] = {length: [] for length in lengths}
    decoder = model.components.decoder
    decoder.prefill(decoder.new_sequence(), _embeds(model, 64))
    for _ in range(repeats):
        for length in lengths:
            inputs_embeds, sequence = _embeds(model, length), decoder.new_sequence()
            start = time.perf_counter()
            decoder.prefill(sequence, inputs_embeds)
            seconds[length].append(time.perf_counter() - start)
    return {str(length): round(length / statistics.median(times), 2) for length, times in seconds.items()}


def decode_rates(model: VisionLanguageModel, repeats: int, contexts: Sequence[int] = CONTEXTS) -> dict[str, float]:
    """Cached rows to tokens per second, the median over single steps.

    The rows are written before, as a prompt writes them: pages that nobody has written are all one page of zeros to the
    system, which stays in the processor's cache, so a step would read them faster than in life.
    """
    decoder = model.components.decoder
    context = model.config.language_config.max_position_embeddings
    lengths = [length for length in contexts if length + DECODE_STEPS + 1 < context]
    seconds: dict[int, list[float]] = {length: [] for length in lengths}
    step = _embeds(model, 1)
    for _ in range(repeats):
        for length in lengths:
            sequence = decoder.new_sequence()
            write_rows(sequence.cache, length)
            decoder.run(sequence, step)  # on a GPU it brings the rows there
            for _ in range(DECODE_STEPS):
                start = time.perf_counter()
                decoder.run(sequence, step)
                seconds[length].append(time.perf_counter() - start)
    return {str(length): round(1 / statistics.median(times), 2) for length, times in seconds.items()}


def write_rows(cache: Cache, length: int) -> None:
    """Fill the first rows of an empty cache with random values, and count them."""
    generator = np.random.default_rng(length)
    for index, tensor in enumerate(cache.tensors):
        cache.put(index, generator.standard_normal((length, tensor.row), np.float32))
    cache.advance(length)


def vision_seconds(model: VisionLanguageModel, repeats: int) -> float:
    """Seconds per tile, encoder and projector together, the median over some runs."""
    size = model.config.vision_config.image_size
    tiles = np.random.default_rng(0).integers(0, 256, (TILES, size, size, 3), np.uint8)
    image = ImageInput("", (size, size), Tiling(TILES - 1, 1), tiles)  # the global view and the others
    cache = model.image_cache
    times = []
    for count in range(repeats + 1):
        cache.clear()
        start = time.perf_counter()
        cache.encode(model.components.vision, [image])
        if count:  # the first run takes memory
            times.append((time.perf_counter() - start) / TILES)
    return round(statistics.median(times), 4)


def first_token_seconds(model: VisionLanguageModel, repeats: int) -> dict[str, float]:
    """The median over some runs, and the sizes of the prompt; see `first_token`."""
    _, *found = [first_token(model, QUESTION, FIRST_TOKEN_PICTURE) for _ in range(repeats + 1)]  # as `vision_seconds`
    seconds = statistics.median(each.seconds for each in found)
    return {"seconds": round(seconds, 4), "tiles": found[0].tiles, "prompt_tokens": found[0].prompt_tokens}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure a bundle and print one JSON object."""
    parser = argparse.ArgumentParser(prog="python -m dsvl2_bench.phases")
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--provider", help="by default what DSVL2_PROVIDER says")
    parser.add_argument("--parts", nargs="*", choices=PARTS, default=PARTS)
    add_lengths(parser)
    options = parser.parse_args(arguments)
    lengths = Lengths.asked(options)
    print(
        json.dumps(measure(options.bundle, options.threads, options.repeats, options.provider, lengths, options.parts))
    )


if __name__ == "__main__":
    main()
