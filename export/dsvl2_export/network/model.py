"""The whole model: pictures and token ids in, logits out.

Source: `modeling_deepseek_vl_v2.py` `DeepseekVLV2ForCausalLM.prepare_inputs_embeds`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from dsvl2_export.network.language import LanguageModel
from dsvl2_export.network.projector import Projector
from dsvl2_export.network.vision import VisionTower
from dsvl2_runtime.config import ModelConfig

Tilings = Sequence[tuple[int, int]]
"""(tiles wide, tiles high) of each picture, in the order of appearance over the whole batch."""


class DeepseekVL2(nn.Module):
    """DeepSeek-VL2 of any size."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        hidden = config.language_config.hidden_size
        self.vision = VisionTower(config.vision_config)
        self.projector = Projector(config)
        self.image_newline = nn.Parameter(torch.randn(hidden) * hidden**-0.5)
        self.view_seperator = nn.Parameter(torch.randn(hidden) * hidden**-0.5)  # spelt as in the checkpoint
        self.language = LanguageModel(config.language_config)

    def image_features(self, pixel_values: Tensor, tilings: Tilings) -> Tensor:
        """Tokens of all pictures in order.

        Args:
            pixel_values: [num_tiles, 3, image_size, image_size]; for each picture the global view, then its tiles row
                by row. A picture of one tile brings that tile alone: it has the same pixels as the global view.
            tilings: of each picture.

        Returns:
            [num_image_tokens, hidden].
        """
        tile_features = self.projector(self.vision(pixel_values))
        return lay_out(tile_features, tilings, self.config.cells, self.image_newline, self.view_seperator)

    def embed(self, input_ids: Tensor, images_seq_mask: Tensor | None, image_features: Tensor | None) -> Tensor:
        """[batch, seq] int64 -> [batch, seq, hidden], rows under the mask [batch, seq] bool being image tokens."""
        embeds: Tensor = self.language.model.embed_tokens(input_ids)
        if image_features is None or images_seq_mask is None:
            return embeds
        return embeds.masked_scatter(images_seq_mask[..., None], image_features.to(embeds.dtype))

    def forward(
        self,
        input_ids: Tensor,
        pixel_values: Tensor | None = None,
        images_seq_mask: Tensor | None = None,
        tilings: Tilings = (),
    ) -> Tensor:
        """[batch, seq] int64 and pictures -> logits [batch, seq, vocab] float32; padding, if any, is on the right."""
        features = None if pixel_values is None else self.image_features(pixel_values, tilings)
        logits: Tensor = self.language(self.embed(input_ids, images_seq_mask, features))[0]
        return logits


def lay_out(
    tile_features: Tensor, tilings: Tilings, cells: int, image_newline: Tensor, view_separator: Tensor
) -> Tensor:
    """The two-dimensional order of image tokens: the global view, a separator, all tiles as one large grid.

    Every row of either grid ends with `image_newline`.

    Args:
        tile_features: [num_tiles, cells * cells, hidden].
        tilings: of each picture.
        cells: along one side of a tile.
        image_newline: [hidden].
        view_separator: [hidden].

    Returns:
        [num_image_tokens, hidden].
    """
    hidden = tile_features.shape[-1]
    pieces: list[Tensor] = []
    start = 0

    def rows(grid: Tensor) -> Tensor:
        """[rows, columns, hidden] -> [rows * (columns + 1), hidden]."""
        newline = image_newline.to(grid.dtype).expand(len(grid), 1, hidden)
        return torch.cat([grid, newline], dim=1).flatten(0, 1)

    for wide, high in tilings:
        view = tile_features[start].view(cells, cells, hidden)
        if wide == high == 1:
            tiles, start = tile_features[start : start + 1], start + 1
        else:
            tiles, start = tile_features[start + 1 : start + 1 + wide * high], start + 1 + wide * high
        grid = tiles.view(high, wide, cells, cells, hidden).transpose(1, 2).reshape(high * cells, wide * cells, hidden)
        pieces += [rows(view), view_separator.to(view.dtype)[None], rows(grid)]
    return torch.cat(pieces)
