"""The SigLIP vision tower: one tile of pixels to one feature per patch.

Source: `siglip_vit.py` `VisionTransformer` of the reference; SigLIP paper (arXiv 2303.15343). The output of the final
norm after all blocks is the feature; the checkpoint's attention pool is never used and is not built.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from dsvl2_runtime.config import VisionConfig

NORM_EPS = 1e-6

Attend = Callable[[Tensor, Tensor, Tensor, int], Tensor]
"""Queries, keys and values [num_tiles, patches, width] and the number of heads -> [num_tiles, patches, width]."""
Activation = Callable[[Tensor], Tensor]
"""Any shape -> the same."""


def attend(q: Tensor, k: Tensor, v: Tensor, heads: int) -> Tensor:
    """Full attention over all patches, scaled by the root of a head's width; see `Attend`."""
    tiles, patches, width = q.shape
    shape = (tiles, patches, heads, width // heads)
    q, k, v = (rows.reshape(shape).transpose(1, 2) for rows in (q, k, v))  # each [num_tiles, heads, patches, head_dim]
    return F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(tiles, patches, width)


def tanh_gelu(x: Tensor) -> Tensor:
    """The tanh approximation of GELU; the projector has the exact one."""
    return F.gelu(x, approximate="tanh")


class PatchEmbed(nn.Module):
    """Convolution without padding: pixels beyond the last whole patch are never seen."""

    def __init__(self, config: VisionConfig) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, config.width, config.patch_size, stride=config.patch_size)

    def forward(self, pixel_values: Tensor) -> Tensor:
        """[num_tiles, 3, image_size, image_size] -> [num_tiles, patches, width], patches in row-major order."""
        patches: Tensor = self.proj(pixel_values)
        return patches.flatten(2).transpose(1, 2)


class VisionAttention(nn.Module):
    """Full self-attention with biases; head width need not be a power of two."""

    def __init__(self, config: VisionConfig, attend: Attend = attend) -> None:
        super().__init__()
        self.heads = config.heads
        self.attend = attend
        self.qkv = nn.Linear(config.width, 3 * config.width)
        self.proj = nn.Linear(config.width, config.width)

    def forward(self, x: Tensor) -> Tensor:
        """[num_tiles, patches, width] -> the same."""
        q, k, v = self.qkv(x).split(x.shape[-1], dim=-1)
        out: Tensor = self.proj(self.attend(q, k, v, self.heads))
        return out


class VisionMLP(nn.Module):
    """Two linear layers around an activation."""

    def __init__(self, config: VisionConfig, activation: Activation = tanh_gelu) -> None:
        super().__init__()
        self.activation = activation
        self.fc1 = nn.Linear(config.width, config.mlp_width)
        self.fc2 = nn.Linear(config.mlp_width, config.width)

    def forward(self, x: Tensor) -> Tensor:
        """[num_tiles, patches, width] -> the same."""
        out: Tensor = self.fc2(self.activation(self.fc1(x)))
        return out


class VisionBlock(nn.Module):
    """Pre-norm transformer block.

    Args:
        config: sizes.
        attend: computes the attention; another function must compute the same.
        activation: of the MLP; another function must compute the same.
    """

    def __init__(self, config: VisionConfig, attend: Attend = attend, activation: Activation = tanh_gelu) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(config.width, NORM_EPS)
        self.attn = VisionAttention(config, attend)
        self.norm2 = nn.LayerNorm(config.width, NORM_EPS)
        self.mlp = VisionMLP(config, activation)

    def forward(self, x: Tensor) -> Tensor:
        """[num_tiles, patches, width] -> the same."""
        x = x + self.attn(self.norm1(x))
        out: Tensor = x + self.mlp(self.norm2(x))
        return out


class VisionTower(nn.Module):
    """pixel_values [num_tiles, 3, image_size, image_size] -> patch_features [num_tiles, patches, width]."""

    def __init__(self, config: VisionConfig) -> None:
        super().__init__()
        self.patch_embed = PatchEmbed(config)
        self.pos_embed = nn.Parameter(torch.randn(1, config.grid**2, config.width) * 0.02)
        self.blocks = nn.ModuleList(VisionBlock(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.width, NORM_EPS)

    def forward(self, pixel_values: Tensor) -> Tensor:
        """[num_tiles, 3, image_size, image_size] -> [num_tiles, patches, width]."""
        x = self.patch_embed(pixel_values) + self.pos_embed
        for block in self.blocks:
            x = block(x)
        out: Tensor = self.norm(x)
        return out
