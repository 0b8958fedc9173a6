"""The blocks of the network compiled, each kind once: fewer passes over memory on a GPU.

Blocks, not the whole: all blocks of a kind share what is compiled for the first, and sizes may vary from batch to
batch. Compiling took longer than 90 seconds beside 15 processes that draw, so short runs go without.
"""

from __future__ import annotations

import torch
from torch import nn

from dsvl2_export.network.language import DecoderLayer
from dsvl2_export.network.vision import VisionBlock


def compile_blocks(network: nn.Module) -> None:
    """Compile decoder layers and vision blocks, in place."""
    torch._dynamo.config.cache_size_limit = 64
    for module in network.modules():
        if isinstance(module, (DecoderLayer, VisionBlock)):
            module.compile(dynamic=True)
