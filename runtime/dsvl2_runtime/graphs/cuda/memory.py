"""Memory that graphs of the target cuda are bound to, by address.

ONNX Runtime's own values would come from its arena, which doubles in size, and could not be bound in part. So buffers
are taken from CUDA's runtime itself, which ONNX Runtime has loaded already.
"""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from dsvl2_runtime.errors import GenerationError, OutOfMemoryError, ProviderError
from dsvl2_runtime.machine.cuda_libraries import load_cuda_libraries

TO_DEVICE, TO_HOST = 1, 2
"""Of `cudaMemcpyKind`."""
MEMORY_FAILED = 2
"""`cudaErrorMemoryAllocation`."""
ALIGNMENT = 512
"""Bytes; as CUDA aligns what it allocates."""


class DeviceMemory(Protocol):
    """One device's memory; the caller holds the turn with the graphs."""

    def allocate(self, nbytes: int) -> int:
        """The address of new memory, all zeros, that lives as long as this object.

        Raises:
            OutOfMemoryError: there is not so much.
        """

    def write(self, address: int, array: NDArray[Any]) -> None:
        """Copy the bytes of a contiguous array there."""

    def read(self, address: int, nbytes: int) -> NDArray[np.uint8]:
        """Copy bytes from there."""


class HostMemory:
    """The computer's memory, for graphs of this target that run on the CPU."""

    def __init__(self) -> None:
        self._blocks: list[NDArray[np.uint8]] = []

    def allocate(self, nbytes: int) -> int:
        """See `DeviceMemory`."""
        try:
            block = np.zeros(nbytes + ALIGNMENT, np.uint8)
        except MemoryError as error:
            raise OutOfMemoryError from error
        self._blocks.append(block)
        return block.ctypes.data + -block.ctypes.data % ALIGNMENT

    def write(self, address: int, array: NDArray[Any]) -> None:
        """See `DeviceMemory`."""
        ctypes.memmove(address, np.ascontiguousarray(array).ctypes.data, array.nbytes)

    def read(self, address: int, nbytes: int) -> NDArray[np.uint8]:
        """See `DeviceMemory`."""
        found = np.empty(nbytes, np.uint8)
        ctypes.memmove(found.ctypes.data, address, nbytes)
        return found


class CudaMemory:
    """The memory of the first GPU."""

    def __init__(self, runtime: Any = None) -> None:
        self._blocks: list[int] = []
        self._runtime = _cuda_runtime() if runtime is None else runtime

    def allocate(self, nbytes: int) -> int:
        """See `DeviceMemory`."""
        address = ctypes.c_void_p()
        self._call("cudaMalloc", ctypes.byref(address), ctypes.c_size_t(nbytes))
        if not address.value:
            raise OutOfMemoryError
        self._blocks.append(address.value)
        self._call("cudaMemset", address, 0, ctypes.c_size_t(nbytes))
        return address.value

    def write(self, address: int, array: NDArray[Any]) -> None:
        """See `DeviceMemory`."""
        source = np.ascontiguousarray(array)
        self._copy(address, source.ctypes.data, source.nbytes, TO_DEVICE)
        # A copy from memory that is not pinned returns before its last bytes have arrived, and ONNX Runtime works on a
        # stream that does not wait for others.
        self._call("cudaDeviceSynchronize")

    def read(self, address: int, nbytes: int) -> NDArray[np.uint8]:
        """See `DeviceMemory`."""
        found = np.empty(nbytes, np.uint8)
        self._copy(found.ctypes.data, address, nbytes, TO_HOST)
        return found

    def close(self) -> None:
        """Give everything back."""
        while self._blocks:
            self._runtime.cudaFree(ctypes.c_void_p(self._blocks.pop()))

    def __del__(self) -> None:
        self.close()

    def _copy(self, target: int, source: int, nbytes: int, kind: int) -> None:
        self._call("cudaMemcpy", ctypes.c_void_p(target), ctypes.c_void_p(source), ctypes.c_size_t(nbytes), kind)

    def _call(self, name: str, *arguments: Any) -> None:
        code = int(getattr(self._runtime, name)(*arguments))
        if name == "cudaMalloc" and code == MEMORY_FAILED:
            raise OutOfMemoryError
        if code:
            reason = f"{name} gives error {code}{self._reason(code)}"
            raise GenerationError(f"the GPU failed: {reason}; see `dsvl2-onnx doctor`")

    def _reason(self, code: int) -> str:
        """What CUDA says about an error, to stand behind its number."""
        describe = self._runtime.cudaGetErrorString
        describe.restype = ctypes.c_char_p
        said = describe(code)
        return f", {said.decode('ascii', 'replace')}" if isinstance(said, bytes) else ""


@cache
def _cuda_runtime() -> Any:
    for library in load_cuda_libraries():
        if library.name == "cudart" and library.found:
            return ctypes.CDLL(library.found)
    raise ProviderError("CUDA's runtime cannot be loaded", "see `dsvl2-onnx doctor`")
