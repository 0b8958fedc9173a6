"""The stages of the check, each in a process of its own: `python -m dsvl2_bench.gpu_check.stages NAME FOLDER`.

Each prints what it found as JSON lines while it goes, so that a stage that hangs or crashes leaves what came before.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from tempfile import gettempdir
from typing import TYPE_CHECKING, Any

import numpy as np
import PIL

from dsvl2_bench.gpu_check.plan import FIRST_KERNEL, FORM, SECONDS_OF_STAGE
from dsvl2_bench.gpu_check.program import program
from dsvl2_bench.gpu_check.said import form_folder, guarded, opened, say, say_card, seconds_left, what_failed
from dsvl2_bench.gpu_check.speeds import nodes, profile, speed
from dsvl2_bench.gpu_check.verdict import Verdict, logprob_error, verdict
from dsvl2_runtime.answers.confidence import UNSURE
from dsvl2_runtime.bundle.bundle import Bundle
from dsvl2_runtime.bundle.releases import Variant
from dsvl2_runtime.graphs import graph_io
from dsvl2_runtime.graphs.sequence import Logits
from dsvl2_runtime.graphs.target import CUDA, CUDA_ON_CPU, MORE_OPTIONS, SHOW_LOG
from dsvl2_runtime.machine.cuda_libraries import load_cuda_libraries

if TYPE_CHECKING:
    from dsvl2_demo.evaluation.evaluate import Answerer
    from dsvl2_demo.evaluation.held_out import Case
    from dsvl2_runtime.answers.answer import Answer

EQUAL_ANSWERS = 0.98
QUESTIONS, SEED = 200, 1
SAID_AFTER = 25
"""Questions."""
SHOWN_BEFORE, SHOWN_LETTERS = 20, 120
"""Of two answers that differ."""
SECONDS_OF_QUESTION = 8
"""With fewer left, no other is asked; the longest answers have 200 tokens."""
LOOK_SECONDS = 1.0
"""Between two looks at whether the check is still there."""
PACKED_FROM = "packed.json"
"""What the folder was packed from."""
MOST_FAILED = 3
"""Questions that may end with an error before the others are left out."""


def packed_variants(folder: Path) -> list[str]:
    """Those whose small bundles are there, in the form that is asked for; at least one."""
    found = [variant.value for variant in Variant if form_folder(folder / variant.value).is_dir()]
    if not found:
        raise FileNotFoundError(f"{folder} has no small bundle such as {form_folder(folder / Variant.TINY.value).name}")
    return found


def environment(folder: Path, device: str) -> None:
    """What is installed, and what `doctor` says."""
    import onnxruntime

    from dsvl2_runtime.cli.doctor_gpu import gpu_report

    if (folder / PACKED_FROM).exists():
        say(packed=json.loads((folder / PACKED_FROM).read_text("utf-8")))
    say(python=platform.python_version(), system=platform.platform(), cores=os.cpu_count(), numpy=np.__version__)
    say(pillow=PIL.__version__, free_disk_gb=round(shutil.disk_usage(gettempdir()).free / 1e9, 1))
    say_card(device, "before")
    say(onnxruntime=onnxruntime.__version__, providers=onnxruntime.get_available_providers())
    report = gpu_report(Bundle.open(form_folder(folder / packed_variants(folder)[0])) if device == "cuda" else None)
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
        bundle = Bundle.open(form_folder(folder / variant))
        for entry in (graph for graph in bundle.manifest.graphs if graph.target == target.name):
            options = target.session_options(1)
            if device == "cuda":
                options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
            try:
                captured = entry.name == graph_io.DECODER_STEP
                session = target.new_session(bundle.folder / entry.file, options, capture=captured)
            except Exception as error:  # ONNX Runtime's classes have no base
                say(variant=variant, graph=entry.name, ok=False, **what_failed(error))
            else:
                say(variant=variant, graph=entry.name, ok=True, providers=session.get_providers())


def parity(folder: Path, device: str) -> None:
    """Logits of the three variants beside those of the CPU in float32: 0 to 3 pictures, in chunks, 50 steps."""
    from dsvl2_bench.gpu_check.reference_cases import PICTURES

    for variant in packed_variants(folder):
        with guarded(variant=variant):
            _compare(folder, variant, device, [(count, chunk) for count in PICTURES for chunk in (None, 100)])


def quick(folder: Path, device: str) -> None:
    """The same for one variant, with and without a picture: enough to tell one switch from another."""
    variant = packed_variants(folder)[0]
    with guarded(variant=variant):
        _compare(folder, variant, device, [(0, None), (1, None)])


def _compare(folder: Path, variant: str, device: str, cases: Sequence[tuple[int, int | None]]) -> None:
    """Logits of one variant: for each case a number of pictures, and the positions of a run."""
    from dsvl2_bench.gpu_check.reference_cases import case_logits, case_tokens, picture

    expected = np.load(folder / f"{variant}.npz")
    model = opened(form_folder(folder / variant), device)
    tokens = case_tokens(model.config.language_config.vocab_size)
    verdicts, same = list[Verdict](), list[int]()
    for count, chunk in cases:
        with guarded(variant=variant, pictures=count, chunk=chunk):
            images = [picture(number) for number in range(count)]
            start = time.perf_counter()
            errors = list[float]()

            def on_step(logits: Logits, errors: list[float] = errors) -> None:
                errors.append(logprob_error(logits))

            prompt, steps = case_logits(model, images, tokens, chunk, on_step=on_step)
            verdicts.append(verdict(prompt, steps, expected, count, errors))
            best = [int(a.argmax() == b.argmax()) for a, b in zip(steps, expected[f"steps{count}"], strict=True)]
            say(
                variant=variant, pictures=count, chunk=chunk, same_best=f"{sum(best)}/{len(best)}",
                finite=bool(np.isfinite(steps).all()), s=round(time.perf_counter() - start, 2),
                **verdicts[-1].fields(),
            )  # fmt: skip
            same += best
    say(
        variant=variant, cases=f"{len(verdicts)}/{len(cases)}",
        worst_prompt=max((one.differences[0] for one in verdicts), default=None),
        worst_of_all_steps=max((max(one.differences[1:]) for one in verdicts), default=None),
        other_experts=sum(len(one.others) for one in verdicts),
        worst_as_in_float32=max((max(one.as_in_float32) for one in verdicts), default=None),
        same_best=f"{sum(same)}/{len(same)}",
    )  # fmt: skip


def answers(folder: Path, device: str) -> None:
    """The demonstration model's answers to held-out questions, beside those that the CPU gave where this was packed.

    Those in float32 are to be equal. The CPU's own, with activations of 8 bits, differ from them in a few of a hundred.
    Where one differs, how sure the model was of it tells rounding between two likely tokens from a fault.
    """
    from dsvl2_bench.gpu_check.packed_cases import read_cases
    from dsvl2_demo.evaluation.evaluate import bundle_answerer, evaluate, scores_of

    packed = read_cases(folder / "answers")
    model = opened(folder / "demo", device)
    start, equal_so_far, confidences = time.perf_counter(), list[bool](), dict[int, float | None]()

    def answered(answer: Answer) -> None:
        confidences[len(equal_so_far)] = answer.confidence

    def after(one: Any) -> None:
        """Say how it goes, so that a stage that is ended early has told something."""
        equal_so_far.append(one.found == packed[len(equal_so_far)].answers["float32"])
        if not len(equal_so_far) % SAID_AFTER:
            say(done=len(equal_so_far), equal_so_far=sum(equal_so_far), s=round(time.perf_counter() - start, 1))

    cases = while_there_is_time((each.case for each in packed), SECONDS_OF_QUESTION)
    judged = evaluate(_goes_on(bundle_answerer(model, look_again=False, on_answer=answered)), cases, after)
    say(answered=len(judged), s=round(time.perf_counter() - start, 1), scores=scores_of(judged))
    pairs, sure_but_different = [(one, each.answers) for one, each in zip(judged, packed, strict=False)], 0
    for index, (one, other) in enumerate(pairs):
        if one.found != other["float32"]:
            parts, confidence = where_they_part(one.found, other["float32"]), confidences.get(index)
            sure_but_different += confidence is not None and confidence >= UNSURE
            say(question=index, task=one.case.task, confidence=confidence, **parts)
    equal = {kind: sum(one.found == other[kind] for one, other in pairs) for kind in ("float32", "int8")}
    all_asked = len(pairs) == len(packed)
    enough = all_asked and equal["float32"] >= EQUAL_ANSWERS * len(pairs)
    say(
        compared=len(pairs),
        of=len(packed),
        equal=equal,
        sure_but_different=sure_but_different,
        ok=enough,
        **({} if all_asked else {"why": "no time was left"}),
    )


def where_they_part(gpu: str, cpu: str) -> dict[str, Any]:
    """Two answers from shortly before the first letter that differs, which may be far behind the beginning."""
    equal = next((at for at, (one, other) in enumerate(zip(gpu, cpu, strict=False)) if one != other), None)
    equal = min(len(gpu), len(cpu)) if equal is None else equal
    start = max(0, equal - SHOWN_BEFORE)
    return {"equal_letters": equal, "gpu": gpu[start:][:SHOWN_LETTERS], "cpu": cpu[start:][:SHOWN_LETTERS]}


def while_there_is_time(cases: Iterable[Case], seconds: float) -> Iterator[Case]:
    """Cases, as long as there are so many seconds left for the next and for what is said behind the last."""
    for case in cases:
        if seconds_left() < seconds:
            return
        yield case


def _goes_on(answerer: Answerer) -> Answerer:
    """An error in an answer is said and is the answer; behind some of them the next is raised."""
    failed = list[str]()

    def answer(case: Case) -> str:
        try:
            return answerer(case)
        except Exception as error:
            if len(failed) == MOST_FAILED:
                raise
            failed.append(f"{type(error).__name__}: {error}")
            say(task=case.task, **what_failed(error))
            return failed[-1]

    return answer


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
    "program": program,
    "torch": torch_peer,
    "llama.cpp": llama_cpp,
    "profile": profile,
    "nodes": nodes,
    "quick": quick,
}
"""Those of `plan.SECONDS` and `plan.MORE_SECONDS`."""


def _end_with(parent: int) -> None:
    """End this process behind the one that started it, however that was killed: the next check needs the card."""
    while os.getppid() == parent:
        time.sleep(LOOK_SECONDS)
    os._exit(1)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one stage; whatever goes wrong is said with its place."""
    parser = argparse.ArgumentParser(prog="python -m dsvl2_bench.gpu_check.stages")
    parser.add_argument("stage", choices=STAGES)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    options = parser.parse_args(arguments)
    code = 0
    set_ways = {
        name: os.environ[name]
        for name in (FORM, MORE_OPTIONS, "CUDA_LAUNCH_BLOCKING", FIRST_KERNEL)
        if os.environ.get(name)
    }
    if set_ways:
        say(switched=set_ways)
    if SECONDS_OF_STAGE in os.environ:
        threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    os.environ[SHOW_LOG] = "1"  # what ONNX Runtime warns of helps to find a fault
    try:
        STAGES[options.stage](options.folder, options.device)
    except Exception as error:
        say(**what_failed(error))
        code = 1
    sys.stdout.flush()
    os._exit(code)  # libraries of a broken installation may hang on their way out


if __name__ == "__main__":
    main()
