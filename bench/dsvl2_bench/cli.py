"""The verb `bench` of `dsvl2-onnx`."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from platformdirs import user_cache_path
from rich.console import Console
from rich.table import Table

from dsvl2_runtime.bundle import MANIFEST
from dsvl2_runtime.console import ReportFormat, progress_bars
from dsvl2_runtime.errors import GenerationError, UsageError
from dsvl2_runtime.machine import describe_machine
from dsvl2_runtime.model_names import find_model
from dsvl2_runtime.session import default_threads


class Variant(StrEnum):
    """The three releases."""

    TINY = "tiny"
    SMALL = "small"
    BASE = "base"


class Precision(StrEnum):
    """Precisions that are worth measuring."""

    INT8 = "int8"
    INT4 = "int4"


def bench(
    model: Annotated[str | None, typer.Option("--model", "-m", help="A bundle, or a name.", show_default=False)] = None,
    synthetic: Annotated[
        Variant | None, typer.Option(help="Measure a release with random weights instead.", show_default=False)
    ] = None,
    precision: Annotated[Precision, typer.Option(help="Of the synthetic bundle.")] = Precision.INT4,
    layers: Annotated[int | None, typer.Option(help="Fewer layers, for a quick look.", min=2)] = None,
    threads: Annotated[int | None, typer.Option(help="By default the physical cores.", min=1)] = None,
    repeats: Annotated[int, typer.Option(help="Of every figure; the median counts.", min=1)] = 3,
    report_format: Annotated[ReportFormat, typer.Option("--format", help="json is one object.")] = ReportFormat.TABLE,
) -> None:
    """Measure load, vision, prefill, decode and memory on this machine."""
    if (model is None) == (synthetic is None):
        raise UsageError("give either --model BUNDLE or --synthetic tiny|small|base")
    folder = find_model(model) if model is not None else synthetic_bundle(str(synthetic), precision.value, layers)
    threads = threads or default_threads()
    report = measured(folder, threads, repeats) | {"machine": {**asdict(describe_machine()), "threads": threads}}
    if report_format is ReportFormat.JSON:
        print(json.dumps(report))
    else:
        Console().print(figure_table(folder.name, report))


def synthetic_bundle(variant: str, precision: str, layers: int | None) -> Path:
    """A bundle with random weights, made once and kept in the cache folder of this program."""
    name = f"{variant}-{precision}" + (f"-{layers}-layers" if layers else "")
    folder: Path = user_cache_path("dsvl2-onnx") / "bench" / name
    if (folder / MANIFEST).is_file():
        return folder
    from dsvl2_bench.random_weights import RandomWeights
    from dsvl2_export.exporter import export_weights
    from dsvl2_export.synth import synthetic_config

    print(f"making {folder}, which is kept for the next time", file=sys.stderr)
    with progress_bars(of_bytes=True) as bars:
        config = synthetic_config(variant, layers=layers)  # type: ignore[arg-type]
        export_weights(
            RandomWeights(config), folder, precision, on_progress=lambda done, total: bars.update("bundle", done, total)
        )
    return folder


def measured(folder: Path, threads: int, repeats: int) -> dict[str, Any]:
    """Figures from a fresh process, whose memory is the model's alone.

    Raises:
        GenerationError: the process failed.
    """
    command = [sys.executable, "-m", "dsvl2_bench.phases", str(folder)]
    command += ["--threads", str(threads), "--repeats", str(repeats)]
    found = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own module
    if found.returncode:
        last = (found.stderr.strip().splitlines() or ["no message"])[-1]
        raise GenerationError(f"measuring {folder} failed: {last}")
    report: dict[str, Any] = json.loads(found.stdout)
    return report


def figure_table(name: str, report: dict[str, Any]) -> Table:
    """All figures with their units."""
    table = Table(title=f"{name}, {report['machine']['threads']} threads")
    table.add_column("figure")
    table.add_column("value", justify="right")
    table.add_row("load, first", f"{report['load_s']:.2f} s")
    table.add_row("load, again", f"{report['warm_load_s']:.2f} s")
    table.add_row("vision per tile", f"{report['vision_s_per_tile']:.3f} s")
    for tokens, rate in report["prefill_tok_s"].items():
        table.add_row(f"prefill of {tokens} tokens", f"{rate:.1f} tokens/s")
    for rows, rate in report["decode_tok_s"].items():
        table.add_row(f"decode behind {rows} tokens", f"{rate:.1f} tokens/s")
    table.add_row("memory, copied", f"{report['copy_gb_s']:.1f} GB/s")
    table.add_row("memory, read", f"{report['read_gb_s']:.1f} GB/s")
    for key, label in (("peak_rss_gb", "memory, peak"), ("anon_rss_gb", "memory, not of files")):
        if report[key] is not None:
            table.add_row(label, f"{report[key]:.2f} GB")
    return table
