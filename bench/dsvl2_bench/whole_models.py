"""Whole models on this machine beside other engines, the figures that matter most first.

    python -m dsvl2_bench.whole_models prepare FOLDER --llama-bench PROGRAM
    python -m dsvl2_bench.whole_models measure FOLDER --llama-bench PROGRAM

`prepare` makes in FOLDER what `measure` needs, so that the machine has to be idle only for the second. Each run is a
process of its own and adds one line to `measured.jsonl`; `summary.txt` has the medians of all so far.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gguf import GGMLQuantizationType as Kind

from dsvl2_bench.lengths import Lengths
from dsvl2_bench.summary import summary
from dsvl2_bench.synthetic_models import synthetic_bundle, synthetic_gguf
from dsvl2_bench.turns import Figures, figures_of
from dsvl2_kernels.library import OFF, SETTING, open_kernels
from dsvl2_runtime.bundle.releases import Variant
from dsvl2_runtime.cli.streams import print_message
from dsvl2_runtime.errors import GenerationError
from dsvl2_runtime.machine.cores import choose_threads

PRECISION = "int4"
GGUF = "Q4_0"
MODELS, VISION, MEASURED, SUMMARY = "models", "vision.xml", "measured.jsonl", "summary.txt"
COMPARED = Lengths((421, 1415), (0, 1415, 3500))
QUICK = Lengths((64,), (0,))
READ_AT_A_TIME = 1 << 24


@dataclass(frozen=True, slots=True)
class Plan:
    """What there is to measure, and how."""

    folder: Path
    threads: int
    llama_bench: Path | None
    lengths: Lengths
    rounds: int

    @property
    def models(self) -> Path:
        """The folder of bundles and of the peers' files."""
        return self.folder / MODELS

    def bundle(self, variant: str) -> Path:
        """A prepared bundle. Its graphs are measured as they are, also where the code that writes them has changed."""
        return self.models / f"{variant}-{PRECISION}"

    def ours(self, variant: str, level: str | None, *arguments: str) -> Callable[[], Figures]:
        """The phases of a bundle with one level of our kernels: the fastest, a forced one, or none."""
        environment = {} if level is None else {SETTING: level}
        line = (str(self.bundle(variant)), "--threads", str(self.threads), "--repeats", "1", *arguments)

        def run() -> Figures:
            _read_through(self.bundle(variant))  # what an engine before it pushed out of the memory
            return figures_of("dsvl2_bench.phases", *line, environment=environment)

        return run

    def peer(self, module: str, *arguments: str) -> Callable[[], Figures]:
        """Another engine."""
        line = (*arguments, "--threads", str(self.threads))
        return lambda: figures_of(f"dsvl2_bench.peers.{module}", *line)


Part = Callable[[Plan], tuple[int, Mapping[str, Callable[[], Figures]]]]
"""Rounds, and the programs that take turns."""


def decoder(plan: Plan) -> tuple[int, Mapping[str, Callable[[], Figures]]]:
    """Small's language model beside llama.cpp and ik_llama.cpp."""
    return _language_model(plan, Variant.SMALL)


def tiny(plan: Plan) -> tuple[int, Mapping[str, Callable[[], Figures]]]:
    """Tiny's, whose attention has ordinary heads."""
    return _language_model(plan, Variant.TINY)


def _language_model(plan: Plan, variant: Variant) -> tuple[int, Mapping[str, Callable[[], Figures]]]:
    file, lengths = str(plan.models / f"{variant}-{GGUF}.gguf"), plan.lengths.arguments()
    programs = {"ours": plan.ours(variant, None, "--parts", "decoder", *lengths)}
    if plan.llama_bench is not None:
        programs["ik_llama"] = plan.peer("ik_llama", file, "--program", str(plan.llama_bench), *lengths)
    programs["llamacpp"] = plan.peer("llama_cpp", file, *lengths)
    return plan.rounds, programs


def vision(plan: Plan) -> tuple[int, Mapping[str, Callable[[], Figures]]]:
    """Small's vision part beside ONNX Runtime's operators and OpenVINO."""
    only = ("--parts", "vision")
    return plan.rounds + 1, {
        "ours": plan.ours("small", None, *only),
        "onnxruntime": plan.ours("small", OFF, *only),
        "openvino": plan.peer("openvino_vision", "small", "--keep", str(plan.models / VISION)),
    }


