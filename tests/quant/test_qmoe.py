"""The quantised experts of the decoder graph against the reference network holding the dequantised weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from dsvl2_export.graphs.builder import GraphBuilder, value
from dsvl2_export.graphs.decoder.context import DecoderContext
from dsvl2_export.graphs.decoder.experts import experts
from dsvl2_export.graphs.operators import ContribOperators
from dsvl2_export.network.moe import MixtureOfExperts
from dsvl2_export.synth.weights import RandomWeights
from dsvl2_quant.formats.blocks import BlockFormat, dequantize_blocks
from dsvl2_quant.methods.nearest import Nearest, quantize_blocks
from dsvl2_quant.recipe import RECIPES
from graph_runs import computed
from small_models import VARIANTS, small_config

TOKENS = 37
KERNEL_NOISE = 0.02
"""Relative: activations are quantised to 8 bit in front of both products; measured 0.0095 to 0.0099."""


@pytest.mark.parametrize("precision", ["int4", "int8"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_experts_equal_the_reference_with_dequantised_weights(tmp_path: Path, variant: str, precision: str) -> None:
    """Routing by choice, weighing by score, gate and up in the kernel's order, shared experts folded in."""
    config = small_config(variant)
    language = config.language_config
    recipe = RECIPES[precision].fitted(language)
    form = recipe.experts
    assert isinstance(form, BlockFormat)
    weights, name = RandomWeights(config, seed=3), "language.model.layers.1.mlp"
    path = tmp_path / "experts.onnx"
    hidden = language.hidden_size
    with GraphBuilder(path) as builder:
        y = experts(DecoderContext(builder, ContribOperators(builder), language, weights, recipe, Nearest()), "x", name)
        builder.save([value("x", [1, "seq", hidden])], [value(y, [1, "seq", hidden])])
    x = np.random.default_rng(5).standard_normal((1, TOKENS, hidden), np.float32)
    found = computed(path, x=x)

    network = MixtureOfExperts(language).eval()
    with torch.no_grad():
        for part, parameter in network.state_dict(keep_vars=True).items():
            array: NDArray[np.float32] = weights.array(f"{name}.{part}")
            if part.endswith("_proj.weight"):
                array = dequantize_blocks(quantize_blocks(array, form))
            parameter.copy_(torch.from_numpy(array))
        expected = network(torch.from_numpy(x))[0].numpy()
    assert np.linalg.norm(found - expected) / np.linalg.norm(expected) <= KERNEL_NOISE
