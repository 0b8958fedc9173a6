"""The network with what training adds to it: an embedding of the true layout and a head that names characters.

Both are thrown away afterwards; a trained demo model is the reference network and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import torch
import torch.nn.functional as F  # noqa: N812 - the customary name
from torch import Tensor, nn

from dsvl2_demo.training.attention_targets import SlotHeads, gaze_loss
from dsvl2_demo.training.batch import Batch
from dsvl2_demo.training.conversation import IGNORED
from dsvl2_demo.training.layout import FEATURES, SLOTS, feature_classes
from dsvl2_demo.training.positional_heads import open_eyes
from dsvl2_export.network import DeepseekVL2
from dsvl2_runtime.config import ModelConfig

Phase = Literal["language", "vision", "joint"]
"""What learns: the language model from true layouts, the eyes towards those layouts, or all of it from pixels."""

EMBEDDING_STD = 0.05

FEATURE_WEIGHT = 0.2
"""Weight of each feature beside the characters in the layout loss: places and sizes are coarser and easier."""


LOGGED = ("answer", "layout", "imitation", "gaze", "slots", "named")
"""Names of the losses that go into the log."""


@dataclass(frozen=True, slots=True)
class Losses:
    """Parts of the training loss, scalars; zero where a phase has no such part."""

    answer: Tensor
    layout: Tensor
    imitation: Tensor
    balance: Tensor
    gaze: Tensor
    slots: Tensor
    logits: Tensor | None
    """`[batch, seq, vocab]`, what is predicted to follow each position."""
    named: Tensor
    """Share of characters that the layout head names rightly."""

    def logged(self) -> Tensor:
        """What goes into the log, `[len(LOGGED)]` on the device: a GPU is not waited for here."""
        return torch.stack([getattr(self, name).detach().float() for name in LOGGED])


class LayoutEmbedding(nn.Module):
    """Stand-in for the eyes: each cell is the sum of vectors for what its 2×2 patches hold and for where it is."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self._grid = config.vision_config.grid
        self._cells = config.cells
        self._ratio = config.projector_config.downsample_ratio
        classes = feature_classes(config.vision_config.patch_size)
        places = self._ratio * self._ratio
        starts = torch.tensor([0, *classes]).cumsum(0)
        self._rows = int(starts[-1])
        offsets = starts[:-1].repeat(places) + torch.arange(places).repeat_interleave(FEATURES) * self._rows
        self.register_buffer("offsets", offsets, persistent=False)
        width = config.language_config.hidden_size
        self._nothing = self._rows * places
        self.features = nn.EmbeddingBag(self._nothing + 1, width, mode="sum", padding_idx=self._nothing)
        self.row = nn.Parameter(torch.randn(self._cells, 1, width) * EMBEDDING_STD)
        self.column = nn.Parameter(torch.randn(1, self._cells, width) * EMBEDDING_STD)
        nn.init.normal_(self.features.weight, std=EMBEDDING_STD)
        with torch.no_grad():
            self.features.weight[-1].zero_()

    def forward(self, layout: Tensor) -> Tensor:
        """`[num_tiles, patches, features]` to `[num_tiles, cells * cells, hidden]`."""
        tiles, grid, ratio = layout.shape[0], self._grid, self._ratio
        padding = self._cells * ratio - grid
        square = layout.view(tiles, grid, grid, FEATURES)
        square = F.pad(square, (0, 0, 0, padding, 0, padding))
        cells = square.view(tiles, self._cells, ratio, self._cells, ratio, FEATURES).permute(0, 1, 3, 2, 4, 5)
        classes = cells.reshape(tiles * self._cells**2, -1).long()
        indices = torch.where(classes > 0, classes + self.get_buffer("offsets"), self._nothing)
        vectors: Tensor = self.features(indices).view(tiles, self._cells, self._cells, -1)
        return (vectors + self.row + self.column).flatten(1, 2)


