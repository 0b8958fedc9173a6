"""The reference network against independent implementations: the classes of transformers and plain arithmetic."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import (
    DeepseekV2Config,
    DeepseekV2ForCausalLM,
    DeepseekV3Config,
    DeepseekV3ForCausalLM,
    LlamaConfig,
    SiglipVisionConfig,
    SiglipVisionModel,
)
from transformers.models.llama.modeling_llama import LlamaAttention, LlamaRotaryEmbedding

from dsvl2_export.network import LanguageModel, Projector, VisionTower
from dsvl2_export.network.attention import PlainAttention, rope_angles
from dsvl2_export.network.model import lay_out
from dsvl2_export.network.moe import Router
from dsvl2_runtime.config import LanguageConfig, ProjectorConfig, VisionConfig
from small_models import VARIANTS, small_config
from tolerances import RELATIVE_FP32

SIZES: dict[str, Any] = {
    "vocab_size": 211, "hidden_size": 48, "intermediate_size": 80, "moe_intermediate_size": 32, "num_hidden_layers": 3,
    "num_attention_heads": 3, "num_key_value_heads": 3, "n_shared_experts": 2, "n_routed_experts": 5,
    "num_experts_per_tok": 2, "first_k_dense_replace": 1, "q_lora_rank": None, "kv_lora_rank": 28,
    "qk_nope_head_dim": 12, "qk_rope_head_dim": 8, "v_head_dim": 20, "max_position_embeddings": 128, "n_group": 1,
    "topk_group": 1,
}  # fmt: skip
"""All dimensions differ, so that none can stand for another."""

BASE: dict[str, Any] = {"norm_topk_prob": True, "routed_scaling_factor": 2.0}


def randomise(module: nn.Module) -> None:
    """Sharp weights, and norms and biases that are not their neutral values."""
    with torch.no_grad():
        for name, tensor in module.state_dict(keep_vars=True).items():
            if not tensor.is_floating_point():
                continue
            centre = 1.0 if "norm" in name and name.endswith("weight") else 0.0
            tensor.copy_(torch.randn_like(tensor) * (0.3 if tensor.ndim > 1 else 0.1) + centre)


def relative(found: Tensor, expected: Tensor) -> float:
    return float((found - expected).abs().max() / expected.abs().max())


def transformers_model(variant: str) -> nn.Module:
    if variant == "small":
        config = DeepseekV2Config(
            **SIZES,
            topk_method="greedy",
            routed_scaling_factor=1.0,
            norm_topk_prob=False,
            rms_norm_eps=1e-6,
            head_dim=8,
        )
        return DeepseekV2ForCausalLM(config)
    return DeepseekV3ForCausalLM(DeepseekV3Config(**SIZES, **BASE, rope_interleave=True))


def language_config(variant: str) -> LanguageConfig:
    extra: dict[str, Any] = {"scoring_func": "sigmoid", "topk_method": "noaux_tc", **BASE} if variant == "base" else {}
    return LanguageConfig(**SIZES, **extra)


@pytest.mark.parametrize("variant", ["small", "base"])
def test_language_model_equals_transformers(variant: str) -> None:
    """Latent attention, both routers, shared experts and the dense layer, by names that need no translation."""
    torch.manual_seed(0)
    other = transformers_model(variant).eval()
    randomise(other)
    model = LanguageModel(language_config(variant)).eval()
    model.load_state_dict(other.state_dict())
    input_ids = torch.randint(0, SIZES["vocab_size"], (2, 23))
    with torch.no_grad():
        expected = other(input_ids).logits
        found, output = model(model.model.embed_tokens(input_ids))
    assert relative(found, expected) <= RELATIVE_FP32
    experts = torch.cat([router.chosen.flatten() for router in output.routers])
    assert len(experts.unique()) == SIZES["n_routed_experts"]  # each expert took part in the comparison


def test_correction_bias_chooses_but_does_not_weigh() -> None:
    """Base adds the bias for the choice alone: a huge bias forces an expert whose weight stays its sigmoid's share."""
    torch.manual_seed(1)
    config = language_config("base")
    router = Router(config)
    with torch.no_grad():
        router.e_score_correction_bias[3] = 100.0
    x = torch.randn(11, config.hidden_size)
    weights, statistics = router(x)
    assert (statistics.chosen == 3).any(-1).all()
    torch.testing.assert_close(weights.sum(-1), torch.full((11,), 2.0))  # renormalised, then scaled by 2


def test_plain_attention_equals_llama() -> None:
    """Tiny's attention is the stock one: half-split rotation over whole heads."""
    torch.manual_seed(0)
    config = small_config("tiny").language_config
    hidden, heads = config.hidden_size, config.num_attention_heads
    llama = LlamaConfig(
        hidden_size=hidden, num_attention_heads=heads, num_key_value_heads=heads, max_position_embeddings=128,
        attn_implementation="eager",
    )  # fmt: skip
    other, mine = LlamaAttention(llama, layer_idx=0).eval(), PlainAttention(config).eval()
    randomise(other)
    mine.load_state_dict(other.state_dict())
    x, position_ids = torch.randn(2, 17, hidden), torch.arange(17).expand(2, 17)
    mask = torch.full((17, 17), float("-inf")).triu(1)[None, None]
    with torch.no_grad():
        embeddings = LlamaRotaryEmbedding(llama)(x, position_ids)
        expected = other(x, embeddings, attention_mask=mask)[0]
        found, _ = mine(x, rope_angles(position_ids, config))
    assert relative(found, expected) <= RELATIVE_FP32


