"""Rewriting linear layers of a traced graph to int8."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from dsvl2_export.graphs.vision_int8 import quantize_linears
from dsvl2_quant.methods.nearest import Nearest
from dsvl2_quant.recipe import COLUMNS
from graph_runs import computed

IN, OUT = 48, 32


def graph(nodes: list[onnx.NodeProto], **arrays: NDArray[np.float32]) -> onnx.ModelProto:
    made = helper.make_graph(
        nodes,
        "linear",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", IN])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["rows", OUT])],
        [numpy_helper.from_array(array, name) for name, array in arrays.items()],
    )
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


def run(model: onnx.ModelProto, x: NDArray[np.float32]) -> NDArray[np.float32]:
    return computed(model.SerializeToString(), x=x)


RANDOM = np.random.default_rng(4)
WEIGHT = RANDOM.standard_normal((IN, OUT), np.float32)
BIAS = RANDOM.standard_normal(OUT, np.float32) * 3
X = RANDOM.standard_normal((7, IN), np.float32)

FORMS = {
    "MatMul": graph([helper.make_node("MatMul", ["x", "w"], ["y"])], w=WEIGHT),
    "MatMul and Add": graph(
        [helper.make_node("MatMul", ["x", "w"], ["p"]), helper.make_node("Add", ["p", "b"], ["y"])], w=WEIGHT, b=BIAS
    ),
    "Add with the bias first": graph(
        [helper.make_node("MatMul", ["x", "w"], ["p"]), helper.make_node("Add", ["b", "p"], ["y"])], w=WEIGHT, b=BIAS
    ),
    "Gemm": graph([helper.make_node("Gemm", ["x", "w", "b"], ["y"], transB=1)], w=WEIGHT.T.copy(), b=BIAS),
    "Transpose": graph(
        [helper.make_node("Transpose", ["w"], ["t"], perm=[1, 0]), helper.make_node("MatMul", ["x", "t"], ["y"])],
        w=WEIGHT.T.copy(),
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_rewritten_layer_computes_the_same_up_to_8_bit(form: str) -> None:
    """Each spelling of a linear layer becomes one node with its bias inside, and no fp32 weight stays behind."""
    model = onnx.ModelProto()
    model.CopyFrom(FORMS[form])
    expected = run(model, X)
    assert quantize_linears(model, COLUMNS, Nearest()) == 1
    assert [node.op_type for node in model.graph.node] == ["DynamicQuantizeMatMul"]
    assert all(list(entry.dims) not in ([IN, OUT], [OUT, IN]) or entry.data_type == TensorProto.INT8
               for entry in model.graph.initializer)  # fmt: skip
    found = run(model, X)
    # Two 8-bit roundings of normal values give about 1 % together; a wrong bias or order gives over 50 %.
    assert np.linalg.norm(found - expected) / np.linalg.norm(expected) < 0.02


def test_products_of_two_activations_stay() -> None:
    """Attention multiplies activations: nothing to store, nothing to rewrite."""
    nodes = [
        helper.make_node("Transpose", ["x"], ["t"], perm=[1, 0]),
        helper.make_node("MatMul", ["t", "x"], ["s"]),
        helper.make_node("MatMul", ["x", "s"], ["m"]),
        helper.make_node("MatMul", ["m", "w"], ["y"]),
    ]
    model = graph(nodes, w=WEIGHT)
    assert quantize_linears(model, COLUMNS, Nearest()) == 1
    assert [node.op_type for node in model.graph.node] == ["Transpose", "MatMul", "MatMul", "DynamicQuantizeMatMul"]


def test_product_used_twice_keeps_its_add() -> None:
    """A bias may only be taken in where nobody else reads the product without it."""
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["p"]),
        helper.make_node("Add", ["p", "b"], ["q"]),
        helper.make_node("Mul", ["p", "q"], ["y"]),
    ]
    model = graph(nodes, w=WEIGHT, b=BIAS)
    expected = run(model, X)
    assert quantize_linears(model, COLUMNS, Nearest()) == 1
    assert [node.op_type for node in model.graph.node] == ["DynamicQuantizeMatMul", "Add", "Mul"]
    assert np.linalg.norm(run(model, X) - expected) / np.linalg.norm(expected) < 0.03
