"""Sizes of a release scaled down, so that its structure can be tried on a small machine."""

from __future__ import annotations

import dataclasses
from typing import Any

from dsvl2_runtime.bundle.releases import official_config
from dsvl2_runtime.config import ModelConfig, ProjectorConfig
from dsvl2_runtime.errors import UsageError


def synthetic_config(variant: str, scale: float = 1.0, layers: int | None = None) -> ModelConfig:
    """A release with every width scaled, rounded to what int4 blocks, heads and rotation need."""
    config = official_config(variant)
    if scale == 1.0:
        language = config.language_config
        return dataclasses.replace(
            config,
            language_config=dataclasses.replace(language, num_hidden_layers=layers or language.num_hidden_layers),
        )
    if not 0.01 <= scale < 1.0:
        raise UsageError(f"scale is {scale}; it must be from 0.01 to 1")
    language, vision = config.language_config, config.vision_config

    def scaled(size: int, multiple: int) -> int:
        return max(multiple, round(size * scale / multiple) * multiple)

    heads = max(2, round(language.num_attention_heads * scale))
    hidden = scaled(language.hidden_size, 64)
    if not language.use_mla:
        hidden = max(heads * 32, round(hidden / (heads * 32)) * heads * 32)
    experts = max(8, round((language.n_routed_experts or 0) * scale))
    # An embedding table for the synthetic tokenizer alone: with more rows nearly every random answer would be empty.
    vocabulary: dict[str, Any] = {"vocab_size": 640}
    if language.bos_token_id:
        vocabulary |= {"bos_token_id": 600, "eos_token_id": 601}
    small_language = dataclasses.replace(
        language,
        **vocabulary,
        hidden_size=hidden,
        intermediate_size=scaled(language.intermediate_size, 64),
        moe_intermediate_size=scaled(language.moe_intermediate_size, 64),
        num_hidden_layers=layers or max(2, round(language.num_hidden_layers * scale)),
        num_attention_heads=heads,
        num_key_value_heads=heads,
        n_routed_experts=experts,
        num_experts_per_tok=min(language.num_experts_per_tok or 0, experts // 2),
        kv_lora_rank=scaled(language.latent_rank, 32) if language.use_mla else None,
    )
    vision_heads = max(2, round(vision.heads * scale))
    small_vision = dataclasses.replace(
        vision,
        width=vision_heads * 72,
        heads=vision_heads,
        layers=max(2, round(vision.layers * scale)),
    )
    projector = ProjectorConfig(input_dim=small_vision.width, n_embed=hidden)
    return ModelConfig(small_vision, projector, small_language)