def start(plan: Plan) -> tuple[int, Mapping[str, Callable[[], Figures]]]:
    """From the start of a process to the first token about a screenshot, and memory that two processes share."""
    line = (str(plan.bundle("small")), "--threads", str(plan.threads))
    return 2, {"ours": lambda: figures_of("dsvl2_bench.starting", *line)}


def levels(plan: Plan) -> tuple[int, Mapping[str, Callable[[], Figures]]]:
    """Small with each slower level of our kernels, and without them."""
    slower = [level for level in open_kernels().levels[:-1] if level != "reference"]
    names = [*reversed(slower), OFF]
    return 1, {f"ours {name}": plan.ours("small", name, *plan.lengths.arguments()) for name in names}


def variants(plan: Plan) -> tuple[int, Mapping[str, Callable[[], Figures]]]:
    """The other two releases, where they were prepared."""
    names = [name for name in (Variant.TINY, Variant.BASE) if plan.bundle(name).is_dir()]
    return 1, {f"ours {name}": plan.ours(name, None, *plan.lengths.arguments()) for name in names}


PARTS: Mapping[str, Part] = {
    "decoder": decoder, "vision": vision, "start": start, "tiny": tiny, "levels": levels, "variants": variants,
}  # fmt: skip
"""In this order."""


def prepare(plan: Plan, variants: Sequence[str]) -> None:
    """Make every model and file that is missing."""
    for variant in variants:
        synthetic_bundle(variant, PRECISION, None, plan.models)
        if variant != Variant.BASE:
            synthetic_gguf(GGUF, plan.models, variant)
    plan.peer("openvino_vision", "small", "--keep", str(plan.models / VISION))()


def measure(plan: Plan, parts: Sequence[str]) -> None:
    """Run the parts and write each result as it comes; an engine that fails is reported and left out."""
    began = time.monotonic()
    results: list[Figures] = []
    for part in parts:
        rounds, programs = PARTS[part](plan)
        for turn in range(rounds):
            for name, program in programs.items():
                started = time.monotonic()
                result: Figures = {"part": part, "name": name, "turn": turn}
                try:
                    result["figures"] = program()
                except GenerationError as error:
                    result["error"] = str(error)
                now = time.monotonic()
                result["took_s"] = round(now - started, 1)
                results.append(result)
                with (plan.folder / MEASURED).open("a", encoding="utf-8") as lines:
                    lines.write(json.dumps(result) + "\n")
                text = summary(results, plan.bundle("small"), Kind[GGUF])
                (plan.folder / SUMMARY).write_text(text, "utf-8")
                said = json.dumps(result.get("figures", result.get("error")))
                print_message(f"[{(now - began) / 60:5.1f} min] {part} {name} {turn}: {result['took_s']} s: {said}")
    print_message(text if results else "nothing was measured")


def _read_through(folder: Path) -> None:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            with path.open("rb", buffering=0) as file:
                while file.read(READ_AT_A_TIME):
                    pass


def main(arguments: Sequence[str] | None = None) -> None:
    """Prepare or measure."""
    parser = argparse.ArgumentParser(prog="python -m dsvl2_bench.whole_models")
    parser.add_argument("what", choices=["prepare", "measure"])
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "--llama-bench", type=Path, help="the program of ik_llama.cpp; without it that peer is left out"
    )
    parser.add_argument("--parts", nargs="*", choices=list(PARTS), default=list(PARTS))
    parser.add_argument("--variants", nargs="*", choices=list(Variant), default=["small", "tiny"], help="to prepare")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument(
        "--quick", action="store_true", help="one round with short prompts, to see that everything runs"
    )
    options = parser.parse_args(arguments)
    program = options.llama_bench.resolve() if options.llama_bench else None
    lengths, rounds = (QUICK, 1) if options.quick else (COMPARED, options.rounds)
    plan = Plan(options.folder.resolve(), choose_threads(None).count, program, lengths, rounds)
    plan.models.mkdir(parents=True, exist_ok=True)
    if options.what == "prepare":
        prepare(plan, options.variants)
    else:
        measure(plan, options.parts)


if __name__ == "__main__":
    main()
