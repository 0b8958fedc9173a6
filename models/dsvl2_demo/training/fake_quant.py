"""Learning with the weights that will ship: a step computes with int4 weights and changes those behind them.

The gradient at a rounded weight is taken for that of the weight itself (the straight-through estimator of Bengio et al.
2013, arXiv 1308.3432), so weights move to where rounding costs little.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from dsvl2_quant.formats.blocks import dequantize_blocks, quantize_blocks
from dsvl2_quant.recipe import INT4

LAYERS = "language.model.layers."
ROUNDED = ("q_proj", "kv_a_proj_with_mqa", "o_proj", "gate_proj", "up_proj", "down_proj")
"""The matrices that the recipe `int4` stores in four bits."""


def rounded_parameters(network: nn.Module) -> list[nn.Parameter]:
    """What four bits are kept of in the shipped bundle."""
    return [
        parameter
        for name, parameter in network.named_parameters()
        if LAYERS in name and any(f".{part}." in name for part in ROUNDED)
    ]


@contextmanager
def rounded(network: nn.Module) -> Iterator[None]:
    """Within it the network computes with rounded weights; behind it they are what they were."""
    kept = [(parameter, parameter.data) for parameter in rounded_parameters(network)]
    try:
        for parameter, weight in kept:
            blocks = quantize_blocks(weight.float().cpu().numpy(), INT4.bits, INT4.block_size)
            parameter.data = torch.from_numpy(dequantize_blocks(blocks)).to(weight)
        yield
    finally:
        for parameter, weight in kept:
            parameter.data = weight
