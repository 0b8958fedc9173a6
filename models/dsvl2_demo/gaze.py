"""Teaching the language model where to look: a few heads of a layer are told which cell of the picture to attend to.

Which cell holds the character that is being read is known for every token of an answer. Left alone, attention finds
this out late: answers are first learned without the picture. A cross-entropy on a head's weights teaches it at once,
and reading follows. Lower layers are told the place of the token just read, higher ones that of the next one.
The network is not changed; the loss is left out of everything but training.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812 - the customary name
from torch import Tensor, nn

from dsvl2_demo.batches import Looks
from dsvl2_demo.layout import SLOTS
from dsvl2_demo.tasks import COORDINATES
from dsvl2_export.network.attention import LatentAttention, RMSNorm, rope_angles, rotate_interleaved
from dsvl2_export.network.language import Decoder, LanguageOutput
from dsvl2_runtime.config import ModelConfig

NEXT_HEADS: tuple[int, ...] = (0, 2, 3, 5, 6, 7)
HERE_HEADS: tuple[int, ...] = (1, 4, 6)
"""One head carries too little of a cell, which holds a dozen characters, to tell them apart, and heads that are not
told do not follow by themselves: after two hours with three told heads, the others gave the right cell 2 %."""

EDGE_BIN = 8
"""Coordinates told apart as one; 1.8 pixels of a tile, and a line of text is twelve high."""


def gaze_loss(decoder: Decoder, output: LanguageOutput, table_rows: Tensor, here: Tensor, ahead: Tensor) -> Tensor:
    """Mean of -log(attention to the right cells) over the taught layers and heads.

    Args:
        decoder: with latent attention.
        output: of the decoder.
        table_rows: `[batch, seq] int64`, which cell each position shows, -1 at text.
        here: `[batch, seq] int64`, the cell of the token at each position, -1 where there is none.
        ahead: `[batch, seq] int64`, the cell of the token that follows, -1 where there is none.
    """
    layers = len(decoder.layers)
    taught = [(layer, HERE_HEADS, here) for layer in range(1, max(2, layers // 2))]
    taught += [(layer, NEXT_HEADS, ahead) for layer in range(layers // 2, layers)]
    losses = [
        _head_loss(decoder.layers[layer], output, layer, head, table_rows, wanted)
        for layer, heads, wanted in taught
        for head in heads
        if head < decoder.config.num_attention_heads
    ]
    return torch.stack(losses).mean()


class SlotHeads(nn.Module):
    """Say which character of its cell is read now, which is next, and which edge of a box, from states half-way.

    A cell holds three or four characters of a line. Which of them comes next follows from counting, and a language
    model left alone learns to count late: until then it skips thin letters and repeats double ones.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        width = config.language_config.hidden_size
        classes = config.projector_config.downsample_ratio**2 * SLOTS
        self.here = nn.Linear(width, classes)
        self.ahead = nn.Linear(width, classes)
        self.edge = nn.Linear(width, (COORDINATES + 1) // EDGE_BIN)
        self._at = config.language_config.num_hidden_layers // 2

    def forward(self, output: LanguageOutput, here: Looks, ahead: Looks) -> Tensor:
        """Mean cross-entropy of all of them.

        Args:
            output: of the decoder.
            here: where the token at each position is seen.
            ahead: where the token that follows is seen.
        """
        middle = output.layer_inputs[self._at]
        later = output.layer_inputs[min(self._at + 1, len(output.layer_inputs) - 1)]
        edges = ahead.coordinates.div(EDGE_BIN, rounding_mode="floor")  # -1 stays -1
        pairs = ((self.here(middle), here.slots), (self.ahead(later), ahead.slots), (self.edge(later), edges))
        losses = [
            F.cross_entropy(found.float().flatten(0, 1), wanted.flatten(), ignore_index=-1) for found, wanted in pairs
        ]
        return torch.stack(losses).nan_to_num().mean()


def _head_loss(
    layer: nn.Module, output: LanguageOutput, index: int, head: int, table_rows: Tensor, wanted: Tensor
) -> Tensor:
    attention, norm = layer.self_attn, layer.input_layernorm
    if not isinstance(attention, LatentAttention) or not isinstance(norm, RMSNorm):
        raise TypeError("gaze is taught to latent attention only")
    config = attention.config
    rank, rope, nope = config.latent_rank, config.qk_rope_head_dim, config.qk_nope_head_dim
    hidden_states = output.layer_inputs[index]
    looks = wanted >= 0
    most = max(1, int(looks.sum(1).max()))
    order = looks.int().argsort(dim=1, descending=True, stable=True)[:, :most]  # [batch, most] positions of queries
    valid = looks.gather(1, order)

    x = hidden_states.gather(1, order[..., None].expand(-1, -1, hidden_states.shape[-1]))
    width = nope + rope
    q = norm(x) @ attention.q_proj.weight[head * width : (head + 1) * width].T
    q_rope = rotate_interleaved(q[:, None, :, nope:], rope_angles(order, config))[:, 0]
    latents, k_rope = output.rows[index][0].split([rank, rope], dim=-1)
    start = head * (nope + config.v_head_dim)
    k_nope = latents @ attention.kv_b_proj.weight[start : start + nope].T
    scores = (q[..., :nope] @ k_nope.transpose(1, 2) + q_rope.to(q.dtype) @ k_rope.to(q.dtype).transpose(1, 2)).float()
    scores = scores * config.head_dim**-0.5  # [batch, most, seq]

    positions = torch.arange(table_rows.shape[1], device=table_rows.device)
    scores = scores.masked_fill(positions > order[..., None], -torch.inf)
    right = table_rows[:, None, :] == wanted.gather(1, order)[..., None]
    missed = scores.logsumexp(-1) - scores.masked_fill(~right, -1e9).logsumexp(-1)
    loss: Tensor = missed.masked_fill(~valid, 0.0).sum() / valid.sum().clamp(min=1)
    return loss