SIGLIP_NAMES = {
    "patch_embed.proj": "embeddings.patch_embedding",
    "norm1": "layer_norm1",
    "norm2": "layer_norm2",
    "attn.proj": "self_attn.out_proj",
    "mlp.fc1": "mlp.fc1",
    "mlp.fc2": "mlp.fc2",
}


def test_vision_tower_equals_siglip() -> None:
    """Convolution, positions, biases, tanh GELU and the last norm, with a grid that leaves pixels unseen."""
    torch.manual_seed(0)
    config = VisionConfig(image_size=75, patch_size=14, width=66, layers=3, heads=3, mlp_ratio=2.5)
    siglip = SiglipVisionModel(
        SiglipVisionConfig(
            hidden_size=66, intermediate_size=config.mlp_width, num_hidden_layers=3, num_attention_heads=3,
            image_size=75, patch_size=14, attn_implementation="eager", vision_use_head=False,
        )
    ).vision_model.eval()  # fmt: skip
    randomise(siglip)
    theirs = siglip.state_dict()
    tower = VisionTower(config).eval()
    mine: dict[str, Tensor] = {
        "pos_embed": theirs["embeddings.position_embedding.weight"][None],
        "norm.weight": theirs["post_layernorm.weight"],
        "norm.bias": theirs["post_layernorm.bias"],
    }
    for part in ("weight", "bias"):
        mine[f"patch_embed.proj.{part}"] = theirs[f"embeddings.patch_embedding.{part}"]
        for index in range(config.layers):
            layer = f"encoder.layers.{index}"
            qkv = [theirs[f"{layer}.self_attn.{name}_proj.{part}"] for name in "qkv"]
            mine[f"blocks.{index}.attn.qkv.{part}"] = torch.cat(qkv)
            for name, other in list(SIGLIP_NAMES.items())[1:]:
                mine[f"blocks.{index}.{name}.{part}"] = theirs[f"{layer}.{other}.{part}"]
    tower.load_state_dict(mine)
    pixel_values = torch.randn(2, 3, 75, 75)
    with torch.no_grad():
        assert relative(tower(pixel_values), siglip(pixel_values).last_hidden_state) <= RELATIVE_FP32


def test_projector_merges_patches_in_the_order_of_unfold() -> None:
    """2×2 patches of an odd grid, filled up at the right and below: channel first, then place, as `F.unfold` has it."""
    torch.manual_seed(0)
    config = small_config("small")
    projector = Projector(config).eval()
    grid, width = config.vision_config.grid, config.vision_config.width
    features = torch.randn(2, grid * grid, width)
    square = nn.functional.pad(features.transpose(1, 2).view(2, width, grid, grid), (0, 1, 0, 1))
    merged = nn.functional.unfold(square, kernel_size=2, stride=2).transpose(1, 2)
    first, second = projector.layers[0], projector.layers[2]
    with torch.no_grad():
        expected = second(nn.functional.gelu(first(merged)))
        assert relative(projector(features), expected) <= RELATIVE_FP32
    assert config.projector_config == ProjectorConfig(input_dim=width, n_embed=config.language_config.hidden_size)


@pytest.mark.parametrize("variant", VARIANTS)
def test_steps_over_cached_rows_equal_one_pass(variant: str) -> None:
    """A prompt in three pieces of different length gives the hidden states of one pass."""
    torch.manual_seed(2)
    config = small_config(variant).language_config
    model = LanguageModel(config).eval()
    randomise(model)
    embeds = torch.randn(2, 19, config.hidden_size)
    with torch.no_grad():
        whole, _ = model(embeds)
        past, pieces = None, []
        for start, end in ((0, 11), (11, 12), (12, 19)):
            logits, output = model(embeds[:, start:end], past)
            past = output.rows
            pieces.append(logits)
    assert relative(torch.cat(pieces, dim=1), whole) <= RELATIVE_FP32


def test_layout_is_global_view_separator_and_one_large_grid() -> None:
    """Rows of the local grid run across tiles, each row of either grid ends with the newline vector."""
    cells, newline, separator = 2, torch.tensor([-1.0]), torch.tensor([-2.0])
    tiles = torch.arange(3 * 4, dtype=torch.float32).view(3, 4, 1)  # global 0-3, left tile 4-7, right tile 8-11
    found = lay_out(tiles, [(2, 1)], cells, newline, separator)[:, 0].tolist()
    assert found == [0, 1, -1, 2, 3, -1, -2, 4, 5, 8, 9, -1, 6, 7, 10, 11, -1]


def test_a_single_tile_is_laid_out_twice() -> None:
    """A picture of one tile is its own global view: the network sees both, the tower looks once."""
    newline, separator = torch.tensor([-1.0]), torch.tensor([-2.0])
    tiles = torch.arange(4, dtype=torch.float32).view(1, 4, 1)
    found = lay_out(tiles, [(1, 1)], 2, newline, separator)[:, 0].tolist()
    assert found == [0, 1, -1, 2, 3, -1, -2, 0, 1, -1, 2, 3, -1]
