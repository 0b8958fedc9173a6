"""Mixture of experts: a router, routed experts and an always-on shared MLP.

Source: DeepSeekMoE paper (arXiv 2401.06066) section 3; `modeling_deepseek.py` `MoEGate`, `DeepseekV2MoE`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from dsvl2_runtime.config import LanguageConfig


class GatedMLP(nn.Module):
    """`down(silu(gate x) * up x)`."""

    def __init__(self, hidden: int, intermediate: int) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(hidden, intermediate, bias=False)
        self.up_proj = nn.Linear(hidden, intermediate, bias=False)
        self.down_proj = nn.Linear(intermediate, hidden, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """[..., hidden] -> the same."""
        out: Tensor = self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))
        return out


@dataclass(frozen=True, slots=True)
class RouterStatistics:
    """What one router did, for balancing and for reports."""

    scores: Tensor
    """[tokens, experts] float32, softmax or sigmoid over all experts, with gradient."""
    chosen: Tensor
    """[tokens, experts_per_token] int64."""

    def balance_loss(self) -> Tensor:
        """Number of experts * sum over experts of (share of choices) * (mean normalised score); 1 when balanced.

        DeepSeekMoE paper section 3.3, equation 12, with the usual factor left to the trainer.
        """
        experts = self.scores.shape[-1]
        # Compared, not counted by bincount, which a GPU has to wait for.
        chosen = self.chosen[..., None] == torch.arange(experts, device=self.chosen.device)
        shares = chosen.sum((0, 1)).to(self.scores.dtype) / self.chosen.numel()
        normalised = self.scores / self.scores.sum(-1, keepdim=True)
        return experts * (shares * normalised.mean(0)).sum()


class Router(nn.Module):
    """Chooses experts for each token and says how much each counts; always in fp32."""

    def __init__(self, config: LanguageConfig) -> None:
        super().__init__()
        self.config = config
        experts = config.n_routed_experts or 0
        self.weight = nn.Parameter(torch.randn(experts, config.hidden_size) * config.hidden_size**-0.5)
        if config.topk_method == "noaux_tc":
            self.e_score_correction_bias = nn.Parameter(torch.zeros(experts))

    def forward(self, x: Tensor) -> tuple[Tensor, RouterStatistics]:
        """[tokens, hidden] -> weights [tokens, experts_per_token] float32 of the chosen experts, and statistics."""
        config = self.config
        with torch.autocast(x.device.type, enabled=False):
            logits = F.linear(x.float(), self.weight.float())
        if config.scoring_func == "softmax":
            scores = choice = logits.softmax(-1)
        else:
            scores = logits.sigmoid()
            choice = scores + self.e_score_correction_bias.float()
        chosen = choice.topk(config.num_experts_per_tok or 0, dim=-1).indices
        weights = scores.gather(-1, chosen)
        if config.norm_topk_prob:
            weights = weights / (weights.sum(-1, keepdim=True) + 1e-20)
        return weights * config.routed_scaling_factor, RouterStatistics(scores, chosen)


class MixtureOfExperts(nn.Module):
    """`sum of weight * expert(x) + shared(x)`; the sum over experts is taken in fp32."""

    def __init__(self, config: LanguageConfig) -> None:
        super().__init__()
        hidden, width = config.hidden_size, config.moe_intermediate_size
        self.gate = Router(config)
        self.experts = nn.ModuleList(GatedMLP(hidden, width) for _ in range(config.n_routed_experts or 0))
        self.shared_experts = GatedMLP(hidden, config.shared_intermediate_size) if config.n_shared_experts else None

    def forward(self, x: Tensor) -> tuple[Tensor, RouterStatistics]:
        """[batch, seq, hidden] -> the same, and what the router did."""
        tokens = x.flatten(0, 1)
        weights, statistics = self.gate(tokens)
        order = statistics.chosen.flatten().argsort()
        counts = torch.bincount(statistics.chosen.flatten(), minlength=len(self.experts)).tolist()
        rows = order // statistics.chosen.shape[-1]  # which token each sorted choice belongs to
        pieces = tokens[rows].split(counts)
        outputs = torch.cat([expert(piece) for expert, piece in zip(self.experts, pieces, strict=True)])
        weighted = outputs.float() * weights.flatten()[order, None]
        routed = torch.zeros_like(tokens, dtype=torch.float32).index_add(0, rows, weighted).to(x.dtype).view_as(x)
        if self.shared_experts is None:
            return routed, statistics
        return routed + self.shared_experts(x), statistics
