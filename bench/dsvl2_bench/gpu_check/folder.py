"""Packs everything to check a GPU with on a machine without a network: `make gpu-check`.

Code, packages for that machine's Python, small bundles of the three variants with what the CPU says in float32, the
demonstration model, and the graphs of Small at full size without its weights. `check.sh OUT` in it runs the check.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

from dsvl2_bench.gpu_check.packed_cases import PackedCase, model_of, write_cases
from dsvl2_bench.gpu_check.pieces import UNPACK, write_pieces
from dsvl2_bench.gpu_check.reference import write_reference
from dsvl2_bench.gpu_check.said import form_folder
from dsvl2_bench.gpu_check.sized_graphs import write_sized_graphs
from dsvl2_bench.gpu_check.slim import CUDA_PROVIDER, drop_not_needed, keep_code_for
from dsvl2_bench.gpu_check.stages import PACKED_FROM, QUESTIONS, SEED
from dsvl2_demo import BUNDLE
from dsvl2_demo.evaluation.evaluate import bundle_answerer
from dsvl2_demo.evaluation.held_out import Case, held_out_cases
from dsvl2_demo.packing import copy_code, fetch_wheels, write_script
from dsvl2_export.exporter import export_weights
from dsvl2_export.graphs.cuda.bundle_graphs import DECODER_DATA, FILES, IMAGE_DATA
from dsvl2_export.graphs.cuda.form import EXACT_ON_GPU, IN_BFLOAT16, ON_CPU, ON_GPU
from dsvl2_export.synth.config import synthetic_config
from dsvl2_export.synth.weights import RandomWeights
from dsvl2_export.upgrade import add_cuda_graphs
from dsvl2_runtime import load_model
from dsvl2_runtime.bundle.bundle import Bundle
from dsvl2_runtime.bundle.manifest import MANIFEST
from dsvl2_runtime.bundle.releases import Variant
from dsvl2_runtime.errors import UsageError
from dsvl2_runtime.graphs.target import CUDA, CUDA_ON_CPU
from dsvl2_runtime.machine.cores import choose_threads
from dsvl2_runtime.machine.files import bytes_in, new_folder, sha256
from dsvl2_runtime.model import VisionLanguageModel

PACKAGES = ("dsvl2_runtime", "dsvl2_export", "dsvl2_quant", "dsvl2_demo", "dsvl2_bench", "dsvl2_kernels")
PROGRAM, CPU_WHEEL = "dsvl2-onnx", "onnxruntime"
NOT_PACKED = {"numpy", "pillow", "huggingface-hub", "pypdfium2", PROGRAM, CPU_WHEEL}
"""What a machine with PyTorch has, what is imported for other models or for PDF files, and what is packed otherwise."""
GPU_WHEEL = "onnxruntime-gpu==1.31.1"
"""The release that `make test-cuda` runs with. Those for a GPU come later than those for the CPU, so theirs is not the
version that is installed here."""
SCALE, LAYERS = 0.12, 6
"""Of the small bundles; the widths are multiples of 64, as the GPU's kernels want them."""
PRECISION = "int4"
OTHER_FORMS = {"float16": EXACT_ON_GPU, "bfloat16": IN_BFLOAT16}
"""Everything in one type; the names are those of `plan.FORMS`."""
OTHER_FORMS_OF = Variant.TINY.value
"""The variant of which there are graphs in other forms as well, beside those of Small at full size."""

SCRIPT = """#!/usr/bin/env bash
# check.sh OUT [options of dsvl2_bench.gpu_check.check]: writes OUT/check.json and OUT/table.txt in under eight minutes.
# PyTorch is not needed, but its packages are where CUDA's libraries are looked for; LLAMA_BENCH and GGUF name a peer.
# PYTHON names another interpreter than python3.
set -euo pipefail
if [ $# -lt 1 ]; then
    echo "usage: bash check.sh OUT [--stages NAME,NAME] [--seconds N]" >&2
    exit 2
fi
here=$(cd "$(dirname "$0")" && pwd)
out=$1
shift
python=${PYTHON:-python3}
if [ -e "$here/python.txt" ]; then
    wanted=$(cat "$here/python.txt")
    found=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    if [ "$found" != "$wanted" ]; then
        echo "the packages are for Python $wanted, and $python is $found; name another with PYTHON=, or pack again" \
            "with: make gpu-check GPU_PYTHON=$found" >&2
        exit 1
    fi
fi
export PYTHONPATH=$here/code:${SITE:-$here/site}${PYTHONPATH:+:$PYTHONPATH}
export ORT_DISABLE_TELEMETRY=1 PYTHONDONTWRITEBYTECODE=1
exec "$python" -m dsvl2_bench.gpu_check.check "$here" "$out" "$@"
"""


