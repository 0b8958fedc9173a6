"""Weights trained with tiles of one size, for tiles of another: what belongs to a place on the tile is stretched.

A picture that is fitted into a larger tile shows the same thing larger, so each learned place goes along with what is
seen there, and a look at the neighbouring character still meets it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch.nn.functional as F  # noqa: N812 - the customary name
from torch import Tensor

from dsvl2_runtime.config import ModelConfig

POSITIONS = "network.vision.pos_embed"
ROW, COLUMN = "layout_embedding.row", "layout_embedding.column"


def stretched(weights: Mapping[str, Tensor], config: ModelConfig) -> dict[str, Tensor]:
    """The weights of a `Reader` for the tiles of `config`; those that fit already stay as they are.

    Args:
        weights: with `[1, patches, width]` position embeddings and `[cells, 1, hidden]`, `[1, cells, hidden]` rows and
            columns of the layout embedding, of square tiles of any size.
        config: of the new tiles.
    """
    result = dict(weights)
    positions = result[POSITIONS]
    grid = math.isqrt(positions.shape[1])
    square = positions.transpose(1, 2).unflatten(2, (grid, grid))
    result[POSITIONS] = _resized(square, (config.vision_config.grid,) * 2).flatten(2).transpose(1, 2).contiguous()
    for name, axis in ((ROW, 0), (COLUMN, 1)):
        line = result[name].squeeze(1 - axis).T[None, None]  # [1, 1, hidden, cells]
        size = (line.shape[2], config.cells)
        result[name] = _resized(line, size)[0, 0].T.unsqueeze(1 - axis).contiguous()
    return result


def _resized(values: Tensor, size: tuple[int, int]) -> Tensor:
    if values.shape[2:] == size:
        return values
    return F.interpolate(values.float(), size, mode="bicubic", align_corners=False)
