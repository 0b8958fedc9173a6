"""Graphs of one operator over constants, and sessions that have the library."""

from __future__ import annotations

import zlib
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from dsvl2_kernels.library import DOMAIN, open_kernels
from dsvl2_runtime.graphs.target import CPU


def generator(*key: object) -> np.random.Generator:
    """The same numbers for the same key, in every process."""
    return np.random.default_rng(zlib.crc32(repr(key).encode()))


def one_node(
    operator: str,
    inputs: Mapping[str, Sequence[int | str | None]],
    constants: Mapping[str, NDArray[Any]],
    domain: str = DOMAIN,
    order: Sequence[str] = (),
    halves: Collection[str] = (),
    outputs: Sequence[str] = ("y",),
    **attributes: Any,
) -> bytes:
    """A model `y = operator(inputs, constants)`; inputs come first unless `order` says otherwise.

    Inputs and outputs are float32, those of `halves` bfloat16.
    """

    def kind(name: str) -> int:
        return int(TensorProto.BFLOAT16 if name in halves else TensorProto.FLOAT)

    node = helper.make_node(operator, list(order) or [*inputs, *constants], list(outputs), domain=domain, **attributes)
    graph = helper.make_graph(
        [node],
        "one_node",
        [helper.make_tensor_value_info(name, kind(name), list(axes)) for name, axes in inputs.items()],
        [helper.make_tensor_value_info(name, kind(name), None) for name in outputs],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid(DOMAIN, 1), helper.make_opsetid("com.microsoft", 1)]
    model: bytes = helper.make_model(graph, opset_imports=opsets, ir_version=10).SerializeToString()
    return model


def session(model: bytes, threads: int = 2) -> onnxruntime.InferenceSession:
    """With the library; on the level that the environment says."""
    options = CPU.session_options(threads)
    options.log_severity_level = 4
    options.register_custom_ops_library(str(open_kernels().path))
    return onnxruntime.InferenceSession(model, options, providers=[CPU.provider])


def run(model: bytes, feeds: Mapping[str, NDArray[Any]], threads: int = 2) -> NDArray[np.float32]:
    """The output of `one_node`; an array of uint16 has the bits of bfloat16."""
    values = {
        name: onnxruntime.OrtValue.ortvalue_from_numpy_with_onnx_type(array, TensorProto.BFLOAT16)
        if array.dtype == np.uint16
        else onnxruntime.OrtValue.ortvalue_from_numpy(array)
        for name, array in feeds.items()
    }
    (y,) = session(model, threads).run_with_ort_values(["y"], values)
    result: NDArray[np.float32] = y.numpy()
    return result
