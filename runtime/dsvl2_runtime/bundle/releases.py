"""The official releases and the precisions: the one list of each, for manifests and command lines."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from dsvl2_runtime.config import LanguageConfig, ModelConfig, ProjectorConfig, VisionConfig


class Variant(StrEnum):
    """The three releases of DeepSeek-VL2."""

    TINY = "tiny"
    SMALL = "small"
    BASE = "base"


class Precision(StrEnum):
    """How the weights of a bundle are stored; `dsvl2_quant.recipe.RECIPES` has the formats."""

    FP32 = "fp32"
    INT8 = "int8"
    INT4 = "int4"
    INT4_128 = "int4-128"


RELEASES: Mapping[Variant, LanguageConfig] = {
    Variant.TINY: LanguageConfig(
        vocab_size=129280, hidden_size=1280, intermediate_size=6848, moe_intermediate_size=896, num_hidden_layers=12,
        num_attention_heads=10, num_key_value_heads=10, n_shared_experts=2, n_routed_experts=64, num_experts_per_tok=6,
        first_k_dense_replace=1, n_group=1, topk_group=1, use_mla=False, kv_lora_rank=None, qk_nope_head_dim=0,
        qk_rope_head_dim=0, v_head_dim=0, max_position_embeddings=4096, bos_token_id=0, eos_token_id=1,
    ),
    Variant.SMALL: LanguageConfig(
        hidden_size=2048, intermediate_size=10944, moe_intermediate_size=1408, num_hidden_layers=27,
        num_attention_heads=16, num_key_value_heads=16, n_shared_experts=2, n_routed_experts=64, num_experts_per_tok=6,
        first_k_dense_replace=1, n_group=1, topk_group=1, max_position_embeddings=4096,
    ),
    Variant.BASE: LanguageConfig(
        vocab_size=129280, hidden_size=2560, intermediate_size=12288, moe_intermediate_size=1536,
        n_shared_experts=2, n_routed_experts=72, num_experts_per_tok=6, first_k_dense_replace=1, n_group=1,
        topk_group=1, scoring_func="sigmoid", topk_method="noaux_tc", norm_topk_prob=True, routed_scaling_factor=2.0,
        max_position_embeddings=4096, bos_token_id=0, eos_token_id=1,
    ),
}  # fmt: skip
"""The language models, as `config.json` of each release and its class defaults have them."""


def official_config(variant: str) -> ModelConfig:
    """A release at full size.

    Args:
        variant: a value of `Variant`.
    """
    language = RELEASES[Variant(variant)]
    return ModelConfig(VisionConfig(), ProjectorConfig(n_embed=language.hidden_size), language)


def variant_of(config: ModelConfig) -> Variant:
    """The release that a model is built like."""
    if not config.language_config.use_mla:
        return Variant.TINY
    return Variant.BASE if config.language_config.scoring_func == "sigmoid" else Variant.SMALL
