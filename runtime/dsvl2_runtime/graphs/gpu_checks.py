"""What can be in the way on the GPU itself: its driver, its generation, the libraries, its memory.

Only where ONNX Runtime can use a GPU is this imported, so that a question on the CPU waits for none of it.
"""

from __future__ import annotations

from dsvl2_runtime.bundle.bundle import Bundle
from dsvl2_runtime.graphs.gpu_choice import INSTALL, Obstacle
from dsvl2_runtime.graphs.gpu_memory import plan_gpu_memory
from dsvl2_runtime.machine.cuda_libraries import load_cuda_libraries, missing_libraries
from dsvl2_runtime.machine.gpu import OLDEST_CAPABILITY, OLDEST_DRIVER, Gpu, GpuError, find_gpu
from dsvl2_runtime.machine.machine import GIGABYTE


def card_obstacle(bundle: Bundle | None, found: Gpu | GpuError | None, *, force: bool) -> Obstacle | None:
    """The first obstacle in the order above; the driver is asked once, and not at all where `found` is its answer."""
    if found is None:
        try:
            found = find_gpu()
        except GpuError as error:
            found = error
    if isinstance(found, GpuError):
        return Obstacle("driver", str(found), "install NVIDIA's driver, see docs/cuda.md")
    obstacle = _generation(found) or _driver(found) or _libraries()
    if obstacle is not None or force or bundle is None:
        return obstacle
    return _memory(bundle, found)


def _generation(gpu: Gpu) -> Obstacle | None:
    if gpu.compute_capability >= OLDEST_CAPABILITY:
        return None
    found = "{}.{}".format(*gpu.compute_capability)
    wanted = "{}.{}".format(*OLDEST_CAPABILITY)
    return Obstacle("gpu", f"{gpu.name} has compute capability {found}", f"{wanted} or newer is needed")


def _driver(gpu: Gpu) -> Obstacle | None:
    if gpu.driver_cuda >= OLDEST_DRIVER:
        return None
    found, wanted = ("{}.{}".format(*version) for version in (gpu.driver_cuda, OLDEST_DRIVER))
    return Obstacle("driver", f"the NVIDIA driver runs CUDA {found}, and not CUDA {wanted}", "install a newer driver")


def _libraries() -> Obstacle | None:
    missing = missing_libraries(load_cuda_libraries())
    if not missing:
        return None
    names, first = ", ".join(library.file for library in missing), missing[0]
    return Obstacle("libraries", f"{names} cannot be loaded ({first.error})", INSTALL)


def _memory(bundle: Bundle, gpu: Gpu) -> Obstacle | None:
    plan = plan_gpu_memory(bundle)
    if plan.total <= gpu.free_bytes:
        return None
    found = (
        f"{bundle.folder} needs about {plan.total / GIGABYTE:.1f} GB of GPU memory (weights "
        f"{plan.weights / GIGABYTE:.1f}, cache {plan.cache / GIGABYTE:.1f}, scratch {plan.scratch / GIGABYTE:.1f}, "
        f"images {plan.images / GIGABYTE:.1f}), but {gpu.free_bytes / GIGABYTE:.1f} GB of {gpu.name} are free"
    )
    return Obstacle("memory", found, "close other programs, use a smaller model or precision, or --force to try anyway")
