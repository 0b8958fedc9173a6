"""What this machine has: processor, memory, disk, execution providers."""

from __future__ import annotations

import platform
import shutil
from dataclasses import dataclass
from pathlib import Path

import psutil

from dsvl2_kernels.library import KernelsError
from dsvl2_runtime.machine.control_groups import ROOT, memory_limits
from dsvl2_runtime.machine.cores import usable_cores
from dsvl2_runtime.machine.kernels import STALE, find_kernels

RELEVANT_FEATURES = ("avx2", "fma", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_int8", "asimddp", "i8mm")
"""Instruction sets that decide which kernels ONNX Runtime takes."""

GIGABYTE = 1e9

CPU_INFO = Path("/proc/cpuinfo")


def gigabytes(size: float) -> str:
    """Bytes as they are written for people."""
    return f"{size / GIGABYTE:.2f} GB"


@dataclass(frozen=True, slots=True)
class Processor:
    """What decides which kernels ONNX Runtime takes."""

    name: str
    features: tuple[str, ...] | None
    """Those of `RELEVANT_FEATURES` it has; None where they cannot be told."""


def describe_processor() -> Processor:
    """Describe this machine's processor."""
    fields = _cpu_fields()
    name = fields.get("model name") or platform.processor() or platform.machine()
    return Processor(name, _features(fields))


@dataclass(frozen=True, slots=True)
class Machine:
    """One machine, at one moment."""

    system: str
    processor: str
    features: tuple[str, ...] | None
    """Those of `RELEVANT_FEATURES` it has; None where they cannot be told."""
    physical_cores: int
    logical_cores: int
    usable_cores: int
    """Physical cores that this process may use at a time."""
    memory_bytes: int
    """What there is, or the limit of a container where that is less."""
    available_bytes: int
    """Memory that can be had without swapping, within the limit of a container."""
    free_disk_bytes: int
    onnxruntime: str
    providers: tuple[str, ...]
    kernels: str | None
    """The level of our own operators; None where ONNX Runtime's are used."""
    kernels_note: str
    """The levels that there are, or why there is none."""


def describe_machine(disk: Path | None = None) -> Machine:
    """Describe this machine.

    Args:
        disk: a folder on the disk whose free space counts; by default the present one.
    """
    import onnxruntime

    memory = psutil.virtual_memory()
    processor = describe_processor()
    kernels, kernels_note = _kernels()
    return Machine(
        system=f"{platform.system()} {platform.release()}",
        processor=processor.name,
        features=processor.features,
        physical_cores=psutil.cpu_count(logical=False) or 1,
        logical_cores=psutil.cpu_count() or 1,
        usable_cores=usable_cores(),
        memory_bytes=min([memory.total, *(limit.limit_bytes for limit in memory_limits())]),
        available_bytes=available_memory(),
        free_disk_bytes=shutil.disk_usage(disk or Path()).free,
        onnxruntime=onnxruntime.__version__,
        providers=tuple(onnxruntime.get_available_providers()),
        kernels=kernels,
        kernels_note=kernels_note,
    )


def _kernels() -> tuple[str | None, str]:
    try:
        found = find_kernels()
    except KernelsError as error:
        return None, str(error)
    return found.level, f"of {', '.join(found.levels)}" + (f"; {STALE}" if found.stale else "")


def bytes_saturate() -> bool:
    """Whether products of unsigned and signed bytes saturate at 16 bits here: x86 with AVX2 and without VNNI.

    False where the features cannot be told: the remedy makes processors with VNNI nearly half as fast.
    """
    features = describe_processor().features or ()
    return "avx2" in features and not {"avx512_vnni", "avx_vnni"} & set(features)


def _features(fields: dict[str, str]) -> tuple[str, ...] | None:
    flags = (fields.get("flags") or fields.get("Features") or "").split()
    return tuple(name for name in RELEVANT_FEATURES if name in flags) if flags else None


def available_memory(root: Path = ROOT) -> int:
    """Bytes that can be had without swapping; in containers no more than what the limits of all of them leave.

    Args:
        root: of the file system.
    """
    left = [limit.limit_bytes - limit.used_bytes for limit in memory_limits(root)]
    available: int = min([psutil.virtual_memory().available, *left])
    return max(0, available)


def _cpu_fields() -> dict[str, str]:
    """Fields of the first processor on Linux; nothing elsewhere."""
    try:
        first = CPU_INFO.read_text("utf-8", "replace").split("\n\n")[0]
    except OSError:
        return {}
    pairs = (line.partition(":") for line in first.splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}
