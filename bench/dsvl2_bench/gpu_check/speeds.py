"""The stages that time Small at full size: how fast it is, and what the time goes to."""

from __future__ import annotations

import itertools
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np

from dsvl2_bench.gpu_check import kernel_times
from dsvl2_bench.gpu_check.plan import ROOM
from dsvl2_bench.gpu_check.said import form_folder, free_gb, guarded, opened, say, say_card
from dsvl2_runtime.answers.sampling import GenerationOptions
from dsvl2_runtime.bundle.releases import Variant
from dsvl2_runtime.graphs.gpu_memory import TILE_BATCHES, plan_gpu_memory
from dsvl2_runtime.graphs.target import CUDA, CUDA_ON_CPU, Target
from dsvl2_runtime.inputs.processor import read_image
from dsvl2_runtime.model import VisionLanguageModel
from dsvl2_runtime.progress import Progress, Watch

REPEATS = 5
ANSWER_TOKENS = 96
PROMPT = 1415
SCREEN = (1080, 1920, 3)


@contextmanager
def full_model(folder: Path, device: str, target: Target | None = None) -> Iterator[VisionLanguageModel]:
    """Small at full size with random weights that are made on the card; a small one where only this is tried out."""
    from dsvl2_bench.gpu_check.sized_graphs import complete, fill_at_random

    if device != "cuda":
        small = next(path for variant in Variant if (path := form_folder(folder / variant.value)).is_dir())
        yield opened(small, device, target=target)
        return
    with tempfile.TemporaryDirectory(dir=os.environ.get(ROOM)) as room:  # its large files are holes
        complete(form_folder(folder / "full"), Path(room) / "bundle")
        yield opened(Path(room) / "bundle", device, fill_at_random, target)


def speed(folder: Path, device: str) -> None:
    """Untuned prompts, then what has a goal: steps, prompts, a screenshot, a question behind it; then tiles."""
    say_card(device, "before")
    before = free_gb(device)
    with full_model(folder, device) as model:
        for part in (_tuning, _steps, _prompts, _first_tokens, _tiles, _between_steps):
            with guarded(part=part.__name__.strip("_")):
                part(model)
            say_card(device, f"behind {part.__name__.strip('_')}")
        _memory(model, before, free_gb(device))


def _memory(model: VisionLanguageModel, before: float | None, after: float | None) -> None:
    """What is taken behind everything, beside the plan by which `auto` takes the card or leaves it."""
    planned = plan_gpu_memory(model.bundle).total / 1e9
    if before is None or after is None:
        say(planned_gb=round(planned, 2), taken_gb=None)
        return
    say(planned_gb=round(planned, 2), taken_gb=round(before - after, 2), ok=before - after <= planned)


def _tuning(model: VisionLanguageModel) -> None:
    """Prompts as a question finds them that a load is made for, then what it takes to read them faster."""
    from dsvl2_bench import phases

    say(untuned_tok_s=phases.prefill_rates(model, REPEATS))
    say(**{f"untuned_{name}": seconds for name, seconds in _screen_seconds(model).items()})
    start = time.perf_counter()
    model.tune()
    say(tune_s=round(time.perf_counter() - start, 2))


def _steps(model: VisionLanguageModel) -> None:
    from dsvl2_bench import phases

    rates = phases.decode_rates(model, 4)
    say(decode_tok_s=rates, step_ms={rows: round(1000 / rate, 3) for rows, rate in rates.items()})


def _prompts(model: VisionLanguageModel) -> None:
    from dsvl2_bench import phases

    rates = phases.prefill_rates(model, REPEATS)
    say(prefill_tok_s=rates, prompt_ms={tokens: round(1000 * int(tokens) / rate, 2) for tokens, rate in rates.items()})


def _tiles(model: VisionLanguageModel) -> None:
    from dsvl2_bench import phases

    say(vision_s_per_tile=phases.vision_seconds(model, REPEATS))
    warm = model.components.vision.warm
    say(tiles_ms={str(tiles): _median_ms(partial(warm, tiles)) for tiles in TILE_BATCHES})


def _median_ms(run: Callable[[], object], repeats: int = REPEATS) -> float:
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return round(1000 * statistics.median(times), 3)


def _between_steps(model: VisionLanguageModel) -> None:
    """What a token of a whole answer takes beyond the decoder's step: sampling, text, and everything else in Python.

    With its probability, as the command line, the server and the window ask for it.
    """
    options = GenerationOptions(max_new_tokens=ANSWER_TOKENS, repetition_guard=False, logprobs=True)
    times = []
    for _ in model.answer(model.prepare("What is the title of the window?"), options):
        times.append(time.perf_counter())
    # The first is the prompt's; the last comes without a step.
    token_ms = 1000 * statistics.median([after - before for before, after in itertools.pairwise(times[:-1])])
    decoder, token = model.components.decoder, model.components.embedding.tokens(np.zeros(1, np.int64))
    sequence = decoder.new_sequence()
    step_ms = _median_ms(lambda: decoder.run(sequence, token), ANSWER_TOKENS)
    say(
        answer_token_ms=round(token_ms, 3),
        short_step_ms=round(step_ms, 3),
        between_steps_ms=round(token_ms - step_ms, 3),
    )


