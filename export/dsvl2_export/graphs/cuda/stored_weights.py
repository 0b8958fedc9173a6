"""The weights of a bundle's graphs for the CPU, by the names that they have there."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from dsvl2_export.graphs.attributes import attributes_of
from dsvl2_quant.formats.blocks import BlockFormat, BlockWeight, dequantize_blocks
from dsvl2_quant.formats.columns import ColumnWeight, dequantize_columns
from dsvl2_runtime.errors import UsageError

NOT_QUANTIZED = (
    "graphs for the GPU are made of quantised weights, but {path} has none called {name}; export the model with "
    "--precision int4 or int8"
)


class StoredWeights:
    """The initializers of one graph; each is read from the disk when it is asked for."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @cached_property
    def _graph(self) -> Any:
        return onnx.load(str(self._path), load_external_data=False).graph

    @cached_property
    def _tensors(self) -> dict[str, Any]:
        found = {tensor.name: tensor for tensor in self._graph.initializer}
        for node in self._graph.node:  # a tracer leaves some as constants
            if node.op_type == "Constant" and node.attribute and node.attribute[0].HasField("t"):
                found[node.output[0]] = node.attribute[0].t
        return found

    @cached_property
    def _forms(self) -> dict[str, BlockFormat]:
        """The format of each weight in blocks, as the operator that reads it is told."""
        return dict(_block_forms(self._graph))

    @property
    def names(self) -> list[str]:
        """Of all initializers."""
        return list(self._tensors)

    def shape(self, name: str) -> tuple[int, ...]:
        """Of one initializer; nothing is read."""
        return tuple(self._tensor(name).dims)

    def array(self, name: str) -> NDArray[Any]:
        """One initializer as it is stored.

        Raises:
            UsageError: there is none, so that the bundle is not quantised.
        """
        return numpy_helper.to_array(self._tensor(name), str(self._path.parent))

    def _tensor(self, name: str) -> Any:
        if name not in self._tensors:
            raise UsageError(NOT_QUANTIZED.format(path=self._path, name=name))
        return self._tensors[name]

    def blocks(self, name: str, in_features: int) -> BlockWeight:
        """A weight in blocks, as `MatMulNBits` or `GatherBlockQuantized` reads it.

        Args:
            name: of its integers; `.scales` is behind that of its scales.
            in_features: of the layer, whose last block may be partial.
        """
        if name not in self._forms:
            raise UsageError(NOT_QUANTIZED.format(path=self._path, name=name))
        form = self._forms[name]
        packed = self.array(name).reshape(-1, form.blocks_of(in_features), form.packed_block_bytes)
        return BlockWeight(packed, self.array(f"{name}.scales").reshape(packed.shape[:2]), form, in_features)

    def dequantized(self, name: str, in_features: int) -> NDArray[np.float32]:
        """A weight in blocks as it is used, [out_features, in_features]."""
        return dequantize_blocks(self.blocks(name, in_features))

    def columns(self, values: str, scales: str) -> NDArray[np.float32]:
        """A weight in int8 columns as it is used, [in_features, out_features]."""
        return dequantize_columns(ColumnWeight(self.array(values), self.array(scales)))


def _block_forms(graph: Any) -> Iterator[tuple[str, BlockFormat]]:
    for node in graph.node:
        attributes = attributes_of(node)
        if {"bits", "block_size"} <= attributes.keys():
            weight = node.input[0] if node.op_type == "GatherBlockQuantized" else node.input[1]
            yield weight, BlockFormat(attributes["bits"], attributes["block_size"])
        for branch in (value for value in attributes.values() if isinstance(value, onnx.GraphProto)):
            yield from _block_forms(branch)


def expert_format(packed: tuple[int, ...], scales: tuple[int, ...], in_features: int) -> BlockFormat:
    """The format of experts of the shapes [experts, out_features, bytes] and [experts, out_features, blocks]."""
    return BlockFormat(packed[-1] * 8 // in_features, in_features // scales[-1])
