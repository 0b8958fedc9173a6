"""The fp32 bundle against a model put together from transformers' classes alone, with pictures.

`SiglipVisionModel` and `DeepseekV2ForCausalLM` / `DeepseekV3ForCausalLM` read the same checkpoint; merging, projector
and the order of image tokens are written once more here, from the paper's figure and the reference's formulas.
"""

from __future__ import annotations

import dataclasses
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import (
    DeepseekV2Config,
    DeepseekV2ForCausalLM,
    DeepseekV3Config,
    DeepseekV3ForCausalLM,
    SiglipVisionConfig,
    SiglipVisionModel,
)

from dsvl2_runtime import load_model
from dsvl2_runtime.config import ModelConfig
from dsvl2_runtime.inputs.processor import ModelInputs
from small_models import MakeBundle, MakeCheckpoint, pictures, small_config
from tolerances import LOGITS_FP32

QUESTION = "What is the total?"


@cache
def tensors(folder: Path) -> dict[str, Tensor]:
    return {name: tensor.float() for path in folder.glob("*.safetensors") for name, tensor in load_file(path).items()}


def language_model(folder: Path, config: ModelConfig) -> nn.Module:
    """The class of the release, with the checkpoint's tensors under their own names."""
    known = dataclasses.asdict(config.language_config)
    for key in ("scoring_func", "use_mla", "model_type", "moe_layer_freq", "rope_scaling"):
        known.pop(key)
    model: nn.Module
    if config.language_config.scoring_func == "sigmoid":
        known.pop("topk_method")
        model = DeepseekV3ForCausalLM(DeepseekV3Config(**known, rope_interleave=True))
    else:
        model = DeepseekV2ForCausalLM(DeepseekV2Config(**known, head_dim=config.language_config.qk_rope_head_dim))
    prefix = "language."
    model.load_state_dict({k.removeprefix(prefix): v for k, v in tensors(folder).items() if k.startswith(prefix)})
    nn.Module.eval(model)  # transformers' own has no types
    return model


def siglip_features(folder: Path, config: ModelConfig, pixel_values: Tensor) -> Tensor:
    """[num_tiles, patches, width] of transformers' tower."""
    vision, stored = config.vision_config, tensors(folder)
    tower = SiglipVisionModel(
        SiglipVisionConfig(
            hidden_size=vision.width, intermediate_size=vision.mlp_width, num_hidden_layers=vision.layers,
            num_attention_heads=vision.heads, image_size=vision.image_size, patch_size=vision.patch_size,
            vision_use_head=False,
        )
    ).vision_model.eval()  # fmt: skip
    state = {"embeddings.position_embedding.weight": stored["vision.pos_embed"][0]}
    for part in ("weight", "bias"):
        state[f"embeddings.patch_embedding.{part}"] = stored[f"vision.patch_embed.proj.{part}"]
        state[f"post_layernorm.{part}"] = stored[f"vision.norm.{part}"]
        for index in range(vision.layers):
            theirs, ours = f"encoder.layers.{index}", f"vision.blocks.{index}"
            for name, rows in zip("qkv", stored[f"{ours}.attn.qkv.{part}"].chunk(3), strict=True):
                state[f"{theirs}.self_attn.{name}_proj.{part}"] = rows
            names = (("layer_norm1", "norm1"), ("layer_norm2", "norm2"), ("self_attn.out_proj", "attn.proj"),
                     ("mlp.fc1", "mlp.fc1"), ("mlp.fc2", "mlp.fc2"))  # fmt: skip
            for name, other in names:
                state[f"{theirs}.{name}.{part}"] = stored[f"{ours}.{other}.{part}"]
    tower.load_state_dict(state)
    features: Tensor = tower(pixel_values).last_hidden_state
    return features


def image_tokens(folder: Path, config: ModelConfig, inputs: ModelInputs) -> Tensor:
    """[num_image_tokens, hidden] of all pictures."""
    stored, grid = tensors(folder), config.vision_config.grid
    features = siglip_features(folder, config, torch.from_numpy(inputs.pixel_values))
    square = features.transpose(1, 2).unflatten(2, (grid, grid))
    square = F.pad(square, (0, grid % 2, 0, grid % 2))
    merged = F.unfold(square, kernel_size=2, stride=2).transpose(1, 2)
    hidden = F.gelu(F.linear(merged, stored["projector.layers.0.weight"], stored["projector.layers.0.bias"]))
    tiles = F.linear(hidden, stored["projector.layers.2.weight"], stored["projector.layers.2.bias"])
    cells = -(-grid // 2)
    newline, separator = stored["image_newline"], stored["view_seperator"]
    tokens: list[Tensor] = []

    def grid_of(block: list[list[Tensor]]) -> None:
        """Tiles [down][across], read line by line over the whole grid."""
        for row in block:
            for line in range(cells):
                for tile in row:
                    tokens.extend(tile[line * cells : (line + 1) * cells])
                tokens.append(newline)

    start = 0
    for tiling in inputs.tilings:
        wide, high = tiling.tiles_wide, tiling.tiles_high
        grid_of([[tiles[start]]])
        tokens.append(separator)
        first = start + (1 if wide * high > 1 else 0)
        grid_of([[tiles[first + row * wide + column] for column in range(wide)] for row in range(high)])
        start = first + wide * high
    return torch.stack(tokens)


@pytest.mark.parametrize("variant", ["small", "base"])
@pytest.mark.parametrize("num_images", [0, 1, 2, 3])
def test_bundle_equals_transformers(
    variant: str, num_images: int, checkpoint: MakeCheckpoint, bundle: MakeBundle
) -> None:
    """`next_token_logits` of the exported graphs is what the independent classes compute."""
    folder, config = checkpoint(variant), small_config(variant)
    model = load_model(bundle(variant, "fp32"), threads=1)
    images = pictures(num_images)
    inputs = model.prepare(QUESTION, images)
    with torch.no_grad():
        embeds = tensors(folder)["language.model.embed_tokens.weight"][torch.from_numpy(inputs.input_ids)]
        if num_images:
            embeds[torch.from_numpy(inputs.images_seq_mask)] = image_tokens(folder, config, inputs)
        expected = language_model(folder, config)(inputs_embeds=embeds[None]).logits[0, -1].numpy()
    for prefill_chunk in (None, 5):
        found = model.next_token_logits(QUESTION, images, prefill_chunk=prefill_chunk)
        assert np.abs(found - expected).max() <= LOGITS_FP32
