"""The tensors of a checkpoint: official names and shapes, from the configuration alone."""

from __future__ import annotations

from collections.abc import Iterator

from dsvl2_runtime.config import LanguageConfig, ModelConfig, VisionConfig

Shape = tuple[int, ...]

UNUSED_PREFIX = "vision.attn_pool."
"""The official files hold an attention pool that the model never uses; a checkpoint may leave it out."""


def expected_tensors(config: ModelConfig) -> dict[str, Shape]:
    """Every tensor that a checkpoint of this configuration must hold, in the order of the layers."""
    return dict(_all(config))


def unused_tensors(config: VisionConfig) -> dict[str, Shape]:
    """The attention pool of the vision tower."""
    pool, width = UNUSED_PREFIX.rstrip("."), config.width
    return dict(
        [
            (f"{pool}.latent", (1, 1, width)),
            *_linear(f"{pool}.q", width, width),
            *_linear(f"{pool}.kv", 2 * width, width),
            *_linear(f"{pool}.proj", width, width),
            *_layer_norm(f"{pool}.norm", width),
            *_linear(f"{pool}.mlp.fc1", config.mlp_width, width),
            *_linear(f"{pool}.mlp.fc2", width, config.mlp_width),
        ]
    )


def _all(config: ModelConfig) -> Iterator[tuple[str, Shape]]:
    yield from _language(config.language_config)
    yield from _vision(config.vision_config)
    hidden = config.projector_config.n_embed
    merged = config.projector_config.input_dim * config.projector_config.downsample_ratio**2
    yield from _linear("projector.layers.0", hidden, merged)
    yield from _linear("projector.layers.2", hidden, hidden)
    yield "image_newline", (hidden,)
    yield "view_seperator", (hidden,)


def _linear(name: str, out_features: int, in_features: int) -> Iterator[tuple[str, Shape]]:
    yield f"{name}.weight", (out_features, in_features)
    yield f"{name}.bias", (out_features,)


def _layer_norm(name: str, width: int) -> Iterator[tuple[str, Shape]]:
    yield f"{name}.weight", (width,)
    yield f"{name}.bias", (width,)


def _vision(config: VisionConfig) -> Iterator[tuple[str, Shape]]:
    width, patch = config.width, config.patch_size
    yield "vision.pos_embed", (1, config.grid**2, width)
    yield "vision.patch_embed.proj.weight", (width, 3, patch, patch)
    yield "vision.patch_embed.proj.bias", (width,)
    for index in range(config.layers):
        block = f"vision.blocks.{index}"
        yield from _layer_norm(f"{block}.norm1", width)
        yield from _linear(f"{block}.attn.qkv", 3 * width, width)
        yield from _linear(f"{block}.attn.proj", width, width)
        yield from _layer_norm(f"{block}.norm2", width)
        yield from _linear(f"{block}.mlp.fc1", config.mlp_width, width)
        yield from _linear(f"{block}.mlp.fc2", width, config.mlp_width)
    yield from _layer_norm("vision.norm", width)


def _language(config: LanguageConfig) -> Iterator[tuple[str, Shape]]:
    hidden, vocab = config.hidden_size, config.vocab_size
    yield "language.model.embed_tokens.weight", (vocab, hidden)
    for layer in range(config.num_hidden_layers):
        name = f"language.model.layers.{layer}"
        yield f"{name}.input_layernorm.weight", (hidden,)
        yield from _attention(f"{name}.self_attn", config)
        yield f"{name}.post_attention_layernorm.weight", (hidden,)
        if config.is_moe(layer):
            yield from _moe(f"{name}.mlp", config)
        else:
            yield from _gated_mlp(f"{name}.mlp", hidden, config.intermediate_size)
    yield "language.model.norm.weight", (hidden,)
    yield "language.lm_head.weight", (vocab, hidden)


def _attention(name: str, config: LanguageConfig) -> Iterator[tuple[str, Shape]]:
    hidden, heads = config.hidden_size, config.num_attention_heads
    if not config.use_mla:
        for part in "qkvo":
            yield f"{name}.{part}_proj.weight", (hidden, hidden)
        return
    rank, rope = config.latent_rank, config.qk_rope_head_dim
    nope, width = config.qk_nope_head_dim, config.v_head_dim
    yield f"{name}.q_proj.weight", (heads * (nope + rope), hidden)
    yield f"{name}.kv_a_proj_with_mqa.weight", (rank + rope, hidden)
    yield f"{name}.kv_a_layernorm.weight", (rank,)
    yield f"{name}.kv_b_proj.weight", (heads * (nope + width), rank)
    yield f"{name}.o_proj.weight", (hidden, heads * width)


def _moe(name: str, config: LanguageConfig) -> Iterator[tuple[str, Shape]]:
    experts, hidden = config.n_routed_experts or 0, config.hidden_size
    yield f"{name}.gate.weight", (experts, hidden)
    if config.topk_method == "noaux_tc":
        yield f"{name}.gate.e_score_correction_bias", (experts,)
    for expert in range(experts):
        yield from _gated_mlp(f"{name}.experts.{expert}", hidden, config.moe_intermediate_size)
    if config.n_shared_experts:
        yield from _gated_mlp(f"{name}.shared_experts", hidden, config.shared_intermediate_size)


def _gated_mlp(name: str, hidden: int, intermediate: int) -> Iterator[tuple[str, Shape]]:
    yield f"{name}.gate_proj.weight", (intermediate, hidden)
    yield f"{name}.up_proj.weight", (intermediate, hidden)
    yield f"{name}.down_proj.weight", (hidden, intermediate)
