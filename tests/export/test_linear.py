"""Linear layers as nodes: what the kernels compute with the weights that are written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from dsvl2_export.graphs.builder import GraphBuilder, value
from dsvl2_export.graphs.decoder.context import DecoderContext
from dsvl2_export.graphs.decoder.linear import linear_of_rows, linear_per_head
from dsvl2_export.graphs.operators import ContribOperators
from dsvl2_export.synth.weights import RandomWeights
from dsvl2_quant.formats.blocks import BlockFormat, dequantize_blocks
from dsvl2_quant.methods.nearest import Nearest, quantize_blocks
from dsvl2_quant.recipe import COLUMNS, Recipe
from graph_runs import computed
from small_models import small_config

HEADS, INPUTS, OUTPUTS = 16, 512, 128
LAYER = "language.model.layers.0.self_attn.q_proj"
ACTIVATION_NOISE = 0.02
"""Relative: the kernels quantise activations to 8 bit on the way (accuracy_level 4), about 0.4 % per value of noise."""


def one_node(
    path: Path, x: NDArray[np.float32], recipe: Recipe, write: Callable[[DecoderContext], str]
) -> NDArray[np.float32]:
    """Write a graph of one node whose input is "x", and run it."""
    config = small_config("small")
    with GraphBuilder(path) as builder:
        operators = ContribOperators(builder)
        y = write(DecoderContext(builder, operators, config.language_config, RandomWeights(config), recipe, Nearest()))
        builder.save([value("x", list(x.shape))], [value(y, [*x.shape[:-1], "columns"])])
    assert len(onnx.load(str(path), load_external_data=False).graph.node) == 1
    return computed(path, x=x)


def relative(found: NDArray[np.float32], expected: NDArray[np.float32]) -> float:
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


@pytest.mark.parametrize(("bits", "block_size", "in_features"), [(4, 64, 192), (4, 32, 80), (8, 64, 192), (8, 16, 40)])
@pytest.mark.parametrize("rows", [1, 5])
def test_the_kernel_computes_with_the_dequantized_weight(
    tmp_path: Path, bits: int, block_size: int, in_features: int, rows: int
) -> None:
    """`MatMulNBits` reads the layout that is written here: its product is that of `dequantize_blocks`."""
    weight = np.random.default_rng(0).standard_normal((24, in_features), np.float32)
    x = np.random.default_rng(9).standard_normal((1, rows, in_features), np.float32)
    form = BlockFormat(bits, block_size)
    found = one_node(
        tmp_path / "linear.onnx",
        x,
        Recipe(dense=form),
        lambda context: linear_of_rows(context, "x", "weight", weight, LAYER),
    )
    assert relative(found, x @ dequantize_blocks(quantize_blocks(weight, form)).T) <= ACTIVATION_NOISE


@pytest.mark.parametrize(
    ("outlier", "bound"),
    [
        (1.0, 0.015),
        # One channel in fifty twenty times as large: all heads share the step that the outliers make. The four bits of
        # the projections before it cost about 0.1.
        (20.0, 0.06),
    ],
)
def test_one_step_for_all_heads_is_close_enough(tmp_path: Path, outlier: float, bound: float) -> None:
    rng = np.random.default_rng(1)
    weight = rng.standard_normal((HEADS, OUTPUTS, INPUTS)).astype(np.float32) * 0.05
    x = rng.standard_normal((HEADS, 1, INPUTS)).astype(np.float32)
    x[:, :, ::50] *= outlier
    expected = np.matmul(x, weight.transpose(0, 2, 1))

    def write(context: DecoderContext) -> str:
        return linear_per_head(context, "x", "up_value", weight)

    exact = one_node(tmp_path / "exact.onnx", x, Recipe(), write)
    np.testing.assert_allclose(exact, expected, rtol=1e-4, atol=1e-5)
    found = one_node(tmp_path / "quantized.onnx", x, Recipe(kv_absorbed=COLUMNS), write)
    assert 0 < relative(found, expected) < bound
