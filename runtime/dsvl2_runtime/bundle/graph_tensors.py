"""The weights of a graph that lie in files beside it: name, type, sizes and place, read without loading the graph.

A runtime that puts weights into a GPU's memory itself, once for several graphs, has to know where they lie. Everything
is checked, since the file may be hostile.
"""

from __future__ import annotations

import mmap
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from types import MappingProxyType

from dsvl2_runtime.bundle.graph_file import LENGTH, LOCATION, VARINT, GraphReader, walk_graph

DIMS, DATA_TYPE, NAME, EXTERNAL_DATA = 1, 2, 8, 13
"""Fields of `TensorProto`."""
MOST_AXES = 8
ELEMENT_BYTES: Mapping[int, int] = MappingProxyType({1: 4, 2: 1, 3: 1, 7: 8, 10: 2, 16: 2})
"""Of `TensorProto.DataType`: float, uint8, int8, int64, float16, bfloat16."""


@dataclass(frozen=True, slots=True)
class ExternalTensor:
    """One weight in a file beside a graph."""

    name: str
    element: int
    """Of `TensorProto.DataType`."""
    dims: tuple[int, ...]
    file: str
    """Relative to the graph's folder."""
    offset: int
    length: int
    """Bytes."""


def read_external_tensors(path: Path, sizes: Mapping[str, int]) -> dict[str, ExternalTensor]:
    """Find the weights of a graph by their names.

    Args:
        path: the `.onnx` file.
        sizes: bytes of the files beside it.

    Raises:
        ModelCorruptError: it is no graph, or a weight does not lie within its file, or has another size than its axes.
        ResourceError: it cannot be read.
    """
    return walk_graph(path, lambda data: _TensorReader(data, sizes)).tensors


class _TensorReader(GraphReader):
    def __init__(self, data: mmap.mmap, sizes: Mapping[str, int]) -> None:
        super().__init__(data)
        self._sizes = sizes
        self.tensors: dict[str, ExternalTensor] = {}

    def read(self, message: str, at: int, end: int, depth: int) -> None:
        """Walk one message; of a tensor everything that says where it lies."""
        if message != "tensor":
            super().read(message, at, end, depth)
            return
        dims: list[int] = []
        element, name, places = 0, "", dict[bytes, bytes]()
        for number, kind, value, stop in self.fields(at, end):
            if number == DIMS:
                dims += [value] if kind == VARINT else self._packed(value, stop)
            elif number == DATA_TYPE and kind == VARINT:
                element = value
            elif number == NAME and kind == LENGTH:
                name = self.text(value, stop).decode()
            elif number == EXTERNAL_DATA and kind == LENGTH:
                key, text = self.entry(value, stop)
                places[key] = text
        if places:
            self.tensors[name] = self._checked(name, element, tuple(dims), places)

    def _packed(self, at: int, end: int) -> list[int]:
        values = []
        while at < end:
            value, at = self.varint(at)
            values.append(value)
        return values

    def _checked(self, name: str, element: int, dims: tuple[int, ...], places: Mapping[bytes, bytes]) -> ExternalTensor:
        file = places.get(LOCATION, b"").decode()
        offset, length = (int(places.get(key, b"0")) for key in (b"offset", b"length"))
        if element not in ELEMENT_BYTES or len(dims) > MOST_AXES or file not in self._sizes:
            raise ValueError(f"the weight {name!r} has a type, axes or a file that are not known")
        if length != prod(dims) * ELEMENT_BYTES[element] or offset < 0 or offset + length > self._sizes[file]:
            raise ValueError(f"the weight {name!r} does not lie within its file")
        return ExternalTensor(name, element, dims, file, offset, length)
