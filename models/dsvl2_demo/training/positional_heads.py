"""Where the vision tower looks before it has learned anything: heads of its first blocks at the patches next to each.

A character lies across two patches as often as in one, so naming it takes the neighbours. A tower that begins at random
spends its first thousands of tiles on finding out where they are; here the position embedding begins as sines and
cosines, and four heads of the first two blocks as the rotations that point one patch to each side. All of it is learned
further. The idea is that of ConViT (arXiv 2103.10697), whose positional heads begin as a convolution.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from dsvl2_export.network.vision import VisionAttention, VisionBlock, VisionTower

NEIGHBOURS = ((-1, 0), (1, 0), (0, -1), (0, 1))
"""(columns, rows) to the patch that a head looks at, one head each."""

BLOCKS = 2
SHARPNESS = 1.2
"""Puts about two nats between the neighbour and the patches beside it: most of the attention, and not all of it."""


def _waves(grid: int, count: int) -> Tensor:
    """Frequencies in radians per patch, `[count]`, from half a circle over the grid to a quarter of one per patch.

    The quickest tells neighbours apart, so it does not slow down on larger grids.
    """
    return torch.linspace(math.pi / grid, math.pi / 2, count)


def position_waves(grid: int, channels: int) -> Tensor:
    """Cosines, then sines of column and row, `[grid * grid, channels]`, patches row by row."""
    waves = _waves(grid, channels // 4)
    angles = torch.arange(grid)[:, None] * waves  # [grid, waves]
    column = angles[None].expand(grid, -1, -1)
    row = angles[:, None].expand(-1, grid, -1)
    both = torch.cat([column, row], dim=-1).flatten(0, 1)
    return torch.cat([both.cos(), both.sin()], dim=-1)


def _turned(step: tuple[int, int], waves: Tensor) -> Tensor:
    """The matrix that turns the waves of one patch into those of the patch a step away, `[channels, channels]`."""
    angles = torch.cat([step[0] * waves, step[1] * waves])
    cosine, sine = angles.cos().diag(), angles.sin().diag()
    return torch.cat([torch.cat([cosine, -sine], dim=1), torch.cat([sine, cosine], dim=1)])


@torch.no_grad()
def open_eyes(tower: VisionTower) -> None:
    """Begin the tower with heads that look at neighbours, in place."""
    blocks = [block for block in tower.blocks if isinstance(block, VisionBlock)]
    grid = math.isqrt(tower.pos_embed.shape[1])
    channels = tower.pos_embed.shape[2] // blocks[0].attn.heads // 4 * 4
    tower.pos_embed[0, :, :channels] = position_waves(grid, channels)
    tower.patch_embed.proj.weight[:channels] = 0.0
    for block in blocks[:BLOCKS]:
        _point(block.attn, grid, channels)


def _point(attention: VisionAttention, grid: int, channels: int) -> None:
    waves = _waves(grid, channels // 4)
    width = attention.proj.in_features
    for head, step in enumerate(NEIGHBOURS[: attention.heads]):
        for part, matrix in ((0, _turned(step, waves)), (1, torch.eye(channels))):
            rows = attention.qkv.weight[part * width + head * width // attention.heads :][:channels]
            rows.zero_()
            rows[:, :channels] = matrix * SHARPNESS**0.5
