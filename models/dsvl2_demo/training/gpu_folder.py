"""One folder to train with on a machine that has a GPU and no network: `make gpu-train`.

It holds the code, the weights to begin with, the typefaces cut to the characters that are drawn, and the packages that
such a machine may lack. `train.sh MINUTES OUT` in it trains, and writes weights in pieces and a log to OUT.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Sequence
from pathlib import Path

from dsvl2_demo.packing import copy_code, fetch_wheels, write_script
from dsvl2_demo.pages.fonts import TRAINING_FACES, TRAINING_PACKAGES, installed_faces
from dsvl2_demo.training.layout import CHARACTERS
from dsvl2_runtime.errors import UsageError
from dsvl2_runtime.machine.files import bytes_in, new_folder

PACKAGES = ("dsvl2_runtime", "dsvl2_export", "dsvl2_quant", "dsvl2_demo")
WHEELS = ("pydantic", "pydantic-core", "annotated-types", "typing-inspection", "typing-extensions", "platformdirs")
"""What the code imports beside PyTorch, NumPy, Pillow, tokenizers and safetensors."""
MORE_CHARACTERS = " …“”’«»’—"
LARGEST = 60_000_000
"""Bytes of the whole folder."""

SCRIPT = """#!/usr/bin/env bash
# train.sh MINUTES OUT [options of dsvl2_demo.training.train]: OUT gets weights in pieces and the log.
# It ends after so many minutes, counted from its start; training is fitted into them, measuring and saving included.
# The state is kept in $STATE (demo-run in the home folder). Where it was stopped, the same command does the rest, and
# so does one with other minutes.
set -euo pipefail
began=$(date +%s)
if [ $# -lt 2 ]; then
    echo "usage: bash train.sh MINUTES OUT [options of dsvl2_demo.training.train]" >&2
    exit 2
fi
here=$(cd "$(dirname "$0")" && pwd)
minutes=$1 out=$2
shift 2
site=${SITE:-$HOME/demo-site}
if [ ! -d "$site" ]; then
    rm -rf "$site.partial"
    for wheel in "$here"/wheels/*.whl; do  # a wheel is a zip archive; so no pip is needed
        python3 -m zipfile -e "$wheel" "$site.partial"
    done
    mv "$site.partial" "$site"
fi
export PYTHONPATH=$site:$here/code PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
export PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True
mkdir -p "$HOME/.local/share/fonts" "$out"
cp "$here"/fonts/* "$HOME/.local/share/fonts/"
ulimit -n "$(ulimit -Hn)" || true  # batches come from the workers in shared memory, a descriptor for each tensor
workers=$(($(nproc) > 4 ? $(nproc) - 3 : 1))  # the step itself needs three cores
train() {  # the plan's own minutes do not matter: --finish fits what is left of it into those that are given
    python3 -m dsvl2_demo.training.train --out "${STATE:-$HOME/demo-run}" --pieces "$out" --start "$here/start" \\
        --minutes "$minutes" --began "$began" --finish --sheets 10 --workers "$workers" --gaze-positions 96 \\
        --budget 160000 --repeats 3 --save-minutes 1.5 --measure-minutes 2.5 --measure-examples 16 \\
        --measured-sheets 10 --report-steps 100 "$@"
}
if [ "${RECORDED:-1}" = 1 ] && python3 -c "import sys, torch; sys.exit(not torch.cuda.is_available())"; then
    for way in "--recorded" "--recorded --side-by-side"; do
        train $way "$@" && exit
        status=$?
        if [ $status -ge 128 ] || [ $status = 2 ]; then exit $status; fi
        echo "training with $way failed; going on without" >&2
    done
fi
train "$@"
"""


def copy_faces(out: Path) -> None:
    """The typefaces to train with, cut to what is drawn.

    Raises:
        UsageError: fontTools is missing, or a typeface.
    """
    try:
        from fontTools import subset  # type: ignore[import-not-found, import-untyped, unused-ignore]
    except ImportError as error:
        raise UsageError("fontTools cuts the typefaces and is not installed; run `pip install fonttools`") from error
    faces = installed_faces(TRAINING_FACES)
    if len(faces) < len(TRAINING_FACES):
        raise UsageError(f"{len(faces)} of {len(TRAINING_FACES)} typefaces are installed; install {TRAINING_PACKAGES}")
    out.mkdir(parents=True)
    for face in faces:
        options = subset.Options(hinting=True, layout_features=[], notdef_outline=True, name_IDs=[1, 2])
        font = subset.load_font(str(face.path), options)
        cutter = subset.Subsetter(options)
        cutter.populate(text=CHARACTERS + MORE_CHARACTERS)
        cutter.subset(font)
        subset.save_font(font, str(out / face.path.name), options)


def make_folder(out: Path, start: Path, python: str) -> int:
    """The whole folder; its size in bytes.

    Raises:
        UsageError: it is there already, it became too large, or something to put in is missing.
    """
    if out.exists():
        raise UsageError(f"{out} is there already; give another folder or remove it")
    with new_folder(out) as folder:
        copy_code(folder / "code", PACKAGES)
        shutil.copytree(start, folder / "start")
        copy_faces(folder / "fonts")
        fetch_wheels(folder / "wheels", python, WHEELS)
        write_script(folder / "train.sh", SCRIPT)
        if (size := bytes_in(folder)) > LARGEST:
            raise UsageError(f"{out} has {size / 1e6:.1f} MB, more than the {LARGEST / 1e6:.0f} MB it may have")
    return size


def main(arguments: Sequence[str] | None = None) -> None:
    """Make the folder."""
    parser = argparse.ArgumentParser(prog="python -m dsvl2_demo.training.gpu_folder", description="Pack for a GPU.")
    parser.add_argument("--out", type=Path, required=True, help="the new folder")
    parser.add_argument("--start", type=Path, default=Path(__file__).parent.parent / "checkpoint")
    parser.add_argument("--python", default="3.12", help="version of the Python on the machine with the GPU")
    options = parser.parse_args(arguments)
    print(f"{options.out}: {make_folder(options.out, options.start, options.python) / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
