"""Attention of the language model: latent (Small, Base) and plain (Tiny), with the cached rows of `graph_io`.

Source: DeepSeek-V2 paper (arXiv 2405.04434) section 2.1; `modeling_deepseek.py` `DeepseekV2Attention`, and for Tiny
the stock Llama attention. This is the expanded form; the exported graph's decode step uses the absorbed one.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from dsvl2_runtime.config import KV_A_NORM_EPS, LanguageConfig

Rows = tuple[Tensor, ...]
"""What one layer caches, each [batch, seq, row]; `graph_io.cache_tensors` gives the order."""


class RMSNorm(nn.Module):
    """`x * rsqrt(mean(x^2) + eps)` in fp32, cast back, then times the weight."""

    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """[..., width] -> the same."""
        full = x.float()
        normed = full * torch.rsqrt(full.square().mean(-1, keepdim=True) + self.eps)
        return self.weight * normed.to(x.dtype)


def rope_angles(position_ids: Tensor, config: LanguageConfig) -> Tensor:
    """[batch, seq] int64 -> [batch, 1, seq, rope_dim / 2] float32, always computed in fp32 from whole positions."""
    exponents = torch.arange(0, config.rope_dim, 2, device=position_ids.device, dtype=torch.float64) / config.rope_dim
    frequencies = (config.rope_theta**-exponents).float()
    return position_ids[:, None, :, None].float() * frequencies


def rotate_interleaved(x: Tensor, angles: Tensor) -> Tensor:
    """Rotate the pairs (2i, 2i + 1) of [batch, heads, seq, rope_dim]."""
    cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
    even, odd = x[..., 0::2], x[..., 1::2]
    return torch.stack([even * cos - odd * sin, odd * cos + even * sin], dim=-1).flatten(-2)


def rotate_halves(x: Tensor, angles: Tensor) -> Tensor:
    """Rotate the pairs (i, i + rope_dim / 2) of [batch, heads, seq, rope_dim]."""
    cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
    first, second = x.chunk(2, dim=-1)
    return torch.cat([first * cos - second * sin, second * cos + first * sin], dim=-1)


def attend(q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:
    """Causal attention, the last query at the last key: [batch, heads, seq, d] -> [batch, seq, heads * d].

    Fused on a GPU, where the scores of long prompts would fill the memory, and where it learns in float32: on a CPU
    with AVX2, both passes over 1,340 positions then take a quarter of the time. Written out elsewhere: in bfloat16
    PyTorch's fused kernel takes two to three times as long on a CPU at training's sizes.
    """
    seq, total = q.shape[2], k.shape[2]
    learns = q.requires_grad and q.dtype == torch.float32
    if (q.is_cuda or learns) and seq == total:
        # The kernel wants values as wide as the keys; zeros add nothing to what is mixed.
        wide = functional.pad(v, (0, q.shape[-1] - v.shape[-1]))
        fused = functional.scaled_dot_product_attention(q, k, wide, is_causal=True, scale=scale)
        return fused[..., : v.shape[-1]].transpose(1, 2).flatten(2)
    scores = (q * scale) @ k.transpose(-1, -2)
    if seq > 1:
        later = torch.ones(seq, total, dtype=torch.bool, device=q.device).triu(total - seq + 1)
        scores = scores + torch.zeros(seq, total, dtype=q.dtype, device=q.device).masked_fill(later, -torch.inf)
    mixed = scores.softmax(-1) @ v
    return mixed.transpose(1, 2).flatten(2)


class LatentAttention(nn.Module):
    """Keys and values of all heads come from one latent of `kv_lora_rank` values and one shared rotated key."""

    def __init__(self, config: LanguageConfig) -> None:
        super().__init__()
        self.config = config
        hidden, heads, rank = config.hidden_size, config.num_attention_heads, config.latent_rank
        nope, rope, width = config.qk_nope_head_dim, config.qk_rope_head_dim, config.v_head_dim
        self.q_proj = nn.Linear(hidden, heads * (nope + rope), bias=False)
        self.kv_a_proj_with_mqa = nn.Linear(hidden, rank + rope, bias=False)
        self.kv_a_layernorm = RMSNorm(rank, KV_A_NORM_EPS)
        self.kv_b_proj = nn.Linear(rank, heads * (nope + width), bias=False)
        self.o_proj = nn.Linear(heads * width, hidden, bias=False)

    def forward(self, x: Tensor, angles: Tensor, past: Rows | None = None) -> tuple[Tensor, Rows]:
        """One layer's attention.

        Args:
            x: [batch, seq, hidden].
            angles: [batch, 1, seq, rope_dim / 2] of the new positions.
            past: cached rows [batch, past, rank + rope], or None.

        Returns:
            [batch, seq, hidden], and all cached rows including the new ones.
        """
        config = self.config
        heads, rank = config.num_attention_heads, config.latent_rank
        nope, rope, width = config.qk_nope_head_dim, config.qk_rope_head_dim, config.v_head_dim
        q = self.q_proj(x).unflatten(-1, (heads, nope + rope)).transpose(1, 2)  # [batch, heads, seq, nope + rope]
        q_nope, q_rope = q.split([nope, rope], dim=-1)
        q = torch.cat([q_nope, rotate_interleaved(q_rope, angles)], dim=-1)

        latent, k_rope = self.kv_a_proj_with_mqa(x).split([rank, rope], dim=-1)
        k_rope = rotate_interleaved(k_rope[:, None], angles)[:, 0]
        rows = torch.cat([self.kv_a_layernorm(latent), k_rope], dim=-1)  # [batch, seq, rank + rope]
        if past is not None:
            rows = torch.cat([past[0], rows], dim=1)

        latents, k_ropes = rows.split([rank, rope], dim=-1)
        expanded = self.kv_b_proj(latents).unflatten(-1, (heads, nope + width)).transpose(1, 2)
        k_nope, v = expanded.split([nope, width], dim=-1)
        k = torch.cat([k_nope, k_ropes[:, None].expand(-1, heads, -1, -1)], dim=-1)
        out: Tensor = self.o_proj(attend(q, k, v, config.head_dim**-0.5))
        return out, (rows,)


class PlainAttention(nn.Module):
    """Multi-head attention with half-split rotation over the whole head."""

    def __init__(self, config: LanguageConfig) -> None:
        super().__init__()
        self.config = config
        hidden = config.hidden_size
        self.q_proj = nn.Linear(hidden, hidden, bias=False)
        self.k_proj = nn.Linear(hidden, hidden, bias=False)
        self.v_proj = nn.Linear(hidden, hidden, bias=False)
        self.o_proj = nn.Linear(hidden, hidden, bias=False)

    def forward(self, x: Tensor, angles: Tensor, past: Rows | None = None) -> tuple[Tensor, Rows]:
        """As `LatentAttention.forward`; the cached rows are all heads' rotated keys and their values."""
        shape = (self.config.num_attention_heads, self.config.head_dim)

        def by_head(rows: Tensor) -> Tensor:
            split: Tensor = rows.unflatten(-1, shape)
            return split.transpose(1, 2)  # [batch, heads, seq, head_dim]

        q = rotate_halves(by_head(self.q_proj(x)), angles)
        keys = rotate_halves(by_head(self.k_proj(x)), angles).transpose(1, 2).flatten(2)
        values = self.v_proj(x)
        if past is not None:
            keys, values = torch.cat([past[0], keys], dim=1), torch.cat([past[1], values], dim=1)
        out: Tensor = self.o_proj(attend(q, by_head(keys), by_head(values), self.config.head_dim**-0.5))
        return out, (keys, values)
