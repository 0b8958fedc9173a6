"""Int8 layers of the vision part on every level: equal to NumPy with the same roundings, bit for bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from dsvl2_kernels.library import DOMAIN
from kernels import column_reference as reference
from kernels.column_reference import Layer
from kernels.graphs import generator, one_node, run, session

F = np.float32


def layer(
    rng: np.random.Generator, depth: int, width: int, *, bias: bool = True, norm: bool = False, gelu: bool = False
) -> Layer:
    """Any integers, -128 among them, and scales of both signs."""
    scales = rng.uniform(0.5, 1.5, width) * rng.choice([-1, 1], width) / 60 / np.sqrt(depth)
    pair = (rng.uniform(0.5, 1.5, depth).astype(F), rng.standard_normal(depth, F))
    return Layer(
        rng.integers(-128, 128, (depth, width), np.int8),
        scales.astype(F),
        rng.standard_normal(width, F) if bias else None,
        pair if norm else None,
        gelu=gelu,
    )


def model(layer: Layer, residual: bool = False, measured: bool = False, range_given: bool = False) -> bytes:
    """Inputs x and, where wanted, residual and range; outputs y and, where wanted, its range."""
    constants: dict[str, NDArray[Any]] = {"w": layer.weight, "scales": layer.scales}
    if layer.bias is not None:
        constants["bias"] = layer.bias
    if layer.norm is not None:
        constants["gamma"], constants["beta"] = layer.norm
    wanted = ["x", *constants, *["residual"] * residual, *["range"] * range_given]
    order = ["x", "w", "scales", "bias", "gamma", "beta", "residual", "range"]
    outputs = ["y", "y_range"] if measured else ["y"]
    node = helper.make_node(
        "ColumnLinear",
        [name if name in wanted else "" for name in order],
        outputs,
        domain=DOMAIN,
        gelu=int(layer.gelu),
        epsilon=layer.epsilon,
    )
    graph = helper.make_graph(
        [node],
        "column_linear",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in wanted if name not in constants],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid(DOMAIN, 1)]
    serialized: bytes = helper.make_model(graph, opset_imports=opsets, ir_version=10).SerializeToString()
    return serialized


SIZES = [
    (1, 1, 1),
    (1, 64, 64),
    (2, 100, 33),
    (3, 66, 198),
    (7, 63, 65),
    (31, 72, 16),
    (32, 128, 128),
    (33, 65, 129),
    (50, 1100, 64),
    (97, 256, 130),
    (130, 515, 66),
]
"""(rows, depth, width)."""


@pytest.mark.parametrize(("rows", "depth", "width"), SIZES)
def test_a_layer_equals_numpy_to_the_bit(level: str, rows: int, depth: int, width: int) -> None:
    """Alone, and with everything around it."""
    rng = generator(rows, depth, width)
    x = rng.standard_normal((rows, depth), F) * F(3) + F(1)
    residual = rng.standard_normal((rows, width), F)
    plain = layer(rng, depth, width, bias=False)
    np.testing.assert_array_equal(run(model(plain), {"x": x}), reference.column_linear(x, plain))
    whole = layer(rng, depth, width, norm=True, gelu=True)
    y, between = session(model(whole, residual=True, measured=True)).run(None, {"x": x, "residual": residual})
    expected = reference.column_linear(x, whole, residual)
    np.testing.assert_array_equal(y, expected)
    np.testing.assert_array_equal(between, reference.span(expected))


@pytest.mark.parametrize("gelu", [False, True])
@pytest.mark.parametrize("norm", [False, True])
@pytest.mark.parametrize("bias", [False, True])
def test_each_part_can_be_left_out(level: str, bias: bool, norm: bool, gelu: bool) -> None:
    rng = generator(bias, norm, gelu)
    one = layer(rng, 70, 90, bias=bias, norm=norm, gelu=gelu)
    x = rng.standard_normal((2, 5, 70), F)
    found = run(model(one), {"x": x})
    np.testing.assert_array_equal(found.reshape(10, 90), reference.column_linear(x.reshape(10, 70), one))


def test_many_rows_pass_in_pieces(level: str) -> None:
    """More activations than fit into a cache, on one thread and on three."""
    rng = generator("pieces")
    one = layer(rng, 2000, 70)
    x = rng.standard_normal((600, 2000), F)
    expected = reference.column_linear(x, one)
    for threads in (1, 3):
        np.testing.assert_array_equal(run(model(one), {"x": x}, threads), expected)


@pytest.mark.parametrize("width", [1312, 1330])
def test_more_results_than_a_cache_holds(level: str, width: int) -> None:
    """Rows of whole cache lines may be written past the caches, others may not."""
    rng = generator("large", width)
    one = layer(rng, 40, width, gelu=True)
    x = rng.standard_normal((810, 40), F)
    y, between = session(model(one, measured=True), 2).run(None, {"x": x})
    expected = reference.column_linear(x, one)
    np.testing.assert_array_equal(y, expected)
    np.testing.assert_array_equal(between, reference.span(expected))


@pytest.mark.parametrize("least", [-1.0, -0.37, -1e-20, -1e30])
def test_values_between_two_integers_are_rounded_as_by_division(level: str, least: float) -> None:
    """Quotients next to one half, where a product with a reciprocal would choose another integer."""
    rng = generator("halves", least)
    width = 24
    one = layer(rng, 768, width)
    given = np.asarray([least, rng.uniform(1, 3) * -least], F)
    scale, zero_point = reference.quantization(given[0], given[1])
    halves = ((np.arange(256) - zero_point - F(0.5)) * np.float64(scale)).astype(F)
    x = np.concatenate([halves, np.nextafter(halves, F(np.inf)), np.nextafter(halves, F(-np.inf))])[None]
    sums = (reference.quantize(x, scale, zero_point) - zero_point) @ one.weight.astype(np.int64)
    expected = sums.astype(F) * (scale * one.scales) + one.bias
    np.testing.assert_array_equal(run(model(one, range_given=True), {"x": x, "range": given}), expected)


def test_the_deepest_weight_does_not_overflow(level: str) -> None:
    """Largest integers of one sign everywhere."""
    depth = 65793
    one = Layer(np.full((depth, 2), -128, np.int8), np.ones(2, F))
    x = np.full((1, depth), 255, F)
    assert reference.quantization(*reference.span(x)) == (1, 0)
    np.testing.assert_array_equal(run(model(one), {"x": x}), np.full((1, 2), -128 * 255 * depth, F))


def test_a_range_that_is_given_takes_the_place_of_the_measured_one(level: str) -> None:
    rng = generator("range")
    one = layer(rng, 40, 50)
    x = rng.standard_normal((9, 40), F)
    given = np.asarray([x.min() - 1, x.max() + 2], F)
    scale, zero_point = reference.quantization(given[0], given[1])
    sums = (reference.quantize(x, scale, zero_point) - zero_point) @ one.weight.astype(np.int64)
    expected = sums.astype(F) * (scale * one.scales) + one.bias
    np.testing.assert_array_equal(run(model(one, range_given=True), {"x": x, "range": given}), expected)


@pytest.mark.parametrize("values", ["zeros", "positive", "negative", "one", "tiny", "huge"])
def test_unusual_values(level: str, values: str) -> None:
    """All of one sign put the zero point at an end."""
    rng = generator(values)
    one = layer(rng, 64, 64)
    x = np.abs(rng.standard_normal((4, 64), F))
    if values == "zeros":
        x[:] = 0
    elif values == "negative":
        x = -x
    elif values == "one":
        x[:], x[2, 3] = 0, -5
    elif values in ("tiny", "huge"):
        x *= F(1e-37) if values == "tiny" else F(1e37)
    np.testing.assert_array_equal(run(model(one), {"x": x}), reference.column_linear(x, one))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_not_finite_is_not_hidden(level: str, value: float) -> None:
    """One scale serves all rows, so every result is no number."""
    rng = generator("wild")
    one = layer(rng, 64, 64)
    x = rng.standard_normal((40, 64), F)
    x[17, 5] = value
    y, between = session(model(one, measured=True)).run(None, {"x": x})
    assert np.isnan(y).all()
    assert np.isnan(between).all()


def test_no_rows(level: str) -> None:
    one = layer(generator("none"), 20, 30, norm=True)
    y, between = session(model(one, measured=True)).run(None, {"x": np.zeros((0, 20), F)})
    assert y.shape == (0, 30)
    np.testing.assert_array_equal(between, [0, 0])


@pytest.mark.parametrize(("rows", "depth", "width"), SIZES)
def test_products_are_those_of_onnxruntime(level: str, rows: int, depth: int, width: int) -> None:
    """The same integers, and fp32 behind them: a bias is added there in one rounding or in two, by the processor."""
    rng = generator("ort", rows, depth, width)
    one = layer(rng, depth, width)
    weight = np.clip(one.weight, -127, 127)  # as `ColumnFormat` has them
    x = rng.standard_normal((1, rows, depth), F)
    ours = run(model(Layer(weight, one.scales, one.bias)), {"x": x})
    assert one.bias is not None
    constants: dict[str, NDArray[Any]] = {"w": weight, "scales": one.scales}
    constants |= {"zero": np.zeros(width, np.int8), "bias": one.bias}
    theirs = run(one_node("DynamicQuantizeMatMul", {"x": [1, "rows", depth]}, constants, "com.microsoft"), {"x": x})
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=4e-7 * np.abs(theirs).max())


def test_gelu_is_the_tanh_approximation() -> None:
    x = np.linspace(-12, 12, 4001, dtype=F)
    exact = np.float64(x)
    exact = 0.5 * exact * (1 + np.tanh(np.sqrt(2 / np.pi) * (exact + 0.044715 * exact**3)))
    np.testing.assert_allclose(reference.gelu(x), exact, rtol=0, atol=1e-6)


def refusal(layer: Layer, **wanted: bool) -> str:
    with pytest.raises(Exception, match="ColumnLinear") as refused:  # ONNX Runtime's exceptions have no common class
        session(model(layer, **wanted))
    return str(refused.value)


def test_a_weight_that_does_not_fit_is_refused() -> None:
    rng = generator("refused")
    good = layer(rng, 20, 30)
    assert "the scales has the shape [29]" in refusal(Layer(good.weight, good.scales[:29]))
    assert "the bias has the shape [20]" in refusal(Layer(good.weight, good.scales, np.zeros(20, F)))
    assert "not finite" in refusal(Layer(good.weight, np.where(np.arange(30) == 7, np.nan, good.scales).astype(F)))
    assert "at most 65793" in refusal(Layer(np.zeros((65794, 1), np.int8), np.ones(1, F)))
    one = session(model(good, residual=True))
    with pytest.raises(onnxruntime.capi.onnxruntime_pybind11_state.InvalidArgument, match="takes 20 features"):
        one.run(None, {"x": np.zeros((4, 21), F), "residual": np.zeros((4, 30), F)})
    with pytest.raises(onnxruntime.capi.onnxruntime_pybind11_state.InvalidArgument, match="the residual has the shape"):
        one.run(None, {"x": np.zeros((4, 20), F), "residual": np.zeros((3, 30), F)})
