"""The stages of the check, each in a process of its own: `python -m dsvl2_bench.gpu_check.stages NAME FOLDER`.

Each prints what it found as JSON lines while it goes, so that a stage that hangs or crashes leaves what came before.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from dsvl2_runtime.bundle.bundle import Bundle
from dsvl2_runtime.bundle.releases import Variant
from dsvl2_runtime.graphs import graph_io
from dsvl2_runtime.graphs.cuda.weights import Fill
from dsvl2_runtime.graphs.target import CUDA, CUDA_ON_CPU, SHOW_LOG
from dsvl2_runtime.machine.cuda_libraries import load_cuda_libraries
from dsvl2_runtime.machine.gpu import GpuError, find_gpu
from dsvl2_runtime.model import VisionLanguageModel

DEEPEST_DIFFERENCE = 2e-2
"""Of logits, as a relative norm. The graphs compute in float16, with eleven bits, and only the experts of prompts in
bfloat16, with eight; small models were measured 0.003 to 0.01 from float32, and this is twice the largest of them."""
EQUAL_ANSWERS = 0.98
QUESTIONS, SEED = 200, 1


def say(**fields: Any) -> None:
    """One line of what was found."""
    print(json.dumps(fields, default=str), flush=True)


def opened(folder: Path, device: str, fill: Fill | None = None) -> VisionLanguageModel:
    """A bundle on the GPU, or its graphs for the GPU on the CPU where only this program is tried out."""
    start = time.perf_counter()
    target = CUDA if device == "cuda" else CUDA_ON_CPU
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


def packed_variants(folder: Path) -> list[str]:
    """Those whose small bundles are there."""
    return [variant.value for variant in Variant if (folder / variant.value).is_dir()]


def environment(folder: Path, device: str) -> None:
    """What is installed, and what `doctor` says."""
    import onnxruntime

    from dsvl2_runtime.cli.doctor_gpu import gpu_report

    say(python=platform.python_version(), system=platform.platform(), cores=os.cpu_count(), numpy=np.__version__)
    say(onnxruntime=onnxruntime.__version__, providers=onnxruntime.get_available_providers())
    report = gpu_report(Bundle.open(folder / packed_variants(folder)[0]) if device == "cuda" else None)
    say(gpu=report)
    if device == "cuda":
        obstacle = report["obstacle"]
        say(ok=obstacle is None, obstacle=None if obstacle is None else f"{obstacle['text']}; {obstacle['advice']}")
    try:
        import torch
    except ImportError as error:
        say(torch=None, why=str(error))
    else:
        say(torch=torch.__version__, cuda=torch.version.cuda, is_there=torch.cuda.is_available())


def placement(folder: Path, device: str) -> None:
    """Whether ONNX Runtime puts every node on the GPU; the error names those that it does not."""
    target = CUDA if device == "cuda" else CUDA_ON_CPU
    if device == "cuda":
        load_cuda_libraries()
    for variant in packed_variants(folder):
        bundle = Bundle.open(folder / variant)
        for entry in (graph for graph in bundle.manifest.graphs if graph.target == target.name):
            options = target.session_options(1)
            if device == "cuda":
                options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
            try:
                captured = entry.name == graph_io.DECODER_STEP
                session = target.new_session(bundle.folder / entry.file, options, capture=captured)
            except Exception as error:  # ONNX Runtime's classes have no base
                say(variant=variant, graph=entry.name, ok=False, error=str(error)[:1500])
            else:
                say(variant=variant, graph=entry.name, ok=True, providers=session.get_providers())


def parity(folder: Path, device: str) -> None:
    """Logits of the three variants beside those of the CPU in float32: 0 to 3 pictures, in chunks, 50 steps."""
    from dsvl2_bench.gpu_check.reference_cases import PICTURES, case_logits, case_tokens, picture

    for variant in packed_variants(folder):
        expected = np.load(folder / f"{variant}.npz")
        model = opened(folder / variant, device)
        tokens = case_tokens(model.config.language_config.vocab_size)
        for count in PICTURES:
            images = [picture(number) for number in range(count)]
            for chunk in (None, 100):
                start = time.perf_counter()
                prompt, steps = case_logits(model, images, tokens, chunk)
                differences = [_relative(prompt, expected[f"prompt{count}"])]
                differences += [_relative(*pair) for pair in zip(steps, expected[f"steps{count}"], strict=True)]
                best = [int(a.argmax() == b.argmax()) for a, b in zip(steps, expected[f"steps{count}"], strict=True)]
                say(
                    variant=variant, pictures=count, chunk=chunk, ok=max(differences) < DEEPEST_DIFFERENCE,
                    prompt=differences[0], first_step=differences[1], worst_step=max(differences[1:]),
                    mean_step=statistics.mean(differences[1:]), same_best=f"{sum(best)}/{len(best)}",
                    finite=bool(np.isfinite(steps).all()), s=round(time.perf_counter() - start, 2),
                )  # fmt: skip


def _relative(found: Any, expected: Any) -> float:
    return round(float(np.linalg.norm(found - expected) / np.linalg.norm(expected)), 6)


def answers(folder: Path, device: str) -> None:
    """The demonstration model's answers to held-out questions, beside those that the CPU gave where this was packed.

    Those in float32 are to be equal. The CPU's own, with activations of 8 bits, differ from them in every tenth.
    """
    from dsvl2_demo.evaluation.evaluate import bundle_answerer, evaluate, scores_of
    from dsvl2_demo.evaluation.held_out import held_out_cases

    expected: list[dict[str, str]] = json.loads((folder / "answers" / "answers.json").read_text("utf-8"))
    model = opened(folder / "demo", device)
    cases = [
        replace(case, images=tuple(_page(folder, index, number) for number in range(len(case.images))))
        for index, case in enumerate(held_out_cases(len(expected), SEED))
    ]
    start = time.perf_counter()
    judged = evaluate(bundle_answerer(model), cases, lambda _: None)
    say(answered=len(judged), s=round(time.perf_counter() - start, 1), scores=scores_of(judged))
    pairs = list(zip(judged, expected, strict=True))
    for index, (one, other) in enumerate(pairs):
        if one.found != other["float32"]:
            say(question=index, task=one.case.task, gpu=one.found[:120], cpu=other["float32"][:120])
    equal = {kind: sum(one.found == other[kind] for one, other in pairs) for kind in ("float32", "int8")}
    say(compared=len(pairs), equal=equal, ok=equal["float32"] >= EQUAL_ANSWERS * len(pairs))


def _page(folder: Path, index: int, number: int) -> Any:
    from PIL import Image

    return Image.open(folder / "answers" / f"{index}-{number}.png").convert("RGB")


def speed(folder: Path, device: str) -> None:
    """Small at full size with random weights that are made on the card; of the small model where there is none."""
    from dsvl2_bench.gpu_check.sized_graphs import complete, fill_at_random

    if device != "cuda":
        _speeds(folder / packed_variants(folder)[0], device)
        return

    with tempfile.TemporaryDirectory(dir=os.environ.get("ROOM")) as room:  # its large files are holes
        complete(folder / "full", Path(room) / "bundle")
        _speeds(Path(room) / "bundle", device, fill_at_random)


def _speeds(bundle: Path, device: str, fill: Fill | None = None) -> None:
    from dsvl2_bench import phases

    model = opened(bundle, device, fill)
    say(decode_tok_s=phases.decode_rates(model, 4))
    say(prefill_tok_s=phases.prefill_rates(model, 5))
    say(vision_s_per_tile=phases.vision_seconds(model, 5))
    _first_tokens(model)


def _first_tokens(model: VisionLanguageModel) -> None:
    """A screenshot of 1920x1080 and a question about it; then another question about it."""
    from dsvl2_runtime.answers.sampling import GenerationOptions

    options = GenerationOptions(max_new_tokens=1)
    screen = np.random.default_rng(1).integers(0, 256, (1080, 1920, 3), np.uint8)
    first, follow = list[float](), list[float]()
    for number in range(5):
        model.image_cache.clear()
        sequence = model.new_sequence()
        inputs = model.prepare("What is the title of the window?", [screen])
        # Each of another length, as people ask: a size that is met for the first time may cost more.
        words = " and its colour" * (number + 1)
        more = model.prepare(f"What is the title of the window{words}?", [screen])
        for times, each in ((first, inputs), (follow, more)):
            start = time.perf_counter()
            for _ in model.answer(each, options, sequence=sequence):
                break
            times.append(time.perf_counter() - start)
    say(prompt_tokens=len(inputs.input_ids), all_first=[round(s, 4) for s in first])
    say(all_follow_ups=[round(s, 4) for s in follow])
    say(first_token_s=round(statistics.median(first), 4), follow_up_s=round(statistics.median(follow), 4))


def torch_peer(folder: Path, device: str) -> None:
    """PyTorch in bfloat16 at the same sizes."""
    from dsvl2_bench.gpu_check.torch_decoder import measure

    del folder
    for line in measure(device):
        say(**line)


def llama_cpp(folder: Path, device: str) -> None:
    """llama.cpp for CUDA, where its `llama-bench` and a file of weights are given."""
    import subprocess

    del folder
    program, weights = os.environ.get("LLAMA_BENCH"), os.environ.get("GGUF")
    if not program or not weights or device != "cuda":
        say(skipped="set LLAMA_BENCH to its program llama-bench and GGUF to DeepSeek-V2-Lite in Q4_0")
        return
    line = [program, "-m", weights, "-p", "512,1415", "-n", "64", "-ngl", "99", "-o", "json"]
    found = subprocess.run(line, capture_output=True, encoding="utf-8", errors="replace", timeout=100, check=False)  # noqa: S603
    if found.returncode:
        say(error=found.stderr[-800:], code=found.returncode)
        return
    for run in json.loads(found.stdout):
        say(
            prompt=run.get("n_prompt"),
            generated=run.get("n_gen"),
            tok_s=run.get("avg_ts"),
            build=run.get("build_commit"),
        )


STAGES: dict[str, Callable[[Path, str], None]] = {
    "environment": environment,
    "placement": placement,
    "parity": parity,
    "speed": speed,
    "answers": answers,
    "torch": torch_peer,
    "llama.cpp": llama_cpp,
}
"""Those of `plan.SECONDS`."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one stage; whatever goes wrong is said with its place."""
    parser = argparse.ArgumentParser(prog="python -m dsvl2_bench.gpu_check.stages")
    parser.add_argument("stage", choices=STAGES)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    options = parser.parse_args(arguments)
    code = 0
    os.environ[SHOW_LOG] = "1"  # what ONNX Runtime warns of helps to find a fault
    try:
        STAGES[options.stage](options.folder, options.device)
    except Exception as error:
        say(error=f"{type(error).__name__}: {error}"[:1500], where=traceback.format_exc()[-1800:])
        code = 1
    sys.stdout.flush()
    os._exit(code)  # libraries of a broken installation may hang on their way out


if __name__ == "__main__":
    main()
