"""Writes an ONNX graph node by node, its weights streaming to one external file as they come.

The graph's protobuf stays small: a weight handed to `GraphBuilder.weight` is on disk when the call returns, so a model
larger than memory can be written one layer at a time, and an interrupted attempt can be resumed (`external_data.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import GraphProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

from dsvl2_export.graphs.external_data import ExternalData, Placed

CONTRIB_DOMAIN, CONTRIB_VERSION = "com.microsoft", 1
"""Of the operators that ONNX Runtime adds to the standard; `operators.py` writes them."""
OPSET = 21
IR_VERSION = 10
INLINE_LIMIT_BYTES = 1024
"""Smaller constants stay inside the graph, where shape inference can see them."""


class GraphBuilder:
    """One graph and its external data file; use as a context manager, then `save`."""

    def __init__(self, path: Path, data: ExternalData | None = None, opset: int = OPSET) -> None:
        self.path = path
        self.data = data or ExternalData(path.with_suffix(".data"))
        self._opset = opset
        self._nodes: list[NodeProto] = []
        self._initializers: dict[str, TensorProto] = {}
        self._constants: dict[tuple[str, tuple[int, ...], bytes], str] = {}
        self._counts: dict[str, int] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.data.close()

    def fresh(self, stem: str) -> str:
        """A tensor name that is not used yet."""
        count = self._counts.get(stem, 0)
        self._counts[stem] = count + 1
        return f"{stem}_{count}"

    def node(
        self, operator: str, inputs: Sequence[str], domain: str = "", into: str | None = None, **attributes: Any
    ) -> str:
        """Append a node with one output and return its name, which is `into` where that is given."""
        output = into or self.fresh(operator)
        self._nodes.append(helper.make_node(operator, list(inputs), [output], domain=domain, **attributes))
        return output

    def nodes(
        self, operator: str, inputs: Sequence[str], outputs: int, domain: str = "", **attributes: Any
    ) -> list[str]:
        """Append a node with several outputs and return their names."""
        names = [self.fresh(operator) for _ in range(outputs)]
        self._nodes.append(helper.make_node(operator, list(inputs), names, domain=domain, **attributes))
        return names

    @contextmanager
    def body(self, output: str) -> Iterator[list[GraphProto]]:
        """Collect the nodes written inside the `with` as the body of a branch; yields a list that holds its graph.

        The body may read every tensor of the surrounding graph. The last node inside
        must be written `into` the name `output`.
        """
        outer, self._nodes = self._nodes, []
        result: list[GraphProto] = []
        try:
            yield result
            value = helper.make_tensor_value_info(output, TensorProto.FLOAT, None)
            result.append(helper.make_graph(self._nodes, output, [], [value]))
        finally:
            self._nodes = outer

    def branch(self, condition: str, then_body: GraphProto, else_body: GraphProto) -> str:
        """`If`: run one of two bodies; returns the name of its output."""
        return self.node("If", [condition], then_branch=then_body, else_branch=else_body)

    def constant(self, array: NDArray[Any]) -> str:
        """A small constant; equal constants share one name."""
        array = np.ascontiguousarray(array)
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._constants:
            self._constants[key] = self._add(self.fresh("constant"), array)
        return self._constants[key]

    def int64(self, *values: int) -> str:
        """A vector of int64."""
        return self.constant(np.array(values, np.int64))

    def scalar(self, value: float) -> str:
        """A float32 scalar, shape []."""
        return self.constant(np.array(value, np.float32))

    def weight(self, name: str, array: NDArray[Any]) -> str:
        """A weight under its own name, written to the external file before this returns."""
        return self._add(name, np.ascontiguousarray(array))

    def weights(self, names: Sequence[str], make: Callable[[], Sequence[NDArray[Any]]]) -> list[str]:
        """Weights that cost time to make; `make` is not called when an earlier attempt wrote them all."""
        if self.data.holds(names):
            return [self._external(self.data.keep()) for _ in names]
        return [self.weight(name, array) for name, array in zip(names, make(), strict=True)]

    def _add(self, name: str, array: NDArray[Any]) -> str:
        if name in self._initializers:
            raise ValueError(f"the graph already has an initializer {name!r}")
        if array.nbytes <= INLINE_LIMIT_BYTES:
            self._initializers[name] = numpy_helper.from_array(array, name)
            return name
        return self._external(self.data.write(name, array))

    def _external(self, placed: Placed) -> str:
        tensor = TensorProto(
            name=placed.name, data_type=placed.data_type, dims=placed.dims, data_location=TensorProto.EXTERNAL
        )
        place = {"location": self.data.path.name, "offset": placed.offset, "length": placed.length}
        for key, value in place.items():
            tensor.external_data.add(key=key, value=str(value))
        self._initializers[placed.name] = tensor
        return placed.name

    def save(self, inputs: Sequence[ValueInfoProto], outputs: Sequence[ValueInfoProto]) -> None:
        """Write the graph and finish its data; `value` makes its inputs and outputs."""
        self.save_graph(inputs, outputs)
        self.data.finish()

    def save_graph(self, inputs: Sequence[ValueInfoProto], outputs: Sequence[ValueInfoProto]) -> None:
        """Write the graph alone; other graphs may still add to its data."""
        graph = helper.make_graph(
            self._nodes, self.path.stem, list(inputs), list(outputs), list(self._initializers.values())
        )
        opsets = [helper.make_opsetid("", self._opset), helper.make_opsetid(CONTRIB_DOMAIN, CONTRIB_VERSION)]
        onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION), str(self.path))


def value(name: str, axes: Sequence[int | str], integer: bool = False) -> ValueInfoProto:
    """A graph input or output: float32, or int64 where `integer`."""
    kind = TensorProto.INT64 if integer else TensorProto.FLOAT
    return helper.make_tensor_value_info(name, kind, list(axes))
