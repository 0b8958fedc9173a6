"""The verb `doctor`: what the machine has, what a bundle needs and whether it fits, and what is stored where."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from rich.table import Table
from rich.text import Text

from dsvl2_runtime import __version__
from dsvl2_runtime.bundle.bundle import Bundle
from dsvl2_runtime.bundle.model_names import find_model
from dsvl2_runtime.cli.console import print_table
from dsvl2_runtime.cli.doctor_gpu import add_gpu_rows, gpu_report
from dsvl2_runtime.errors import Dsvl2Error
from dsvl2_runtime.graphs.memory_plan import MemoryPlan, plan_memory
from dsvl2_runtime.graphs.own_graph import has_older_decoder
from dsvl2_runtime.machine.cores import choose_threads
from dsvl2_runtime.machine.files import bytes_in, cache_folder
from dsvl2_runtime.machine.machine import Machine, describe_machine, gigabytes

FAST_FEATURES = ("avx512_vnni", "avx_vnni", "asimddp", "i8mm")
"""Any of these multiplies 8-bit numbers in one step."""


def examine(model: str | None, threads: int | None, as_json: bool) -> None:
    """Print what was found.

    Raises:
        ModelNotFoundError, ModelCorruptError, ResourceError: the bundle cannot be opened; about the machine everything
            is printed before.
    """
    bundle, error = None, None
    try:
        bundle = Bundle.open(find_model(model)) if model is not None else None
    except Dsvl2Error as found:
        error = found
    machine = describe_machine(bundle.folder if bundle is not None else None)
    plan = plan_memory(bundle, choose_threads(threads).count) if bundle is not None else None
    if as_json:
        kept = {"folder": str(cache_folder()), "bytes": bytes_in(cache_folder())}
        document: dict[str, Any] = {"version": __version__, "machine": asdict(machine), "cache": kept, "sent": []}
        document["gpu"] = gpu_report(bundle)
        if bundle is not None and plan is not None:
            needs = {**asdict(plan), "total": plan.total}
            document["model"] = {"name": bundle.manifest.name, "precision": bundle.manifest.precision, "needs": needs}
            document["fits"] = plan.total <= machine.available_bytes
        print(json.dumps(document))
    else:
        print_table(_table(machine, bundle, plan, gpu_report(bundle)))
    if error is not None:
        raise error


def _table(machine: Machine, bundle: Bundle | None, plan: MemoryPlan | None, gpu: dict[str, Any]) -> Table:
    table = Table(title=f"dsvl2-onnx {__version__}", show_header=False)
    table.add_row("system", machine.system)
    table.add_row("processor", machine.processor)
    cores = f"{machine.physical_cores} physical, {machine.logical_cores} logical"
    table.add_row("cores", f"{cores}; this process may use {machine.usable_cores}")
    table.add_row("8-bit products", _speed(machine))
    table.add_row("own kernels", _kernels(machine))
    table.add_row("memory", f"{gigabytes(machine.available_bytes)} available of {gigabytes(machine.memory_bytes)}")
    table.add_row("disk", f"{gigabytes(machine.free_disk_bytes)} free")
    table.add_row("ONNX Runtime", f"{machine.onnxruntime}: {', '.join(machine.providers)}")
    table.add_section()
    add_gpu_rows(table, gpu)
    table.add_section()
    table.add_row("kept files", f"{cache_folder()}: {gigabytes(bytes_in(cache_folder()))}, from `optimize` and `bench`")
    table.add_row("sent", "nothing, to nobody (docs/privacy.md)")
    if bundle is None or plan is None:
        return table
    table.add_section()
    table.add_row("model", f"{bundle.manifest.name}, {bundle.manifest.variant}, {bundle.manifest.precision}")
    for name in ("weights", "cache", "scratch", "images", "program"):
        table.add_row(name, gigabytes(getattr(plan, name)))
    if has_older_decoder(bundle):
        advice = f"`dsvl2-onnx upgrade {bundle.folder}` writes it for the present kernels"
        table.add_row("graph", f"the decoder's is of an earlier version and slower: {advice}")
    fits = plan.total <= machine.available_bytes
    verdict = ("it fits", "green") if fits else ("it does not fit", "red")
    if plan.mapped:
        table.add_row("mapped", f"{gigabytes(plan.mapped)} of weights, in memory as far as there is room")
    table.add_row("second look", f"{gigabytes(plan.second_look)} more, where there is room; otherwise it looks once")
    table.add_row("in all", Text.assemble(f"{gigabytes(plan.total)}: ", verdict))
    return table


def _kernels(machine: Machine) -> str:
    if machine.kernels is None:
        return f"none, prompts take two to three times as long: {machine.kernels_note}"
    return f"{machine.kernels} ({machine.kernels_note})"


def _speed(machine: Machine) -> str:
    if machine.features is None:
        return "not known on this system"
    if any(name in machine.features for name in FAST_FEATURES):
        return f"fast ({', '.join(machine.features)})"
    if "avx2" in machine.features:
        return f"without VNNI, slower ({', '.join(machine.features)})"
    return "neither AVX2 nor NEON dot products: very slow"
