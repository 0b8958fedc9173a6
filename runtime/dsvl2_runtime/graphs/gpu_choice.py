"""Whether a bundle can run on the GPU of this machine, and what is in the way where it cannot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from dsvl2_runtime.bundle.bundle import Bundle
from dsvl2_runtime.errors import Dsvl2Error, ProviderError, ResourceError
from dsvl2_runtime.graphs import graph_io
from dsvl2_runtime.graphs.target import CUDA, has_provider
from dsvl2_runtime.machine.provider import Provider
from dsvl2_runtime.notices import Notice

if TYPE_CHECKING:
    from dsvl2_runtime.machine.gpu import Gpu, GpuError

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


def gpu_obstacle(bundle: Bundle | None, *, force: bool = False, found: Gpu | GpuError | None = None) -> Obstacle | None:
    """The first obstacle, the cheapest ones asked first; None where the bundle can be loaded on the GPU.

    With the ONNX Runtime for the CPU nothing but its list of providers is looked at.

    Args:
        bundle: to run; None to ask about the machine alone.
        force: do not compare the memory.
        found: what `find_gpu` gave, where the caller has asked already.
    """
    obstacle = _wheel() or _graphs(bundle)
    if obstacle is not None:
        return obstacle
    from dsvl2_runtime.graphs.gpu_checks import card_obstacle

    return card_obstacle(bundle, found, force=force)


def chosen_obstacle(bundle: Bundle, wanted: Provider, *, force: bool = False) -> Obstacle | None:
    """Why a bundle goes to the CPU although the GPU was wanted or allowed; None where it goes where it was wanted.

    Raises:
        ProviderError, ResourceError: the GPU was asked for and cannot be used.
    """
    obstacle = None if wanted is Provider.CPU else gpu_obstacle(bundle, force=force)
    if wanted is Provider.CUDA and obstacle is not None:
        raise obstacle.error()
    return obstacle


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
