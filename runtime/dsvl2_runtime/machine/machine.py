"""What this machine has: processor, memory, disk, execution providers."""

from __future__ import annotations

import platform
import shutil
from dataclasses import dataclass
from pathlib import Path

import psutil

from dsvl2_kernels.library import KernelsError
from dsvl2_runtime.machine.kernels import find_kernels

RELEVANT_FEATURES = ("avx2", "fma", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_int8", "asimddp", "i8mm")
"""Instruction sets that decide which kernels ONNX Runtime takes."""

GIGABYTE = 1e9

CPU_INFO = Path("/proc/cpuinfo")
CGROUP_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
"""Of a container, in the second and the first version of control groups; what is in use stands beside them."""
CGROUP_USE = ("memory.current", "memory.usage_in_bytes")
RECLAIMABLE = ("active_file", "inactive_file")
"""Fields of `memory.stat`: pages of files, which count as used and are dropped when memory is wanted."""


@dataclass(frozen=True, slots=True)
class Machine:
    """One machine, at one moment."""

    system: str
    processor: str
    features: tuple[str, ...] | None
    """Those of `RELEVANT_FEATURES` it has; None where they cannot be told."""
    physical_cores: int
    logical_cores: int
    memory_bytes: int
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
    """Look around.

    Args:
        disk: a folder on the disk whose free space counts; by default the present one.
    """
    import onnxruntime

    memory = psutil.virtual_memory()
    fields = _cpu_fields()
    kernels, kernels_note = _kernels()
    return Machine(
        system=f"{platform.system()} {platform.release()}",
        processor=fields.get("model name") or platform.processor() or platform.machine(),
        features=_features(fields),
        physical_cores=psutil.cpu_count(logical=False) or 1,
        logical_cores=psutil.cpu_count() or 1,
        memory_bytes=memory.total,
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
    return found.level, f"of {', '.join(found.levels)}"


def bytes_saturate() -> bool:
    """Whether products of unsigned and signed bytes saturate at 16 bits here: x86 with AVX2 and without VNNI.

    False where the features cannot be told: the remedy makes processors with VNNI nearly half as fast.
    """
    features = _features(_cpu_fields()) or ()
    return "avx2" in features and not {"avx512_vnni", "avx_vnni"} & set(features)


def _features(fields: dict[str, str]) -> tuple[str, ...] | None:
    flags = (fields.get("flags") or fields.get("Features") or "").split()
    return tuple(name for name in RELEVANT_FEATURES if name in flags) if flags else None


def available_memory() -> int:
    """Bytes that can be had without swapping; in a container no more than its limit leaves."""
    available: int = psutil.virtual_memory().available
    for path in CGROUP_LIMITS:
        try:
            limit = int(path.read_text("ascii"))
        except (OSError, ValueError):  # no such file, or "max"
            continue
        available = min(available, max(0, limit - _used(path.parent)))
    return available


def _used(cgroup: Path) -> int:
    """Bytes of a container that cannot be taken back: all its processes, without cached files."""
    for name in CGROUP_USE:
        try:
            used = int((cgroup / name).read_text("ascii"))
            fields = dict(line.split() for line in (cgroup / "memory.stat").read_text("ascii").splitlines())
            # In the first version those with `total_` hold the groups below too, as the second's always do.
            return used - sum(int(fields.get(f"total_{field}", fields.get(field, "0"))) for field in RECLAIMABLE)
        except (OSError, ValueError):
            continue
    own: int = psutil.Process().memory_info().rss
    return own


def _cpu_fields() -> dict[str, str]:
    """Fields of the first processor on Linux; nothing elsewhere."""
    try:
        first = CPU_INFO.read_text("utf-8", "replace").split("\n\n")[0]
    except OSError:
        return {}
    pairs = (line.partition(":") for line in first.splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}