def make_folder(
    out: Path,
    *,
    on_gpu: bool,
    python: str,
    wheels: bool,
    full: bool,
    variants: Sequence[str],
    questions: int = QUESTIONS,
    generation: int | None = None,
    answers: Path | None = None,
) -> None:
    """Pack.

    Args:
        out: the new folder.
        on_gpu: False for the same graphs in float32, to try out the check on the CPU.
        python: version of the Python there.
        wheels: pack packages as well.
        full: pack the graphs of Small at full size.
        variants: of which small bundles are made.
        questions: to the demonstration model, whose answers are packed.
        generation: of the only cards to be checked, such as 90; by default all that ONNX Runtime supports.
        answers: the folder of that name that was packed before, with the same demonstration model, which takes minutes
            less; by default they are made.

    Raises:
        UsageError: it is there already, or the answers are those of another model.
    """
    if out.exists():
        raise UsageError(f"{out} is there already, perhaps of older code; give another folder or remove it")
    if answers is not None and model_of(answers) != sha256(BUNDLE / MANIFEST):
        raise UsageError(f"{answers} has answers of another demonstration model; leave out --answers to make them anew")
    with new_folder(out) as whole:
        copy_code(whole / "code", PACKAGES)
        form = ON_GPU if on_gpu else ON_CPU  # as a release has it, however small these are
        for variant in variants:
            source_of_weights = RandomWeights(synthetic_config(variant, SCALE, layers=LAYERS), seed=9)
            export_weights(source_of_weights, whole / variant, PRECISION)
            add_cuda_graphs(whole / variant, form)
            if on_gpu and variant == OTHER_FORMS_OF:
                _write_other_forms(whole / variant)
            keep_cuda_graphs(whole / variant)
            with tempfile.TemporaryDirectory() as folder:
                write_reference(Path(folder) / "fp32", source_of_weights, PRECISION, whole / f"{variant}.npz")
        shutil.copytree(BUNDLE, whole / "demo")
        if answers is None:
            write_answers(whole / "demo", whole / "answers", sha256(BUNDLE / MANIFEST), questions)
        else:
            shutil.copytree(answers, whole / "answers")
        add_cuda_graphs(whole / "demo", None if on_gpu else ON_CPU)
        keep_cuda_graphs(whole / "demo")
        if full:
            with tempfile.TemporaryDirectory() as folder:
                two = Path(folder) / "two"
                export_weights(RandomWeights(synthetic_config("small", layers=2)), two, PRECISION, for_cuda=True)
                for name, form in {"": ON_GPU, **OTHER_FORMS}.items():
                    write_sized_graphs(two, form_folder(whole / "full", name), synthetic_config("small"), form)
        if wheels:
            with tempfile.TemporaryDirectory() as folder:
                wheels_folder = Path(folder)
                fetch_wheels(wheels_folder, python, needed_packages(), [GPU_WHEEL])
                for wheel in sorted(wheels_folder.glob("*.whl")):
                    with zipfile.ZipFile(wheel) as archive:
                        archive.extractall(whole / "site")
            drop_not_needed(whole / "site" / CPU_WHEEL)
            if generation is not None:
                keep_code_for(whole / "site" / CPU_WHEEL / CUDA_PROVIDER, generation)
            (whole / "python.txt").write_text(python, "utf-8")
        packed_from = {"code": _code_version(), "python": python, "generation": generation, "wheel": GPU_WHEEL}
        (whole / PACKED_FROM).write_text(json.dumps(packed_from), "utf-8")
        write_script(whole / "check.sh", SCRIPT)


def _code_version() -> str:
    """Of this checkout, with a mark where it differs from what was committed."""
    try:
        found = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=12"],  # noqa: S607 - where there is one
            cwd=Path(__file__).parent, capture_output=True, encoding="utf-8", check=True,
        )  # fmt: skip
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return found.stdout.strip()


def _write_other_forms(bundle: Path) -> None:
    """Copies of a small bundle whose graphs compute in one type alone, to find out which type is at fault."""
    for name, form in OTHER_FORMS.items():
        other = form_folder(bundle, name)
        shutil.copytree(bundle, other)
        add_cuda_graphs(other, form)
        keep_cuda_graphs(other)


