"""Teaching the language model where to look: a few heads of a layer are told which cell of the picture to attend to.

Which cell holds the character that is being read is known for every token of an answer. Left alone, attention finds
this out late: answers are first learned without the picture. A cross-entropy on a head's weights teaches it at once,
and reading follows. Lower layers are told the place of the token just read, higher ones that of the next one.
The network is not changed; the loss is left out of everything but training.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - the customary name
from torch import Tensor, nn

from dsvl2_demo.questions.tasks import COORDINATES
from dsvl2_demo.training.batch import Looks
from dsvl2_demo.training.layout import SLOTS
from dsvl2_export.network.attention import LatentAttention, RMSNorm, rope_angles, rotate_interleaved
from dsvl2_export.network.language import Decoder, LanguageOutput
from dsvl2_runtime.config import ModelConfig

NEXT_HEADS: tuple[int, ...] = (0, 2, 3, 5, 6, 7, 8, 9)
HERE_HEADS: tuple[int, ...] = (1, 4, 6, 10)
"""One head carries too little of a cell, which holds three or four characters of a line, to tell them apart, and heads
that are not told do not follow by themselves: after two hours with three told heads, the others gave the right cell
2 %."""

SMALLEST_SHARE = 1e-9
"""Of its attention that a head is taken to give to any cell, so that a logarithm exists."""

EDGE_BIN = 8
"""Coordinates told apart as one; 2.5 pixels of a tile."""


def gaze_loss(
    decoder: Decoder, output: LanguageOutput, table_rows: Tensor, here: Tensor, ahead: Tensor, most: int | None = None
) -> Tensor:
    """Mean of -log(attention to the right cells) over the taught layers and heads.

    Args:
        decoder: with latent attention.
        output: of the decoder.
        table_rows: `[batch, seq] int64`, which cell each position shows, -1 at text.
        here: `[batch, seq] int64`, the cell of the token at each position, -1 where there is none.
        ahead: `[batch, seq] int64`, the cell of the token that follows, -1 where there is none.
        most: positions of each row that are taught, drawn at random; None takes all.
    """
    halfway = len(decoder.layers) // 2
    looking_here, looking_ahead = _Queries.of(here, table_rows, most), _Queries.of(ahead, table_rows, most)
    taught = [(layer, HERE_HEADS, looking_here) for layer in range(1, max(2, halfway))]
    taught += [(layer, NEXT_HEADS, looking_ahead) for layer in range(halfway, len(decoder.layers))]
    losses = [_heads_loss(decoder.layers[layer], output, layer, heads, queries) for layer, heads, queries in taught]
    return torch.cat(losses).mean()


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


@dataclass(frozen=True, slots=True)
class _Queries:
    """The positions that look at a cell, brought to the front of each row: `most` of them and padding."""

    order: Tensor
    """`[batch, most] int64`, their positions."""
    valid: Tensor
    """`[batch, most] bool`, False at padding."""
    right: Tensor
    """`[batch, 1, most, seq] bool`, the positions that show their cell."""
    future: Tensor
    """`[batch, 1, most, seq] bool`, what they do not see."""

    @classmethod
    def of(cls, wanted: Tensor, table_rows: Tensor, most: int | None) -> _Queries:
        """Those with a wanted cell; `[batch, seq] int64` both."""
        looks = wanted >= 0
        if most is None:
            most = max(1, int(looks.sum(1).max()))
            order = looks.int().argsort(dim=1, descending=True, stable=True)[:, :most]
        else:
            drawn = torch.rand(looks.shape, device=looks.device) * looks
            order = drawn.topk(min(most, looks.shape[1]), dim=1).indices
        positions = torch.arange(table_rows.shape[1], device=table_rows.device)
        right = table_rows[:, None, :] == wanted.gather(1, order)[..., None]
        return cls(order, looks.gather(1, order), right[:, None], (positions > order[..., None])[:, None])


class _Missed(torch.autograd.Function):
    """`missed_looks` with its gradient, which for the scores is `seen * (share - right) / share`.

    The scores of all taught heads are the largest tensors of a step: automatic differentiation goes over them a dozen
    times in fp32, this five times in the type that they were computed in.
    """

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, right: Tensor, future: Tensor) -> Tensor:
        """As `missed_looks`."""
        with torch.autocast(q.device.type, enabled=False):
            seen = (q @ k.transpose(2, 3)).masked_fill_(future, -torch.inf).softmax(-1)
            share = (seen * right).sum(-1, dtype=torch.float32)
        ctx.save_for_backward(q, k, right, seen, share)
        return -(share + SMALLEST_SHARE).log()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Of queries and keys."""
        q, k, right, seen, share = ctx.saved_tensors
        rate = gradients[0] / (share + SMALLEST_SHARE)
        at_right, elsewhere = (((share - there) * rate).to(seen.dtype).unsqueeze(-1) for there in (1, 0))
        scores = torch.where(right, at_right, elsewhere).mul_(seen)
        return scores @ k, scores.transpose(2, 3) @ q, None, None


