"""Learning with the weights that will ship: a step computes with int4 weights and changes the exact ones.

The gradient at a rounded weight is taken for that of the weight itself (the straight-through estimator of Bengio et al.
2013, arXiv 1308.3432), so weights move to where rounding costs little.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from dsvl2_quant.formats.blocks import dequantize_blocks
from dsvl2_quant.methods.nearest import quantize_blocks
from dsvl2_quant.recipe import INT4, RECIPES, Format
from dsvl2_runtime.bundle.releases import Precision

LAYERS = "language.model.layers."
SHIPPED = RECIPES[Precision.INT4]
"""The recipe of the shipped bundle."""


def rounded_parameters(network: nn.Module) -> list[nn.Parameter]:
    """Parameters that the shipped bundle stores in four bits."""
    return [parameter for name, parameter in network.named_parameters() if _shipped_format(name) == INT4]


def _shipped_format(name: str) -> Format | None:
    """The format in which a decoder layer's parameter ships, by a name that may have a prefix; None elsewhere."""
    at = name.find(LAYERS)
    return SHIPPED.format_of(name[at:]) if at >= 0 else None


@contextmanager
def rounded(network: nn.Module) -> Iterator[None]:
    """Let the network compute with rounded weights inside the block; afterwards they are exact again."""
    kept = [(parameter, parameter.data) for parameter in rounded_parameters(network)]
    try:
        for parameter, weight in kept:
            blocks = quantize_blocks(weight.float().cpu().numpy(), INT4)
            parameter.data = torch.from_numpy(dequantize_blocks(blocks)).to(weight)
        yield
    finally:
        for parameter, weight in kept:
            parameter.data = weight
