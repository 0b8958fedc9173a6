"""Whether a bundle can run on the GPU of this machine, and what is in the way where it cannot."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from dsvl2_runtime.bundle.bundle import Bundle
from dsvl2_runtime.errors import Dsvl2Error, ProviderError, ResourceError
from dsvl2_runtime.graphs import graph_io
from dsvl2_runtime.graphs.gpu_memory import plan_gpu_memory
from dsvl2_runtime.graphs.target import CUDA, has_provider
from dsvl2_runtime.machine.cuda_libraries import load_cuda_libraries, missing_libraries
from dsvl2_runtime.machine.gpu import OLDEST_CAPABILITY, GpuError, find_gpu
from dsvl2_runtime.machine.machine import GIGABYTE
from dsvl2_runtime.notices import Notice

INSTALL = "install it in an environment of its own with: pip install 'dsvl2-onnx[cuda]'"

ObstacleKind = Literal["wheel", "graphs", "driver", "gpu", "libraries", "memory", "load"]


@dataclass(frozen=True, slots=True)
class Obstacle:
    """One reason why the GPU is not used."""

    kind: ObstacleKind
    found: str
    advice: str

    @property
    def notice(self) -> Notice | None:
        """What a user should be told who did not ask for the GPU: nothing, unless CUDA was installed on purpose."""
        if self.kind == "wheel":
            return None
        return Notice("provider.fallback", {"obstacle": self.found, "advice": self.advice})

    def error(self) -> Dsvl2Error:
        """The same for a user who asked for the GPU."""
        if self.kind == "memory":
            return ResourceError(f"{self.found}; {self.advice}")
        return ProviderError(self.found, self.advice)


def gpu_obstacle(bundle: Bundle | None, *, force: bool = False) -> Obstacle | None:
    """The first obstacle, the cheapest ones asked first; None where the bundle can be loaded on the GPU.

    With the ONNX Runtime for the CPU nothing but its list of providers is looked at.

    Args:
        bundle: to run; None to ask about the machine alone.
        force: do not compare the memory.
    """
    checks: list[Callable[[], Obstacle | None]] = [_wheel, lambda: _graphs(bundle), _driver, _libraries]
    if not force:
        checks.append(lambda: _memory(bundle))
    return next((obstacle for check in checks if (obstacle := check()) is not None), None)


def load_obstacle(error: Dsvl2Error) -> Obstacle:
    """What a failure to load becomes, where the CPU takes over."""
    return Obstacle("load", f"loading it there failed ({error})", "see `dsvl2-onnx doctor`")


def _wheel() -> Obstacle | None:
    if has_provider(CUDA):
        return None
    return Obstacle("wheel", "the installed ONNX Runtime is the one for the CPU alone", INSTALL)


def _graphs(bundle: Bundle | None) -> Obstacle | None:
    if bundle is None:
        return None
    there = {graph.name for graph in bundle.manifest.graphs if graph.target == CUDA.name}
    if there.issuperset(graph_io.CUDA_GRAPHS):
        return None
    return Obstacle(
        "graphs", "the bundle has no graphs for it", f"add them with: dsvl2-onnx upgrade {bundle.folder} --target cuda"
    )


def _driver() -> Obstacle | None:
    try:
        gpu = find_gpu()
    except GpuError as error:
        return Obstacle("driver", str(error), "install NVIDIA's driver, see docs/cuda.md")
    if gpu.compute_capability < OLDEST_CAPABILITY:
        found = "{}.{}".format(*gpu.compute_capability)
        wanted = "{}.{}".format(*OLDEST_CAPABILITY)
        return Obstacle("gpu", f"{gpu.name} has compute capability {found}", f"{wanted} or newer is needed")
    return None


def _libraries() -> Obstacle | None:
    missing = missing_libraries(load_cuda_libraries())
    if not missing:
        return None
    names, first = ", ".join(library.file for library in missing), missing[0]
    return Obstacle("libraries", f"{names} cannot be loaded ({first.error})", INSTALL)


def _memory(bundle: Bundle | None) -> Obstacle | None:
    if bundle is None:
        return None
    plan, gpu = plan_gpu_memory(bundle), find_gpu()
    if plan.total <= gpu.free_bytes:
        return None
    found = (
        f"{bundle.folder} needs about {plan.total / GIGABYTE:.1f} GB of GPU memory (weights "
        f"{plan.weights / GIGABYTE:.1f}, cache {plan.cache / GIGABYTE:.1f}, scratch {plan.scratch / GIGABYTE:.1f}, "
        f"images {plan.images / GIGABYTE:.1f}), but {gpu.free_bytes / GIGABYTE:.1f} GB of {gpu.name} are free"
    )
    return Obstacle("memory", found, "close other programs, use a smaller model or precision, or --force to try anyway")
