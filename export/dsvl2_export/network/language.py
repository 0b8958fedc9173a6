"""The language model: embeddings, decoder layers, final norm and head.

Source: `modeling_deepseek.py` `DeepseekV2ForCausalLM`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from dsvl2_export.network.attention import LatentAttention, PlainAttention, RMSNorm, Rows, rope_angles
from dsvl2_export.network.moe import GatedMLP, MixtureOfExperts, RouterStatistics
from dsvl2_runtime.config import LanguageConfig


@dataclass(frozen=True, slots=True)
class LanguageOutput:
    """What a forward pass gives."""

    hidden_states: Tensor
    """[batch, seq, hidden] after the final norm."""
    rows: tuple[Rows, ...]
    """Cached rows of each layer, past ones included."""
    routers: tuple[RouterStatistics, ...]
    """One per layer with experts."""
    layer_inputs: tuple[Tensor, ...]
    """[batch, seq, hidden] before each layer."""


class DecoderLayer(nn.Module):
    """`h += attention(norm(h))`, then `h += mlp(norm(h))`."""

    def __init__(self, config: LanguageConfig, layer: int) -> None:
        super().__init__()
        self.input_layernorm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.self_attn = LatentAttention(config) if config.use_mla else PlainAttention(config)
        self.post_attention_layernorm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.mlp: MixtureOfExperts | GatedMLP
        if config.is_moe(layer):
            self.mlp = MixtureOfExperts(config)
        else:
            self.mlp = GatedMLP(config.hidden_size, config.intermediate_size)

    def forward(
        self, hidden_states: Tensor, angles: Tensor, past: Rows | None
    ) -> tuple[Tensor, Rows, RouterStatistics | None]:
        """[batch, seq, hidden] -> the same, the layer's cached rows, and its router's statistics if it has one."""
        attended, rows = self.self_attn(self.input_layernorm(hidden_states), angles, past)
        hidden_states = hidden_states + attended
        normed = self.post_attention_layernorm(hidden_states)
        if isinstance(self.mlp, MixtureOfExperts):
            mixed, statistics = self.mlp(normed)
            return hidden_states + mixed, rows, statistics
        return hidden_states + self.mlp(normed), rows, None


class Decoder(nn.Module):
    """The layers with their embedding table; `language.model` in the checkpoint."""

    def __init__(self, config: LanguageConfig) -> None:
        super().__init__()
        self.config = config
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(DecoderLayer(config, layer) for layer in range(config.num_hidden_layers))
        self.norm = RMSNorm(config.hidden_size, config.rms_norm_eps)

    def forward(self, inputs_embeds: Tensor, past: Sequence[Rows] | None = None) -> LanguageOutput:
        """[batch, seq, hidden] and cached rows -> hidden states; positions count from the length of the past."""
        start = past[0][0].shape[1] if past else 0
        batch, seq = inputs_embeds.shape[:2]
        position_ids = torch.arange(start, start + seq, device=inputs_embeds.device).expand(batch, seq)
        angles = rope_angles(position_ids, self.config)
        hidden_states, rows, routers, layer_inputs = inputs_embeds, [], [], []
        for index, layer in enumerate(self.layers):
            layer_inputs.append(hidden_states)
            hidden_states, layer_rows, statistics = layer(hidden_states, angles, past[index] if past else None)
            rows.append(layer_rows)
            if statistics is not None:
                routers.append(statistics)
        return LanguageOutput(self.norm(hidden_states), tuple(rows), tuple(routers), tuple(layer_inputs))


class LanguageModel(nn.Module):
    """Decoder and head; `language` in the checkpoint."""

    def __init__(self, config: LanguageConfig) -> None:
        super().__init__()
        self.model = Decoder(config)
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)

    def forward(self, inputs_embeds: Tensor, past: Sequence[Rows] | None = None) -> tuple[Tensor, LanguageOutput]:
        """[batch, seq, hidden] -> logits [batch, seq, vocab] float32, and everything else."""
        output: LanguageOutput = self.model(inputs_embeds, past)
        return self.lm_head(output.hidden_states).float(), output
