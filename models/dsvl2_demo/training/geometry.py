"""The sizes of the demo model: the official architecture, small, with every quantised width a multiple of 64.

Tiles have the official 384 pixels: print of 13 pixels on a capture of 1280 is then 12 pixels of a tile, where tiles of
308 left 10. The network that was trained on a CPU first has those, and pages that fill one of them. The vocabulary is a
byte-level one with a few words of the prompts (`vocabulary.py`).
"""

from __future__ import annotations

from dsvl2_demo.training.vocabulary import BOS_ID, EOS_ID, VOCABULARY_ROWS
from dsvl2_runtime.config import LanguageConfig, ModelConfig, ProjectorConfig, VisionConfig
from dsvl2_runtime.geometry import official_resolutions

TILE = 384
SMALL_TILE = 308


def demo_config() -> ModelConfig:
    """The shipped geometry, about 21 M parameters."""
    return _config(TILE, width=256, blocks=6, vision_heads=8, hidden=384, layers=8, heads=12, rank=256)


def small_config() -> ModelConfig:
    """What was trained on a CPU on pages of one tile, about 9 M parameters; what ships was grown from it."""
    return _config(SMALL_TILE, width=192, blocks=5, vision_heads=6, hidden=256, layers=6, heads=8, rank=128)


def _config(
    tile: int, *, width: int, blocks: int, vision_heads: int, hidden: int, layers: int, heads: int, rank: int
) -> ModelConfig:
    """`width`, `blocks` and `vision_heads` are of the vision tower, the rest of the language model.

    Heads and experts have the same widths in both networks, as `grow.py` asks.
    """
    return ModelConfig(
        vision_config=VisionConfig(
            model_name=f"siglip_demo_patch14_{tile}",
            image_size=tile,
            patch_size=14,
            width=width,
            layers=blocks,
            heads=vision_heads,
            mlp_ratio=4.0,
        ),
        projector_config=ProjectorConfig(input_dim=width, n_embed=hidden),
        language_config=LanguageConfig(
            vocab_size=VOCABULARY_ROWS,
            hidden_size=hidden,
            intermediate_size=768,
            moe_intermediate_size=128,
            num_hidden_layers=layers,
            num_attention_heads=heads,
            num_key_value_heads=heads,
            n_shared_experts=1,
            n_routed_experts=8,
            num_experts_per_tok=2,
            first_k_dense_replace=1,
            n_group=1,
            topk_group=1,
            kv_lora_rank=rank,
            qk_nope_head_dim=32,
            qk_rope_head_dim=16,
            v_head_dim=32,
            max_position_embeddings=4096,
            bos_token_id=BOS_ID,
            eos_token_id=EOS_ID,
        ),
        candidate_resolutions=official_resolutions(tile),
    )


def tiny_config() -> ModelConfig:
    """The same shape for tests: tiles of 112 pixels, one vision block, two layers."""
    return ModelConfig(
        vision_config=VisionConfig(image_size=112, patch_size=14, width=64, layers=1, heads=2, mlp_ratio=2.0),
        projector_config=ProjectorConfig(input_dim=64, n_embed=64),
        language_config=LanguageConfig(
            vocab_size=VOCABULARY_ROWS,
            hidden_size=64,
            intermediate_size=128,
            moe_intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=2,
            num_key_value_heads=2,
            n_shared_experts=1,
            n_routed_experts=4,
            num_experts_per_tok=2,
            first_k_dense_replace=1,
            kv_lora_rank=64,
            qk_nope_head_dim=16,
            qk_rope_head_dim=16,
            v_head_dim=32,
            max_position_embeddings=1024,
            bos_token_id=BOS_ID,
            eos_token_id=EOS_ID,
        ),
        candidate_resolutions=official_resolutions(112),
    )
