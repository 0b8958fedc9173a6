"""What `doctor` says about the GPU: whether there is one, what is missing, and whether a bundle fits."""

from __future__ import annotations

from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from rich.table import Table

from dsvl2_runtime.bundle.bundle import Bundle
from dsvl2_runtime.graphs.gpu_choice import gpu_obstacle
from dsvl2_runtime.graphs.gpu_memory import plan_gpu_memory
from dsvl2_runtime.graphs.target import CUDA
from dsvl2_runtime.machine.cuda_libraries import load_cuda_libraries, missing_libraries
from dsvl2_runtime.machine.gpu import Gpu, GpuError, find_gpu
from dsvl2_runtime.machine.machine import gigabytes

WHEELS = ("onnxruntime", "onnxruntime-gpu")


def installed_wheels() -> dict[str, str]:
    """Versions of the packages that bring ONNX Runtime; with both, one has overwritten files of the other."""
    found = {}
    for name in WHEELS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def gpu_report(bundle: Bundle | None) -> dict[str, Any]:
    """Everything as data: `card` is None where there is none, and `obstacle` where the GPU can be used."""
    try:
        found: Gpu | GpuError = find_gpu()
    except GpuError as error:
        found = error
    libraries = load_cuda_libraries()
    obstacle = gpu_obstacle(bundle, found=found)
    report: dict[str, Any] = {
        "wheels": installed_wheels(),
        "card": None if isinstance(found, GpuError) else asdict(found),
        "card_error": str(found) if isinstance(found, GpuError) else "",
        "libraries": {library.file: library.found or None for library in libraries},
        "missing_libraries": [library.file for library in missing_libraries(libraries)],
        "obstacle": None
        if obstacle is None
        else {"kind": obstacle.kind, "text": obstacle.found, "advice": obstacle.advice},
    }
    if bundle is not None and any(graph.target == CUDA.name for graph in bundle.manifest.graphs):
        plan = plan_gpu_memory(bundle)
        report["needs"] = {**asdict(plan), "total": plan.total}
    return report


def add_gpu_rows(table: Table, report: dict[str, Any]) -> None:
    """The same for people."""
    card = report["card"]
    if card is None:
        table.add_row("GPU", report["card_error"])
    else:
        capability, driver = (".".join(map(str, card[key])) for key in ("compute_capability", "driver_cuda"))
        memory = f"{gigabytes(card['free_bytes'])} free of {gigabytes(card['memory_bytes'])}"
        table.add_row("GPU", f"{card['name']}, compute capability {capability}, {memory}, driver for CUDA {driver}")
    missing = report["missing_libraries"]
    table.add_row("CUDA, cuDNN", f"not found: {', '.join(missing)}" if missing else "all libraries are there")
    if len(report["wheels"]) > 1:
        both = " and ".join(f"{name} {number}" for name, number in report["wheels"].items())
        table.add_row("packages", f"{both} overwrite each other; uninstall both, then install one")
    if "needs" in report:
        table.add_row("needs there", gigabytes(report["needs"]["total"]))
    obstacle = report["obstacle"]
    runs = "the GPU" if obstacle is None else f"the CPU: {obstacle['text']}; {obstacle['advice']}"
    table.add_row("auto runs on", runs)
