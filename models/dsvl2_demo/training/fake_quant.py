"""Learning with the weights that will ship: a step computes with int4 weights and changes the exact ones.

The gradient at a rounded weight is taken for that of the weight itself (the straight-through estimator of Bengio et al.
2013, arXiv 1308.3432), so weights move to where rounding costs little.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from dsvl2_quant.methods.nearest import SHRINKS
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


@torch.no_grad()
def rounded_to_four_bits(weight: Tensor) -> Tensor:
    """What `dequantize_blocks(quantize_blocks(weight))` gives, on the device where the weight is.

    Args:
        weight: `[..., in_features]` float32, in_features a multiple of the block.
    """
    lowest, highest = -8.0, 7.0
    blocks = weight.float().unflatten(-1, (-1, INT4.block_size))
    at = blocks.abs().argmax(-1, keepdim=True)
    extreme = blocks.gather(-1, at) / lowest
    best, best_error = torch.zeros_like(blocks), torch.full_like(extreme, torch.inf)
    for shrink in SHRINKS[4]:
        scale = extreme * shrink
        inverse = scale.reciprocal()
        inverse = torch.where(inverse.isfinite(), inverse, 0.0)
        made = (blocks * inverse).round().clamp(lowest, highest) * scale
        error = (made - blocks).square().sum(-1, keepdim=True)
        better = error < best_error
        best, best_error = torch.where(better, made, best), torch.where(better, error, best_error)
    return best.flatten(-2).to(weight.dtype)


@contextmanager
def rounded(network: nn.Module) -> Iterator[None]:
    """Let the network compute with rounded weights inside the block; afterwards they are exact again.

    They are rounded where they lie, because recorded steps (`recorded.py`) read them there.
    """
    shapes: dict[tuple[int, ...], list[Tensor]] = defaultdict(list)
    for parameter in rounded_parameters(network):
        shapes[tuple(parameter.shape)].append(parameter.data)
    kept = [(weights, torch.stack(weights)) for weights in shapes.values()]
    try:
        for weights, exact in kept:  # all of one shape at once, which a GPU does as quickly as one
            torch._foreach_copy_(weights, list(rounded_to_four_bits(exact).unbind(0)))
        yield
    finally:
        for weights, exact in kept:
            torch._foreach_copy_(weights, list(exact.unbind(0)))
