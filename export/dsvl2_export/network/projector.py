"""The projector: 2×2 patches merged into one cell, then two linear layers into the language model's width.

Source: `modeling_deepseek_vl_v2.py` `MlpProjector.forward`, type `downsample_mlp_gelu`.
"""

from __future__ import annotations

import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from dsvl2_runtime.config import ModelConfig


class Projector(nn.Module):
    """patch_features [num_tiles, patches, width] -> tile_features [num_tiles, cells * cells, hidden]."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.grid = config.vision_config.grid
        self.ratio = config.projector_config.downsample_ratio
        self.cells = config.cells
        hidden = config.projector_config.n_embed
        merged = config.projector_config.input_dim * self.ratio**2
        self.layers = nn.Sequential(nn.Linear(merged, hidden), nn.GELU(), nn.Linear(hidden, hidden))

    def forward(self, patch_features: Tensor) -> Tensor:
        """An odd grid is filled with zeros on the right and at the bottom.

        The merged vector is ordered by channel, then row, then column: index ratio^2 * channel + ratio * row + column.
        """
        width, ratio, cells = patch_features.shape[-1], self.ratio, self.cells
        x = patch_features.view(-1, self.grid, self.grid, width)
        missing = cells * ratio - self.grid
        x = F.pad(x, (0, 0, 0, missing, 0, missing))
        x = x.view(-1, cells, ratio, cells, ratio, width).permute(0, 1, 3, 5, 2, 4)
        out: Tensor = self.layers(x.reshape(-1, cells * cells, width * ratio**2))
        return out