class LayoutHead(nn.Module):
    """Names the characters of each patch from the features of the vision tower."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.classes = feature_classes(config.vision_config.patch_size)
        self.linear = nn.Linear(config.vision_config.width, sum(self.classes))

    def forward(self, features: Tensor, layout: Tensor) -> tuple[Tensor, Tensor]:
        """Loss per character that is there (false alarms counted in), and the share named rightly.

        Args:
            features: `[num_tiles, patches, width]`.
            layout: `[num_tiles, patches, features]`.
        """
        parts = self.linear(features).float().split(self.classes, -1)
        loss = features.new_zeros((), dtype=torch.float32)
        named = features.new_zeros((), dtype=torch.float32)
        present = (layout[..., :SLOTS] > 0).sum().clamp(min=1)
        for index, logits in enumerate(parts):
            target = layout[..., index].long()
            weight = 1.0 if index < SLOTS else FEATURE_WEIGHT
            loss = loss + weight * F.cross_entropy(logits.flatten(0, 1), target.flatten(), reduction="sum")
            if index < SLOTS:
                named = named + ((logits.argmax(-1) == target) & (target > 0)).sum()
        return loss / present, named / present


class Reader(nn.Module):
    """The reference network, the layout embedding and the layout head."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.gaze_positions: int | None = None
        """Of each conversation, drawn anew in each step, whose looks are taught; None means all."""
        self.network = DeepseekVL2(config)
        self.layout_embedding = LayoutEmbedding(config)
        self.layout_head = LayoutHead(config)
        self.slot_heads = SlotHeads(config)
        # One scale for text and cells; the default of 1.0 would drown what the first layers add.
        for parameter in (
            self.network.language.model.embed_tokens.weight,
            self.network.image_newline,
            self.network.view_seperator,
        ):
            nn.init.normal_(parameter, std=EMBEDDING_STD)
        open_eyes(self.network.vision)

    def forward(self, batch: Batch, phase: Phase) -> Losses:
        """All losses of a batch in one phase; nothing is weighed here."""
        zero = batch.input_ids.new_zeros((), dtype=torch.float32)
        if phase == "language":
            return self._answer(batch, self.layout_embedding(batch.layout))
        pixels = (batch.pixels.float() / 255 - 0.5) / 0.5
        features = self.network.vision(pixels)
        layout_loss, named = self.layout_head(features, batch.layout)
        cells = self.network.projector(features)
        if phase == "vision":
            true_cells = self.layout_embedding(batch.layout).detach().float()
            imitation = F.mse_loss(cells.float(), true_cells) / true_cells.var()
            return Losses(zero, layout_loss, imitation, zero, zero, zero, None, named)
        return replace(self._answer(batch, cells), layout=layout_loss, named=named)

    def _answer(self, batch: Batch, cells: Tensor) -> Losses:
        language = self.network.language
        text = language.model.embed_tokens(batch.input_ids)  # [batch, seq, hidden]
        vectors = (self.network.image_newline, self.network.view_seperator)
        table = torch.cat([torch.stack(vectors), cells.flatten(0, 1)]).to(text.dtype)
        rows = batch.table_rows
        inputs_embeds = torch.where((rows >= 0).unsqueeze(-1), table[rows.clamp(min=0)], text)
        output = language.model(inputs_embeds)
        balance = torch.stack([router.balance_loss() for router in output.routers]).mean()
        gaze = gaze_loss(language.model, output, rows, batch.here.cells, batch.ahead.cells, self.gaze_positions)
        slots = self.slot_heads(output, batch.here, batch.ahead)
        logits = language.lm_head(output.hidden_states).float()  # [batch, seq, vocab]
        answer = F.cross_entropy(logits.flatten(0, 1), batch.targets.flatten(), ignore_index=IGNORED)
        zero = torch.zeros_like(answer)
        return Losses(answer, zero, zero, balance, gaze, slots, logits, zero)
