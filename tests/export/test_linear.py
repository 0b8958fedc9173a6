"""A linear layer for each head, quantised, in one node."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray

from dsvl2_export.graphs.builder import GraphBuilder, value
from dsvl2_export.graphs.decoder.linear import linear_per_head
from dsvl2_quant.recipe import BlockFormat

HEADS, INPUTS, OUTPUTS = 16, 512, 128


def per_head(
    path: Path, x: NDArray[np.float32], weight: NDArray[np.float32], form: BlockFormat | None
) -> NDArray[np.float32]:
    with GraphBuilder(path) as builder:
        y = linear_per_head(builder, "x", "up_value", weight, form)
        builder.save([value("x", list(x.shape))], [value(y, [HEADS, 1, OUTPUTS])])
    assert len(onnx.load(str(path), load_external_data=False).graph.node) == 1
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    found: NDArray[np.float32] = session.run(None, {"x": x})[0]
    return found


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
    exact = per_head(tmp_path / "exact.onnx", x, weight, None)
    np.testing.assert_allclose(exact, expected, rtol=1e-4, atol=1e-5)
    found = per_head(tmp_path / "quantised.onnx", x, weight, BlockFormat(8, 64))
    error = np.linalg.norm(found - expected) / np.linalg.norm(expected)
    assert 0 < error < bound
