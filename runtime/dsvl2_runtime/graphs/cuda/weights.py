"""Weights of several graphs in a GPU's memory, each of them once.

Each session of ONNX Runtime would put its own copy of the weights there. They are loaded here instead and handed to the
sessions as initializers, which ONNX Runtime accepts where the memory is that of the provider.
"""

from __future__ import annotations

import ctypes
import mmap
import sys
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from dsvl2_runtime.bundle.bundle import Bundle
from dsvl2_runtime.bundle.graph_entry import GraphEntry
from dsvl2_runtime.bundle.graph_tensors import ExternalTensor, read_external_tensors
from dsvl2_runtime.graphs.cuda.memory import ALIGNMENT, DeviceMemory
from dsvl2_runtime.graphs.elements import BY_ONNX
from dsvl2_runtime.machine.files import read_errors
from dsvl2_runtime.progress import Watch

PIECE_BYTES = 64_000_000
"""Copied between two looks at whether a load shall go on."""
DLPACK_CPU, DLPACK_CUDA = 1, 2
"""Of `DLDeviceType`."""
Addresses = dict[tuple[str, int], int]
"""Where each tensor lies on the device, by its file and its offset there."""
Fill = Callable[[Path, Addresses, DeviceMemory, Collection[ExternalTensor], Watch], None]
"""Writes the tensors of a bundle's folder to their addresses; asks the watch whether to go on."""


class SharedWeights:
    """The weights of some graphs of one bundle, on one device; `fill` is `fill_from_files` where none is given."""

    def __init__(
        self,
        bundle: Bundle,
        graphs: Iterable[GraphEntry],
        memory: DeviceMemory,
        watch: Watch,
        *,
        on_gpu: bool,
        fill: Fill | None = None,
    ) -> None:
        sizes = {entry.path: entry.size for entry in bundle.manifest.files}
        self._by_graph = {graph.file: read_external_tensors(bundle.folder / graph.file, sizes) for graph in graphs}
        places = {(each.file, each.offset): each for found in self._by_graph.values() for each in found.values()}
        self.nbytes = sum(tensor.length + -tensor.length % ALIGNMENT for tensor in places.values())
        start = memory.allocate(self.nbytes)
        self._addresses: Addresses = {}
        for place, tensor in places.items():
            self._addresses[place] = start
            start += tensor.length + -tensor.length % ALIGNMENT
        self._device = DLPACK_CUDA if on_gpu else DLPACK_CPU
        self._values: list[Any] = []
        (fill or fill_from_files)(bundle.folder, self._addresses, memory, places.values(), watch)

    def give_to(self, options: onnxruntime.SessionOptions, graph: GraphEntry) -> None:
        """Let a session that is opened with these options use the weights; this object must outlive it."""
        for tensor in self._by_graph[graph.file].values():
            address = self._addresses[tensor.file, tensor.offset]
            value = onnxruntime.OrtValue.from_dlpack(_capsule(address, tensor, self._device))
            self._values.append(value)
            options.add_initializer(tensor.name, value)


def fill_from_files(
    folder: Path, addresses: Addresses, memory: DeviceMemory, tensors: Collection[ExternalTensor], watch: Watch
) -> None:
    """Copy the tensors from the files of a bundle; a `Fill`."""
    for name in {tensor.file: None for tensor in tensors}:
        path = folder / name
        with read_errors(path), path.open("rb") as file:
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            content = np.frombuffer(data, np.uint8)
        for tensor in tensors:
            if tensor.file != name:
                continue
            address = addresses[name, tensor.offset]
            for done in range(0, tensor.length, PIECE_BYTES):
                watch.check()
                piece = content[tensor.offset + done : tensor.offset + min(done + PIECE_BYTES, tensor.length)]
                memory.write(address + done, piece)


class _Tensor(ctypes.Structure):
    """`DLManagedTensor` of dlpack.h, with the sizes of its axes behind it."""

    _fields_ = (
        ("data", ctypes.c_void_p),
        ("device_type", ctypes.c_int32),
        ("device_id", ctypes.c_int32),
        ("ndim", ctypes.c_int32),
        ("code", ctypes.c_uint8),
        ("bits", ctypes.c_uint8),
        ("lanes", ctypes.c_uint16),
        ("shape", ctypes.c_void_p),
        ("strides", ctypes.c_void_p),
        ("byte_offset", ctypes.c_uint64),
        ("manager_ctx", ctypes.c_void_p),
        ("deleter", ctypes.c_void_p),
    )


def _capsule(address: int, tensor: ExternalTensor, device: int) -> Any:
    """A DLPack capsule over memory that somebody else owns.

    The structure lies in memory of C's `malloc` and its deleter is `free`, so that nothing of Python is called when a
    session is given up, which may be after the interpreter's end.
    """
    library = ctypes.cdll.msvcrt if sys.platform == "win32" else ctypes.CDLL(None)
    library.malloc.restype, library.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
    axes = (ctypes.c_int64 * len(tensor.dims))(*tensor.dims)
    place = library.malloc(ctypes.sizeof(_Tensor) + ctypes.sizeof(axes))
    shape = place + ctypes.sizeof(_Tensor)
    ctypes.memmove(shape, axes, ctypes.sizeof(axes))
    code, bits = BY_ONNX[tensor.element].dlpack
    managed = _Tensor.from_address(place)
    managed.data, managed.device_type, managed.device_id = address, device, 0
    managed.ndim, managed.code, managed.bits, managed.lanes = len(tensor.dims), code, bits, 1
    managed.shape, managed.strides, managed.byte_offset, managed.manager_ctx = shape, None, 0, None
    managed.deleter = ctypes.cast(library.free, ctypes.c_void_p).value
    new = ctypes.pythonapi.PyCapsule_New
    new.restype, new.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
    return new(place, b"dltensor", None)
