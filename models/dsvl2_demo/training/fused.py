"""The network's parts as a GPU wants them in training: fewer and larger operations, and nothing to wait for.

Each class has the parameters and the results of the one it stands for; `fuse` changes a network to them in place.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812 - the customary name
from torch import Tensor, nn

from dsvl2_export.network.attention import LatentAttention, RMSNorm, Rows, attend
from dsvl2_export.network.moe import GatedMLP, MixtureOfExperts, RouterStatistics


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


FUSED: dict[type[nn.Module], type[nn.Module]] = {
    MixtureOfExperts: MaskedExperts,
    RMSNorm: FusedRMSNorm,
    LatentAttention: FusedAttention,
}


def fuse(network: nn.Module) -> None:
    """Let every part of a network compute this way, in place."""
    for module in network.modules():
        if type(module) in FUSED:
            module.__class__ = FUSED[type(module)]