def keep_cuda_graphs(folder: Path) -> None:
    """Take the graphs for the CPU out of a bundle; nothing on the other machine reads them."""
    path = folder / MANIFEST
    document = json.loads(path.read_text("utf-8"))
    document["graphs"] = [graph for graph in document["graphs"] if graph["target"] == CUDA.name]
    kept = {*FILES.values(), DECODER_DATA, IMAGE_DATA}
    dropped = {name for file in document["files"] if (name := file["path"]).endswith((".onnx", ".data"))} - kept
    document["files"] = [file for file in document["files"] if file["path"] not in dropped]
    for name in dropped:
        (folder / name).unlink()
    path.write_text(json.dumps(document), "utf-8")


def write_answers(demo: Path, out: Path, model: str, questions: int) -> None:
    """The pages of held-out questions, and the demonstration model's answers on the CPU.

    Args:
        demo: its bundle; it is left with graphs in float32.
        out: the new folder of `packed_cases.write_cases`.
        model: as there.
        questions: how many.
    """
    add_cuda_graphs(demo, ON_CPU)
    exact = VisionLanguageModel(Bundle.open(demo), choose_threads(None).count, target=CUDA_ON_CPU)
    quick = load_model(demo, provider="cpu")

    def answered(case: Case) -> PackedCase:
        models = {"float32": exact, "int8": quick}
        return PackedCase(
            case, {name: bundle_answerer(model, look_again=False)(case) for name, model in models.items()}
        )

    write_cases(out, model, (answered(case) for case in held_out_cases(questions, SEED)))


def needed_packages() -> list[str]:
    """Names of the installed packages that the runtime needs, with those that they need themselves."""
    found: set[str] = set()
    waiting = [PROGRAM, CPU_WHEEL]
    while waiting:
        name = waiting.pop()
        try:
            wanted = requires(name) or []
        except PackageNotFoundError:
            continue
        found.add(name)
        names = {re.split(r"[^A-Za-z0-9._-]", line)[0] for line in wanted if "extra ==" not in line}
        waiting += sorted({each.lower().replace("_", "-") for each in names} - found - NOT_PACKED)
    return sorted(found - NOT_PACKED)


def main(arguments: Sequence[str] | None = None) -> None:
    """Make the folder."""
    parser = argparse.ArgumentParser(prog="python -m dsvl2_bench.gpu_check.folder", description="Pack for a GPU.")
    parser.add_argument("--out", type=Path, required=True, help="the new folder")
    parser.add_argument("--python", default="3.12", help="version of the Python on the machine with the GPU")
    parser.add_argument("--for-cpu", action="store_true", help="pack what only tries out the check, on the CPU")
    parser.add_argument("--no-wheels", action="store_true", help="the machine has all packages")
    parser.add_argument("--questions", type=int, default=QUESTIONS, help="to the demonstration model")
    parser.add_argument("--no-full", action="store_true", help="leave out the graphs of Small at full size")
    parser.add_argument("--answers", type=Path, help="the folder `answers` of an earlier one; by default they are made")
    parser.add_argument("--generation", type=int, help="of the cards to be checked, such as 90: smaller; default all")
    parser.add_argument("--pieces", type=int, metavar="MB", help="write OUT.pieces as well, of so many MB at most")
    options = parser.parse_args(arguments)
    try:
        _make(options)
    except UsageError as error:
        sys.exit(str(error))


def _make(options: argparse.Namespace) -> None:
    make_folder(
        options.out,
        on_gpu=not options.for_cpu,
        python=options.python,
        wheels=not options.no_wheels and not options.for_cpu,
        full=not options.no_full and not options.for_cpu,
        variants=tuple(Variant),
        questions=options.questions,
        generation=options.generation,
        answers=options.answers,
    )
    size = bytes_in(options.out)
    print(f"{options.out}: {size / 1e6:.1f} MB; on the machine with the GPU: bash {options.out.name}/check.sh OUT")
    if options.pieces:
        pieces = options.out.with_name(options.out.name + ".pieces")
        count, packed = write_pieces(options.out, pieces, options.pieces * 1_000_000)
        print(f"{pieces}: {count} pieces, {packed / 1e6:.1f} MB; among them there: {UNPACK}")


if __name__ == "__main__":
    main()
