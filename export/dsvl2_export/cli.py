"""Verbs of `dsvl2-onnx` that make and change bundles; heavy imports are inside them so that `--help` stays fast."""

from __future__ import annotations

import itertools
import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from dsvl2_runtime.bundle.releases import Precision, Variant
from dsvl2_runtime.cli.console import progress_bars
from dsvl2_runtime.cli.streams import print_message
from dsvl2_runtime.errors import UsageError


def export(
    checkpoint: Annotated[Path, typer.Argument(help="Folder with config.json and *.safetensors.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the new bundle.", show_default=False)],
    precision: Annotated[
        Precision, typer.Option(help="int4 and int8 to use, int4-128 for speed, fp32 to compare.")
    ] = Precision.INT4,
    name: Annotated[str | None, typer.Option(help="Name of the bundle; by default its folder's name.")] = None,
    target: Annotated[str, typer.Option(help="Where it shall run: cpu, or cpu,cuda for a GPU as well.")] = "cpu",
    force: Annotated[bool, typer.Option("--force", help="Replace a bundle that is already there.")] = False,
    plan: Annotated[
        bool, typer.Option("--plan", help="Print as JSON what would be written and what it needs, and write nothing.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print progress on standard output, one JSON object a line.")
    ] = False,
) -> None:
    """Convert a DeepSeek-VL2 checkpoint to a bundle of ONNX graphs."""
    for_cuda = "cuda" in _targets(target, needed="cpu")
    if plan:
        from dsvl2_export.export_plan import plan_export

        print(json.dumps(asdict(plan_export(checkpoint, out, precision.value, for_cuda=for_cuda))), flush=True)
        return

    from dsvl2_export.exporter import export_bundle  # brings Transformers, which a plan does without

    def tell(done: int, total: int) -> None:
        if as_json:
            print(json.dumps({"done": done, "total": total}), flush=True)
        else:
            bars.update("export", done, total)

    with progress_bars(show=not as_json, of_bytes=True) as bars:
        export_bundle(
            checkpoint,
            out,
            precision.value,
            name=name,
            overwrite=force,
            for_cuda=for_cuda,
            on_progress=tell,
        )
    print_message(f"wrote {out}")


def upgrade(
    bundle: Annotated[Path, typer.Argument(help="Folder of a bundle, which is changed.", show_default=False)],
    target: Annotated[str, typer.Option(help="What it gets graphs for: cpu, cuda, or cpu,cuda.")] = "cpu",
    bfloat16: Annotated[
        bool, typer.Option("--bfloat16", help="For a GPU: less exact, for a model too large-valued for float16.")
    ] = False,
) -> None:
    """Give a bundle graphs for own kernels or for a GPU.

    Those that it has stay as they are.
    """
    from dsvl2_export.graphs.cuda.form import IN_BFLOAT16
    from dsvl2_export.upgrade import add_cuda_graphs, upgrade_bundle

    targets = _targets(target)
    if "cuda" in targets:
        with progress_bars() as bars:
            written = itertools.count(1)
            bars.update("graphs", 0, 3)
            form = IN_BFLOAT16 if bfloat16 else None
            add_cuda_graphs(bundle, form, on_graph=lambda: bars.update("graphs", next(written), 3))
        print_message(f"{bundle} has the graphs for a GPU")
    if "cpu" not in targets:
        return
    if upgrade_bundle(bundle):
        print_message(f"{bundle} has the graphs for our own kernels")
    else:
        print_message(f"{bundle} stays as it was: it has nothing that our own kernels are for")


def _targets(text: str, needed: str = "") -> set[str]:
    names = {name.strip() for name in text.split(",")}
    if not names <= {"cpu", "cuda"} or (needed and needed not in names):
        raise UsageError(f"--target {text!r} is none of {'cpu and cpu,cuda' if needed else 'cpu, cuda and cpu,cuda'}")
    return names


def synth(
    variant: Annotated[Variant, typer.Option(help="Which release to imitate.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the new checkpoint.", show_default=False)],
    scale: Annotated[
        float, typer.Option(help="Width of every layer relative to the release.", min=0.01, max=1.0)
    ] = 1.0,
    layers: Annotated[int | None, typer.Option(help="Decoder layers; by default the release's.", min=1)] = None,
    seed: Annotated[int, typer.Option(help="Seed of the random weights.", min=0)] = 0,
) -> None:
    """Write a checkpoint with random weights in the official layout.

    With it the tools can be tried without the official files.
    """
    from dsvl2_export.synth.writer import write_synthetic_checkpoint

    with progress_bars(of_bytes=True) as bars:
        write_synthetic_checkpoint(
            out,
            variant.value,
            scale=scale,
            layers=layers,
            seed=seed,
            on_progress=lambda done, total: bars.update("synth", done, total),
        )
    print_message(f"wrote {out} (random weights)")