def _first_tokens(model: VisionLanguageModel) -> None:
    """What has a goal, with a tuned model."""
    say(**_screen_seconds(model))


def _screen_seconds(model: VisionLanguageModel) -> dict[str, float]:
    """A screenshot of 1920x1080 and a question about it; then another question about it. Medians, in seconds."""
    options = GenerationOptions(max_new_tokens=1)
    screen = np.random.default_rng(1).integers(0, 256, SCREEN, np.uint8)
    found: dict[str, list[float]] = {}
    for number in range(REPEATS):
        model.image_cache.clear()
        sequence = model.new_sequence()
        began = time.perf_counter()
        inputs = model.prepare("What is the title of the window?", [screen])
        found.setdefault("prepare", []).append(time.perf_counter() - began)
        # Each of another length, as people ask: a size that is met for the first time may cost more.
        words = " and its colour" * (number + 1)
        kept = read_image(screen, model.config)  # as a conversation keeps a picture
        began = time.perf_counter()
        more = model.prepare(f"What is the title of the window{words}?", [kept])
        found.setdefault("prepare_again", []).append(time.perf_counter() - began)
        for kind, each in (("first", inputs), ("follow_up", more)):
            start, seen = time.perf_counter(), dict[str, list[float]]()

            def on_progress(progress: Progress, seen: dict[str, list[float]] = seen) -> None:
                seen.setdefault(progress.phase, []).append(time.perf_counter())

            for _ in model.answer(each, options, Watch(on_progress), sequence=sequence):
                break
            found.setdefault(kind, []).append(time.perf_counter() - start)
            for phase, times in seen.items():
                found.setdefault(f"{kind}_{phase}", []).append(times[-1] - times[0])
    say(prompt_tokens=len(inputs.input_ids), tiles=[len(image.tiles) for image in inputs.images])
    say(all_ms={kind: [round(1000 * s, 2) for s in times] for kind, times in found.items()})
    medians = {kind: round(statistics.median(times), 4) for kind, times in found.items()}
    seconds = {
        "first_token_s": medians["first"],
        "follow_up_s": medians["follow_up"],
        "prepare_s": medians["prepare"],
        "prepare_and_first_token_s": round(medians["prepare"] + medians["first"], 4),
        "prepare_and_follow_up_s": round(medians["prepare_again"] + medians["follow_up"], 4),
    }
    named = {
        "first_vision": "first_vision_s",
        "first_prefill": "first_prompt_s",
        "follow_up_prefill": "follow_up_prompt_s",
    }
    return seconds | {name: medians[kind] for kind, name in named.items() if kind in medians}


def _runs(model: VisionLanguageModel) -> dict[str, Callable[[], object]]:
    """One run of each graph, by what it does."""
    decoder, tokens = model.components.decoder, model.components.embedding.tokens
    vocab, context = model.config.language_config.vocab_size, model.config.language_config.max_position_embeddings
    length = min(PROMPT, context // 2)
    prompt = tokens(np.random.default_rng(3).integers(0, vocab, length))
    behind = decoder.new_sequence()
    decoder.prefill(behind, prompt)
    tiles = TILE_BATCHES[0]
    return {
        f"step behind {length}": lambda: decoder.run(behind, tokens(np.zeros(1, np.int64))),
        f"prompt of {length}": lambda: decoder.prefill(decoder.new_sequence(), prompt),
        f"{tiles} tiles": lambda: model.components.vision.warm(tiles),
    }


def profile(folder: Path, device: str) -> None:
    """The kernels of one step, prompt and batch of tiles with their times on the card, by PyTorch's profiler."""
    with full_model(folder, device) as model:
        for name, run in _runs(model).items():
            with guarded(run=name):
                run()
                say(run=name, wall_ms=_median_ms(run), **kernel_times.on_card(run, device))


def nodes(folder: Path, device: str) -> None:
    """The same by operators of the graphs, from ONNX Runtime's own profile; each kernel is waited for."""
    os.environ["CUDA_LAUNCH_BLOCKING"] = "1"  # CUDA looks at it when it starts
    base = CUDA if device == "cuda" else CUDA_ON_CPU
    with tempfile.TemporaryDirectory() as profiles:
        target = kernel_times.ProfiledTarget(base.name, base.provider, base.device, folder=Path(profiles))
        with full_model(folder, device, target) as model:
            runs = _runs(model)
            for run in (*runs.values(), *runs.values()):  # the second of each counts
                run()
        for graph, path in target.ended():
            with guarded(graph=graph):
                say(graph=graph, **kernel_times.by_operator(path))
