"""A target that evaluates the graphs for a GPU in NumPy, in their own types, behind the real runtime.

It stands where ONNX Runtime's CUDA provider would: memory, bindings, chunks and steps are those of the runtime.
"""

from __future__ import annotations

import ctypes
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from cuda_operators import TYPES, Graph
from dsvl2_runtime.graphs.session import TYPES as NAMES
from dsvl2_runtime.graphs.target import CUDA_ON_CPU, Target

NAMES_OF_TYPES = {1: NAMES["float32"], 7: "tensor(int64)", 9: "tensor(bool)", 10: NAMES["float16"]}
Place = tuple[int, tuple[int, ...], int]
"""Type, axes and address."""


class Binding:
    """Arrays and addresses that the next run reads and writes."""

    def __init__(self) -> None:
        self.arrays: dict[str, NDArray[Any]] = {}
        self.inputs: dict[str, Place] = {}
        self.outputs: dict[str, Place] = {}

    def bind_cpu_input(self, name: str, array: NDArray[Any]) -> None:
        self.arrays[name] = array

    def bind_input(self, name: str, device: str, number: int, element: int, shape: Any, address: int) -> None:
        self.inputs[name] = element, tuple(shape), address

    def bind_output(self, name: str, device: str, number: int, element: int, shape: Any, address: int) -> None:
        self.outputs[name] = element, tuple(shape), address


class Session:
    """As much of ONNX Runtime's as the runtime uses."""

    def __init__(self, path: Path) -> None:
        self._graph = Graph(path)

    def get_inputs(self) -> list[Any]:
        return [_port(value) for value in self._graph.model.graph.input]

    def get_outputs(self) -> list[Any]:
        return [_port(value) for value in self._graph.model.graph.output]

    def io_binding(self) -> Binding:
        return Binding()

    def run_with_iobinding(self, binding: Binding, options: object = None) -> None:
        feeds = binding.arrays | {name: _array(place) for name, place in binding.inputs.items()}
        values = self._graph.run(feeds)
        for name, place in binding.outputs.items():
            _array(place)[...] = values[name]


def _array(place: Place) -> NDArray[Any]:
    element, shape, address = place
    dtype: np.dtype[Any] = np.dtype(TYPES[element])
    memory: Any = (ctypes.c_uint8 * (math.prod(shape) * dtype.itemsize)).from_address(address)
    return np.ndarray(shape, dtype, memory)


def _port(value: onnx.ValueInfoProto) -> SimpleNamespace:
    tensor = value.type.tensor_type
    axes = [axis.dim_param or axis.dim_value for axis in tensor.shape.dim]
    return SimpleNamespace(name=value.name, shape=axes, type=NAMES_OF_TYPES[tensor.elem_type])


class NumpyTarget(Target):
    """See the module."""

    __slots__ = ()

    def new_session(self, path: Path, options: object, *, capture: bool = False) -> Any:
        return Session(path)


NUMPY = NumpyTarget(CUDA_ON_CPU.name, CUDA_ON_CPU.provider, CUDA_ON_CPU.device)