def missed_looks(q: Tensor, k: Tensor, right: Tensor, future: Tensor) -> Tensor:
    """-log of what queries attend to the right positions, `[batch, heads, most] float32`.

    Args:
        q: `[batch, heads, most, width]`, scaled.
        k: `[batch, heads, seq, width]`.
        right: `[batch, 1, most, seq] bool`.
        future: `[batch, 1, most, seq] bool`, what the queries do not see.
    """
    apply: Callable[[Tensor, Tensor, Tensor, Tensor], Tensor] = _Missed.apply  # which has no types
    return apply(q, k, right, future)


@functools.cache
def _index(heads: tuple[int, ...], device: torch.device) -> Tensor:
    return torch.tensor(heads, device=device)


def _heads_loss(
    layer: nn.Module, output: LanguageOutput, index: int, heads: tuple[int, ...], queries: _Queries
) -> Tensor:
    """Of each of the heads that the layer has, `[heads] float32`."""
    attention, norm = layer.self_attn, layer.input_layernorm
    if not isinstance(attention, LatentAttention) or not isinstance(norm, RMSNorm):
        raise TypeError("gaze is taught to latent attention only")
    config = attention.config
    rank, rope, nope = config.latent_rank, config.qk_rope_head_dim, config.qk_nope_head_dim
    taught = _index(tuple(head for head in heads if head < config.num_attention_heads), output.hidden_states.device)
    hidden_states = output.layer_inputs[index]
    order = queries.order
    x = norm(hidden_states.gather(1, order[..., None].expand(-1, -1, hidden_states.shape[-1])))
    q_weight = attention.q_proj.weight.unflatten(0, (-1, nope + rope))[taught]  # [heads, nope + rope, hidden]
    q = (x @ q_weight.flatten(0, 1).T).unflatten(-1, (len(taught), -1)).transpose(1, 2)
    q_rope = rotate_interleaved(q[..., nope:], rope_angles(order, config))
    latents, k_rope = output.rows[index][0].split([rank, rope], dim=-1)
    k_weight = attention.kv_b_proj.weight.unflatten(0, (-1, nope + config.v_head_dim))[taught, :nope]
    k_nope = (latents @ k_weight.flatten(0, 1).T).unflatten(-1, (len(taught), -1)).transpose(1, 2)
    k_rope = k_rope[:, None].expand(-1, len(taught), -1, -1)
    q, k = torch.cat([q[..., :nope], q_rope.to(q.dtype)], -1), torch.cat([k_nope, k_rope.to(k_nope.dtype)], -1)
    missed = missed_looks(q * config.head_dim**-0.5, k, queries.right, queries.future)
    loss: Tensor = (missed * queries.valid[:, None]).sum((0, 2)) / queries.valid.sum().clamp(min=1)
    return loss
