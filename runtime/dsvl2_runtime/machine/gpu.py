"""The first NVIDIA GPU that this process may use, asked of its driver; nothing is imported or installed for that."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

DRIVER = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
"""The driver's own library; no package of pip has it."""

COMPUTE_CAPABILITY_MAJOR, COMPUTE_CAPABILITY_MINOR = 75, 76
"""Of `CUdevice_attribute` in `cuda.h`."""
LONGEST_NAME = 256
NO_DEVICE = 100
"""`CUDA_ERROR_NO_DEVICE`."""
OLDEST_DRIVER = (13, 0)
"""The CUDA that a driver has to run: the one that `onnxruntime-gpu` is built for."""
OLDEST_CAPABILITY = (8, 0)
"""The first generation with bfloat16, which the graphs compute in."""


class GpuError(Exception):
    """There is no GPU to use; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU, at one moment."""

    name: str
    compute_capability: tuple[int, int]
    memory_bytes: int
    free_bytes: int
    """Beside what other programs have taken."""
    driver_cuda: tuple[int, int]
    """The newest CUDA that the driver can run: (major, minor)."""


def find_gpu() -> Gpu:
    """The GPU that CUDA calls the first; `CUDA_VISIBLE_DEVICES` decides which one that is.

    Raises:
        GpuError: there is no driver, or no GPU, or it does not answer.
    """
    return ask_driver(_driver())


@cache
def _driver() -> Any:
    try:
        return ctypes.CDLL(DRIVER)
    except OSError as error:
        raise GpuError(f"there is no NVIDIA driver ({DRIVER} cannot be loaded: {error})") from error


def ask_driver(driver: Any) -> Gpu:
    """What a driver says about its first GPU.

    Args:
        driver: its library, as `ctypes` loads it.

    Raises:
        GpuError: it has no GPU, or one of its functions fails.
    """
    call = _checked(driver)
    call("cuInit", 0)
    version, count, device = ctypes.c_int(), ctypes.c_int(), ctypes.c_int()
    call("cuDriverGetVersion", ctypes.byref(version))
    call("cuDeviceGetCount", ctypes.byref(count))
    if not count.value:
        raise GpuError("the NVIDIA driver finds no GPU (is CUDA_VISIBLE_DEVICES empty?)")
    call("cuDeviceGet", ctypes.byref(device), 0)
    name = ctypes.create_string_buffer(LONGEST_NAME)
    call("cuDeviceGetName", name, LONGEST_NAME, device)
    major, minor, total = ctypes.c_int(), ctypes.c_int(), ctypes.c_size_t()
    call("cuDeviceGetAttribute", ctypes.byref(major), COMPUTE_CAPABILITY_MAJOR, device)
    call("cuDeviceGetAttribute", ctypes.byref(minor), COMPUTE_CAPABILITY_MINOR, device)
    call("cuDeviceTotalMem_v2", ctypes.byref(total), device)
    return Gpu(
        name=name.value.decode("utf-8", "replace"),
        compute_capability=(major.value, minor.value),
        memory_bytes=total.value,
        free_bytes=_free_bytes(call, device),
        driver_cuda=(version.value // 1000, version.value % 1000 // 10),
    )


def _free_bytes(call: Callable[..., None], device: ctypes.c_int) -> int:
    """Free memory can only be asked for within a context; this is the one that ONNX Runtime will share."""
    context, free, total = ctypes.c_void_p(), ctypes.c_size_t(), ctypes.c_size_t()
    call("cuDevicePrimaryCtxRetain", ctypes.byref(context), device)
    try:
        call("cuCtxPushCurrent_v2", context)
        try:
            call("cuMemGetInfo_v2", ctypes.byref(free), ctypes.byref(total))
        finally:
            call("cuCtxPopCurrent_v2", ctypes.byref(ctypes.c_void_p()))
    finally:
        call("cuDevicePrimaryCtxRelease_v2", device)
    return free.value


def _checked(driver: Any) -> Callable[..., None]:
    def call(name: str, *arguments: Any) -> None:
        try:
            code = int(getattr(driver, name)(*arguments))
        except AttributeError:
            raise GpuError(f"the NVIDIA driver is too old: it has no {name}; update it") from None
        if code == NO_DEVICE:
            raise GpuError("the NVIDIA driver finds no GPU (is CUDA_VISIBLE_DEVICES empty?)")
        if code:
            raise GpuError(f"the NVIDIA driver does not answer: {name} gives error {code}")

    return call
