"""The verb `bench` of `dsvl2-onnx`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from dsvl2_bench.turns import Figures, figures_of, in_turns
from dsvl2_runtime.bundle.model_names import find_model
from dsvl2_runtime.bundle.releases import Precision, Variant
from dsvl2_runtime.cli.console import ReportFormat, print_table
from dsvl2_runtime.cli.run_options import AskedProvider
from dsvl2_runtime.cli.streams import print_json, print_message
from dsvl2_runtime.errors import MissingExtraError, UsageError
from dsvl2_runtime.machine.machine import describe_machine
from dsvl2_runtime.machine.provider import Provider

VISION_PEERS = ("torch", "openvino")
"""Packages that run vision tower and projector, each with a module in `peers`."""


def bench(
    model: Annotated[str | None, typer.Option("--model", "-m", help="A bundle, or a name.", show_default=False)] = None,
    synthetic: Annotated[
        Variant | None, typer.Option(help="Measure a release with random weights instead.", show_default=False)
    ] = None,
    precision: Annotated[Precision, typer.Option(help="Precision of the synthetic bundle.")] = Precision.INT4,
    layers: Annotated[int | None, typer.Option(help="Fewer layers, for a quick look.", min=2)] = None,
    threads: Annotated[int | None, typer.Option(help="By default one for each core that may be used.", min=1)] = None,
    provider: AskedProvider = Provider.AUTO,
    repeats: Annotated[int, typer.Option(help="Runs of every figure; the median counts.", min=1)] = 3,
    peers: Annotated[
        str | None,
        typer.Option(help="Measure others in turns with it: llamacpp,ik_llama,torch,openvino.", show_default=False),
    ] = None,
    llama_bench: Annotated[
        Path | None, typer.Option(help="llama-bench of ik_llama.cpp, for the peer ik_llama.", show_default=False)
    ] = None,
    keep: Annotated[
        Path | None,
        typer.Option(
            help="Where models with random weights are kept for later measurements; by default a cache folder.",
            show_default=False,
        ),
    ] = None,
    report_format: Annotated[ReportFormat, typer.Option("--format", help="json is one object.")] = ReportFormat.TABLE,
) -> None:
    """Measure the speed and the memory of a model on this machine.

    Figures are for loading, vision, prefill, decode and the time to the first token.
    """
    from dsvl2_bench.synthetic_models import synthetic_bundle
    from dsvl2_runtime.bundle.bundle import Bundle
    from dsvl2_runtime.graphs.gpu_choice import chosen_obstacle
    from dsvl2_runtime.machine.cores import choose_threads
    from dsvl2_runtime.machine.provider import asked_provider

    if (model is None) == (synthetic is None):
        raise UsageError(f"give either --model BUNDLE or --synthetic {'|'.join(Variant)}")
    if peers and (synthetic is None or layers):
        raise UsageError("--peers needs --synthetic without --layers: the others are measured on a release's sizes")
    threads = choose_threads(threads).count
    others = peer_programs(peers.split(",") if peers else [], str(synthetic), threads, llama_bench, keep)
    folder = find_model(model) if model else synthetic_bundle(str(synthetic), precision.value, layers, keep)
    # A damaged bundle, and a GPU that cannot be used, are reported here, not by the process that measures.
    chosen_obstacle(Bundle.open(folder), asked_provider(provider))
    # Alone, one process repeats its figures; with others, whole processes take turns.
    within, rounds = (1, repeats) if others else (repeats, 1)
    ours = (
        "dsvl2_bench.phases",
        str(folder),
        "--threads",
        str(threads),
        "--repeats",
        str(within),
        "--provider",
        provider,
    )
    programs: dict[str, Callable[[], Figures]] = {"ours": lambda: figures_of(*ours), **others}
    found = in_turns(programs, rounds, lambda name: print_message(f"measuring {name} ..."))
    report = found.pop("ours") | {"machine": {**asdict(describe_machine()), "threads": threads}}
    if found:
        report["peers"] = found
    if report_format is ReportFormat.JSON:
        print_json(report)
    else:
        print_table(figure_table(folder.name, report))


def peer_programs(
    names: list[str], variant: str, threads: int, llama_bench: Path | None = None, keep: Path | None = None
) -> dict[str, Callable[[], Figures]]:
    """The programs that measure each peer on a release's sizes.

    Raises:
        UsageError: a name is not one of them, the peer cannot run this release, or its program is not there.
        MissingExtraError: the peer is not installed.
    """
    programs: dict[str, Callable[[], Figures]] = {}
    for name in names:
        if name in VISION_PEERS:
            if find_spec(name) is None:
                raise MissingExtraError(name, "peers")
            arguments = (f"dsvl2_bench.peers.{name}_vision", variant, "--threads", str(threads))
            programs[name] = lambda arguments=arguments: figures_of(*arguments)  # type: ignore[misc]
        elif name == "llamacpp" and variant == "small":
            if find_spec("llama_cpp") is None:
                raise MissingExtraError("llama_cpp", "peers")
            from dsvl2_bench.synthetic_models import synthetic_gguf

            for kind in ("Q4_0", "Q4_K"):
                arguments = ("dsvl2_bench.peers.llama_cpp", str(synthetic_gguf(kind, keep)), "--threads", str(threads))
                programs[f"llamacpp-{kind}"] = lambda arguments=arguments: figures_of(*arguments)  # type: ignore[misc]
        elif name == "ik_llama" and variant == "small":
            if llama_bench is None or not llama_bench.is_file():
                raise UsageError("the peer ik_llama needs --llama-bench with the path of that program of ik_llama.cpp")
            from dsvl2_bench.synthetic_models import synthetic_gguf

            file, program = str(synthetic_gguf("Q4_0", keep)), str(llama_bench.resolve())
            line = ("dsvl2_bench.peers.ik_llama", file, "--program", program, "--threads", str(threads))
            programs["ik_llama-Q4_0"] = lambda line=line: figures_of(*line)  # type: ignore[misc]
        else:
            raise UsageError(
                f"there is no peer {name!r} for {variant}; there are {' and '.join(VISION_PEERS)} for "
                "vision and, for small, llamacpp and ik_llama"
            )
    return programs


def figure_table(name: str, report: dict[str, Any]) -> Table:
    """All figures with their units."""
    table = Table(title=f"{name}, {report['machine']['threads']} threads")
    table.add_column("figure")
    table.add_column("value", justify="right")
    table.add_row("runs on", report["provider"])
    table.add_row("decoder's kernels", report["kernels"] or "ONNX Runtime's")
    table.add_row("load, first", f"{report['load_s']:.2f} s")
    table.add_row("load, again", f"{report['warm_load_s']:.2f} s")
    table.add_row("vision per tile", f"{report['vision_s_per_tile']:.3f} s")
    if (first := report["first_token"]) is not None:
        row = f"first token, {first['tiles']} tiles, {first['prompt_tokens']} tokens"
        table.add_row(row, f"{first['seconds']:.2f} s")
    for tokens, rate in report["prefill_tok_s"].items():
        table.add_row(f"prefill of {tokens} tokens", f"{rate:.1f} tokens/s")
    for rows, rate in report["decode_tok_s"].items():
        table.add_row(f"decode after {rows} tokens", f"{rate:.1f} tokens/s")
    table.add_row("memory, copied", f"{report['copy_gb_s']:.1f} GB/s")
    table.add_row("memory, read", f"{report['read_gb_s']:.1f} GB/s")
    for key, label in (("peak_rss_gb", "memory, peak"), ("anon_rss_gb", "memory, not of files")):
        if report[key] is not None:
            table.add_row(label, f"{report[key]:.2f} GB")
    for peer, figures in report.get("peers", {}).items():
        table.add_section()
        for figure, ratio in ratios(report, figures).items():
            table.add_row(f"{peer}: {figure}", f"ours is {ratio:.2f} times as fast")
    return table


def ratios(ours: Figures, theirs: Figures) -> dict[str, float]:
    """How many times as fast as theirs ours is, for every speed that both have."""
    found = {}
    if "vision_s_per_tile" in theirs:
        found["vision"] = theirs["vision_s_per_tile"] / ours["vision_s_per_tile"]
    for group, label in (("prefill_tok_s", "prefill of {} tokens"), ("decode_tok_s", "decode after {} tokens")):
        for key, rate in theirs.get(group, {}).items():
            if key in ours[group]:
                found[label.format(key)] = ours[group][key] / rate
    return found
