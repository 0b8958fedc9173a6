"""The network's parts as a GPU wants them in training: fewer and larger operations, and nothing to wait for.

Each class has the parameters and the results of the one it stands for; `fuse` changes a network to them in place.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - the customary name
from torch import Tensor, nn

from dsvl2_demo.training.geometry import demo_config
from dsvl2_export.network.attention import LatentAttention, RMSNorm, Rows, attend
from dsvl2_export.network.moe import GatedMLP, MixtureOfExperts, RouterStatistics

LARGEST_DIFFERENCE = 0.03
"""Between grouped experts and masked ones, relative to the norm: bfloat16 gives one in a hundred."""


class MaskedExperts(MixtureOfExperts):
    """Each token goes through all experts, and those not chosen count nothing.

    Experts of 128 values are so narrow that sorting tokens by expert costs more than computing the others, and the
    sorting has to wait for the GPU to say how many tokens each expert got. Side by side they are one gated MLP.
    """

    def forward(self, x: Tensor) -> tuple[Tensor, RouterStatistics]:
        """[batch, seq, hidden] -> the same, and what the router did."""
        tokens = x.flatten(0, 1)
        weights, statistics = self.gate(tokens)
        experts = [expert for expert in self.experts if isinstance(expert, GatedMLP)]
        shares = torch.zeros_like(statistics.scores).scatter(1, statistics.chosen, weights)  # [tokens, experts]
        gate = torch.cat([expert.gate_proj.weight for expert in experts])
        up = torch.cat([expert.up_proj.weight for expert in experts])
        down = torch.cat([expert.down_proj.weight for expert in experts], dim=1)
        inside = F.silu(F.linear(tokens, gate)) * F.linear(tokens, up)
        weighed = inside.unflatten(1, (len(experts), -1)) * shares.to(inside.dtype).unsqueeze(-1)
        routed = F.linear(weighed.flatten(1), down).view_as(x)
        if self.shared_experts is None:
            return routed, statistics
        return routed + self.shared_experts(x), statistics


class _Dispatched(torch.autograd.Function):
    """Rows of tokens in the order of their experts; its gradient is `_Combined`, which adds without atomics."""

    @staticmethod
    def forward(ctx: Any, tokens: Tensor, order: Tensor, places: Tensor, each: int) -> Tensor:
        """[tokens, hidden] -> [tokens * each, hidden], row `order[i] // each` at i."""
        ctx.save_for_backward(order, places)
        ctx.each = each
        return tokens.index_select(0, order // each)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Of the tokens."""
        order, places = ctx.saved_tensors
        return _combined(gradients[0], order, places, ctx.each), None, None, None


class _Combined(torch.autograd.Function):
    """The sum of what the experts of each token gave; its gradient is `_Dispatched`."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, order: Tensor, places: Tensor, each: int) -> Tensor:
        """[tokens * each, hidden] in the order of experts -> [tokens, hidden]."""
        ctx.save_for_backward(order, places)
        ctx.each = each
        apart: Tensor = rows.index_select(0, places).unflatten(0, (-1, each))
        return apart.sum(1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Of the rows."""
        order, places = ctx.saved_tensors
        return _dispatched(gradients[0], order, places, ctx.each), None, None, None


# What PyTorch says of `apply` has no types.
_dispatched: Callable[[Tensor, Tensor, Tensor, int], Tensor] = _Dispatched.apply
_combined: Callable[[Tensor, Tensor, Tensor, int], Tensor] = _Combined.apply


class GroupedExperts(MixtureOfExperts):
    """Each token goes through its own experts, by one product over groups of rows, and nothing waits for the GPU.

    Needs `torch._grouped_mm`, which waits for the GPU before compute capability 9.0 and gave experts without tokens
    wrong gradients on 10.0 (PyTorch issues 169970 and 172439); see `experts_of`.
    """

    def forward(self, x: Tensor) -> tuple[Tensor, RouterStatistics]:
        """[batch, seq, hidden] -> the same, and what the router did."""
        tokens = x.flatten(0, 1)
        weights, statistics = self.gate(tokens)
        each = weights.shape[1]
        experts = [expert for expert in self.experts if isinstance(expert, GatedMLP)]
        # Sorted as bytes, which takes one pass over the digits.
        chosen, order = statistics.chosen.flatten().to(torch.uint8).sort(stable=True)
        places = torch.empty_like(order).scatter_(0, order, torch.arange(len(order), device=order.device))
        numbers = torch.arange(len(experts), device=order.device, dtype=torch.uint8)
        ends = (chosen[:, None] <= numbers).sum(0, dtype=torch.int32)
        gate_up = torch.stack([torch.cat([expert.gate_proj.weight, expert.up_proj.weight]) for expert in experts])
        down = torch.stack([expert.down_proj.weight for expert in experts])
        rows = _dispatched(tokens, order, places, each)
        gate, up = _grouped(rows, gate_up, ends).chunk(2, dim=-1)  # each [tokens * each, intermediate]
        share = weights.flatten().gather(0, order)
        inside = F.silu(gate) * up * share.to(gate.dtype).unsqueeze(-1)
        routed = _combined(_grouped(inside, down, ends), order, places, each).view_as(x)
        if self.shared_experts is None:
            return routed, statistics
        return routed + self.shared_experts(x), statistics


