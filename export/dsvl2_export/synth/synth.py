"""Writes checkpoints with random weights in the official names, layout and types, of any release and size.

They stand in for the official files, which are up to 55 GB, wherever a test or a trial needs a checkpoint.
"""

from __future__ import annotations

import dataclasses
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from dsvl2_export.checkpoint.files import SHARD_BYTES, config_document, processor_document, write_shards
from dsvl2_export.checkpoint.json_files import write_json
from dsvl2_export.checkpoint.tensor_names import Shape, expected_tensors, unused_tensors
from dsvl2_export.synth.tokenizer import write_tokenizer
from dsvl2_runtime.config import LanguageConfig, ModelConfig, ProjectorConfig, VisionConfig, official_resolutions
from dsvl2_runtime.errors import UsageError
from dsvl2_runtime.machine.files import disk_errors

Variant = Literal["tiny", "small", "base"]
NOTE = "These weights are random: the answer shows that the program runs, not what the model can read."

OFFICIAL: Mapping[str, LanguageConfig] = {
    "tiny": LanguageConfig(
        vocab_size=129280, hidden_size=1280, intermediate_size=6848, moe_intermediate_size=896, num_hidden_layers=12,
        num_attention_heads=10, num_key_value_heads=10, n_shared_experts=2, n_routed_experts=64, num_experts_per_tok=6,
        first_k_dense_replace=1, n_group=1, topk_group=1, use_mla=False, kv_lora_rank=None, qk_nope_head_dim=0,
        qk_rope_head_dim=0, v_head_dim=0, max_position_embeddings=4096, bos_token_id=0, eos_token_id=1,
    ),
    "small": LanguageConfig(
        hidden_size=2048, intermediate_size=10944, moe_intermediate_size=1408, num_hidden_layers=27,
        num_attention_heads=16, num_key_value_heads=16, n_shared_experts=2, n_routed_experts=64, num_experts_per_tok=6,
        first_k_dense_replace=1, n_group=1, topk_group=1, max_position_embeddings=4096,
    ),
    "base": LanguageConfig(
        vocab_size=129280, hidden_size=2560, intermediate_size=12288, moe_intermediate_size=1536,
        n_shared_experts=2, n_routed_experts=72, num_experts_per_tok=6, first_k_dense_replace=1, n_group=1,
        topk_group=1, scoring_func="sigmoid", topk_method="noaux_tc", norm_topk_prob=True, routed_scaling_factor=2.0,
        max_position_embeddings=4096, bos_token_id=0, eos_token_id=1,
    ),
}  # fmt: skip
"""The three releases (their `config.json` and its class defaults)."""


def official_config(variant: Variant) -> ModelConfig:
    """A release at full size."""
    language = OFFICIAL[variant]
    return ModelConfig(VisionConfig(), ProjectorConfig(n_embed=language.hidden_size), language)


def synthetic_config(variant: Variant, scale: float = 1.0, layers: int | None = None) -> ModelConfig:
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


def small_config(variant: Variant) -> ModelConfig:
    """A few hundred thousand parameters whose dimensions all differ, so that a mix-up of two shows in a test."""
    image_size = 70  # 5x5 patches of 14: an odd grid, so that the projector has to fill it
    common: dict[str, Any] = {
        "vocab_size": 640, "intermediate_size": 176, "moe_intermediate_size": 48, "num_hidden_layers": 3,
        "n_shared_experts": 2, "n_routed_experts": 7, "num_experts_per_tok": 3, "max_position_embeddings": 512,
    }  # fmt: skip
    sizes: dict[str, dict[str, Any]] = {
        "tiny": {"hidden_size": 96, "num_attention_heads": 3, "num_key_value_heads": 3},
        "small": {"hidden_size": 80, "num_attention_heads": 3, "num_key_value_heads": 3, "kv_lora_rank": 28,
                  "qk_nope_head_dim": 20, "qk_rope_head_dim": 12, "v_head_dim": 18,
                  "bos_token_id": 600, "eos_token_id": 601},
        "base": {"hidden_size": 112, "num_attention_heads": 5, "num_key_value_heads": 5, "kv_lora_rank": 36,
                 "qk_nope_head_dim": 14, "qk_rope_head_dim": 10, "v_head_dim": 22},
    }  # fmt: skip
    language = dataclasses.replace(OFFICIAL[variant], **common, **sizes[variant])
    vision = VisionConfig(image_size=image_size, width=66, heads=3, layers=2, mlp_ratio=2.5)
    projector = ProjectorConfig(input_dim=vision.width, n_embed=language.hidden_size)
    return ModelConfig(vision, projector, language, candidate_resolutions=official_resolutions(image_size))


def write_synthetic_checkpoint(
    out: Path,
    variant: Variant,
    *,
    scale: float = 1.0,
    layers: int | None = None,
    seed: int = 0,
    config: ModelConfig | None = None,
    shard_bytes: int = SHARD_BYTES,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Write a checkpoint folder; it appears when it is complete.

    Args:
        out: the new folder.
        variant: which release to imitate.
        scale: of every width.
        layers: of the decoder; by default the release's, scaled.
        seed: of the weights; each tensor depends on the seed and its own name alone.
        config: sizes to use instead of `variant`, `scale` and `layers`.
        shard_bytes: the largest shard.
        on_progress: told (bytes written, bytes in all).

    Raises:
        UsageError: `out` exists.
        ResourceError: the disk is full or not writable.
    """
    if out.exists():
        raise UsageError(f"{out} is there already; give another folder or remove it")
    config = config or synthetic_config(variant, scale, layers)
    with disk_errors(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f".{out.name[:80]}.", suffix=".partial", dir=out.parent))
        try:
            write_json(folder / "config.json", {**config_document(config), "dsvl2_note": NOTE})
            write_json(folder / "processor_config.json", processor_document(config))
            write_tokenizer(folder, config.language_config)
            shapes = expected_tensors(config) | unused_tensors(config.vision_config)
            write_shards(folder, shapes, lambda name, shape: random_tensor(name, shape, seed), shard_bytes, on_progress)
            folder.chmod(0o755)
            folder.rename(out)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise


def random_tensor(name: str, shape: Shape, seed: int) -> Iterator[NDArray[np.float32]]:
    """Rows of a tensor in float32, in pieces, of a scale that keeps activations and logits near one.

    Norm weights lie around 1 and biases around 0. Routers are sharper than that, so that experts differ in weight.
    """
    generator = np.random.default_rng([seed, *name.encode()])
    rows = shape[0]
    inner = int(np.prod(shape[1:])) if len(shape) > 1 else 1
    if len(shape) == 1 or name == "vision.pos_embed":
        offset = 1.0 if "norm" in name and name.endswith("weight") else 0.0
        spread = 1.0 if name in ("image_newline", "view_seperator") else 0.1
    else:
        offset = 0.0
        spread = 1.0 if name.endswith("embed_tokens.weight") else inner**-0.5
        if name.endswith(".gate.weight"):
            spread *= 2
    step = max(1, (1 << 22) // inner)
    for start in range(0, rows, step):
        piece = generator.standard_normal((min(step, rows - start), *shape[1:]), np.float32)
        yield piece * np.float32(spread) + np.float32(offset)