def _grouped(rows: Tensor, weights: Tensor, ends: Tensor) -> Tensor:
    """Each group of rows times the transpose of its matrix.

    Args:
        rows: `[rows, in_features]`, group by group.
        weights: `[groups, out_features, in_features]`.
        ends: `[groups] int32`, where each group of rows ends.
    """
    exact = rows.device.type == "cpu" and not torch.is_autocast_enabled("cpu")
    dtype = rows.dtype if exact else torch.bfloat16  # the only type that a GPU has it for
    return torch._grouped_mm(rows.to(dtype), weights.to(dtype).transpose(1, 2), offs=ends)


def experts_of(device: torch.device) -> type[MixtureOfExperts]:
    """How experts are computed on a device: grouped where that was tried and gave the right numbers."""
    if device.type != "cuda" or torch.cuda.get_device_capability(device) != (9, 0):
        return MaskedExperts
    try:
        found, expected = (tried(device, kind) for kind in (GroupedExperts, MaskedExperts))
    except (RuntimeError, AttributeError) as error:
        print(f"experts are computed side by side, as grouped products failed: {error}", flush=True)
        return MaskedExperts
    worst = max(float((a - b).norm() / b.norm()) for a, b in zip(found, expected, strict=True))
    if not worst < LARGEST_DIFFERENCE:
        print(f"experts are computed side by side, as grouped products were {worst:.1%} off", flush=True)
        return MaskedExperts
    return GroupedExperts


def tried(device: torch.device, kind: type[MixtureOfExperts]) -> list[Tensor]:
    """What experts of random weights give on a device, and the gradients of their parameters."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(0)
        experts = MixtureOfExperts(demo_config().language_config)
        x = torch.randn(3, 77, demo_config().language_config.hidden_size)
    experts.__class__ = kind
    experts.to(device)
    with torch.autocast(device.type, torch.bfloat16):
        out, _ = experts(x.to(device))
    names, parameters = zip(*experts.named_parameters(), strict=True)
    gradients = torch.autograd.grad(out.float().square().sum(), parameters)
    both = zip(names, gradients, strict=True)
    # The router's gradient is a small difference of large numbers.
    return [out.detach().float(), *(gradient.float() for name, gradient in both if not name.startswith("gate."))]


class FusedRMSNorm(RMSNorm):
    """In one kernel, in fp32; under autocast the result is cast once, and not by each matrix that reads it."""

    def forward(self, x: Tensor) -> Tensor:
        """[..., width] -> the same."""
        normed = F.rms_norm(x.float(), self.weight.shape, self.weight, self.eps)
        kind = x.device.type
        return normed.to(torch.get_autocast_dtype(kind)) if torch.is_autocast_enabled(kind) else normed


class FusedAttention(LatentAttention):
    """Turns queries and keys by one complex product."""

    def forward(self, x: Tensor, angles: Tensor, past: Rows | None = None) -> tuple[Tensor, Rows]:
        """As `LatentAttention.forward`."""
        if past is not None:
            return super().forward(x, angles, past)
        config = self.config
        heads, rank = config.num_attention_heads, config.latent_rank
        nope, rope, width = config.qk_nope_head_dim, config.qk_rope_head_dim, config.v_head_dim
        turn = torch.polar(torch.ones_like(angles), angles).transpose(1, 2)  # [batch, seq, 1, rope / 2]
        q = self.q_proj(x).unflatten(-1, (heads, nope + rope))  # [batch, seq, heads, nope + rope]
        q_nope, q_rope = q.split([nope, rope], dim=-1)
        q = torch.cat([q_nope, _turned(q_rope, turn)], dim=-1).transpose(1, 2)
        latent, k_rope = self.kv_a_proj_with_mqa(x).split([rank, rope], dim=-1)
        k_rope = _turned(k_rope[:, :, None], turn)  # [batch, seq, 1, rope]
        latent = self.kv_a_layernorm(latent)
        expanded = self.kv_b_proj(latent).unflatten(-1, (heads, nope + width))
        k_nope, v = expanded.split([nope, width], dim=-1)
        k = torch.cat([k_nope, k_rope.expand(-1, -1, heads, -1)], dim=-1).transpose(1, 2)
        out: Tensor = self.o_proj(attend(q, k, v.transpose(1, 2), config.head_dim**-0.5))
        return out, (torch.cat([latent, k_rope[:, :, 0].to(latent.dtype)], dim=-1),)


def _turned(x: Tensor, turn: Tensor) -> Tensor:
    """Pairs (2i, 2i + 1) of [batch, seq, heads, rope_dim] turned by complex numbers of absolute value 1."""
    pairs = torch.view_as_complex(x.float().unflatten(-1, (-1, 2)).contiguous())
    return torch.view_as_real(pairs * turn).flatten(-2).to(x.dtype)


FUSED: dict[type[nn.Module], type[nn.Module]] = {RMSNorm: FusedRMSNorm, LatentAttention: FusedAttention}


def fuse(network: nn.Module, experts: type[MixtureOfExperts] = MaskedExperts) -> None:
    """Let every part of a network compute this way, in place.

    Args:
        network: to be changed.
        experts: how its experts compute; `experts_of` says what a device can do.
    """
    kinds = {**FUSED, MixtureOfExperts: experts}
    for module in network.modules():
        if type(module) in kinds:
            module.__class__ = kinds[type(module)]
