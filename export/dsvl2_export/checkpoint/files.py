"""Writes the files of a checkpoint: `config.json`, `processor_config.json`, bf16 shards and their index.

Tensors are streamed: a safetensors file begins with the places of all its tensors, which follow from names and shapes
alone, so no tensor has to be held while the next one is made.
"""

from __future__ import annotations

import dataclasses
import json
import struct
from collections.abc import Callable, Iterable, Mapping
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dsvl2_export.checkpoint.json_files import write_json
from dsvl2_export.checkpoint.tensor_names import Shape
from dsvl2_runtime.config import LanguageConfig, ModelConfig, ProjectorConfig, VisionConfig

SHARD_BYTES = 8_590_000_000
"""The size of an official shard."""
BF16_BYTES = 2

Pieces = Callable[[str, Shape], Iterable[NDArray[np.float32]]]
"""Name and shape of a tensor to its rows in pieces."""


def config_document(config: ModelConfig) -> dict[str, Any]:
    """`config.json` in the official form: only what differs from the class defaults, and what the files always say."""
    language = _differing(config.language_config, LanguageConfig())
    language |= {
        "architectures": ["DeepseekV2ForCausalLM"],
        "model_type": "deepseek_v2",
        "topk_method": config.language_config.topk_method,
        "q_lora_rank": None,
        "torch_dtype": "bfloat16",
    }
    vision = config.vision_config
    return {
        "model_type": config.model_type,
        "tile_tag": config.tile_tag,
        "global_view_pos": config.global_view_pos,
        "candidate_resolutions": [list(pair) for pair in config.candidate_resolutions],
        "torch_dtype": "bfloat16",
        "transformers_version": "4.38.2",
        "vision_config": _differing(vision, VisionConfig())
        | {
            "model_type": vision.model_type,
            "model_name": vision.model_name,
            "layers": vision.layers,
            "width": vision.width,
            "patch_size": vision.patch_size,
            "mlp_ratio": vision.mlp_ratio,
        },
        "projector_config": _differing(config.projector_config, ProjectorConfig()) | {"model_type": "mlp_projector"},
        "language_config": language,
    }


def processor_document(config: ModelConfig) -> dict[str, Any]:
    """`processor_config.json` in the official form."""
    return {
        "processor_class": "DeepseekVLV2Processor",
        "candidate_resolutions": [list(pair) for pair in config.candidate_resolutions],
        "patch_size": config.vision_config.patch_size,
        "downsample_ratio": config.projector_config.downsample_ratio,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
        "normalize": True,
        "image_token": "<image>",
        "pad_token": "<｜▁pad▁｜>",
        "add_special_token": False,
        "mask_prompt": False,
        "ignore_id": -100,
        "sft_format": "deepseek",
    }


def write_shards(
    folder: Path,
    shapes: Mapping[str, Shape],
    pieces: Pieces,
    shard_bytes: int = SHARD_BYTES,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Write bf16 shards and their index.

    Args:
        folder: of the checkpoint.
        shapes: of every tensor, in the order of the files.
        pieces: gives a tensor's rows, float32.
        shard_bytes: the largest shard; a tensor is never cut.
        on_progress: told (bytes written, bytes in all).
    """
    shards: list[dict[str, Shape]] = [{}]
    filled = 0
    for name, shape in shapes.items():
        size = prod(shape) * BF16_BYTES
        if shards[-1] and filled + size > shard_bytes:
            shards.append({})
            filled = 0
        shards[-1][name] = shape
        filled += size
    total = sum(prod(shape) for shape in shapes.values()) * BF16_BYTES
    written = 0
    weight_map: dict[str, str] = {}
    for number, shard in enumerate(shards, 1):
        file_name = f"model-{number:05d}-of-{len(shards):06d}.safetensors"  # six digits in the total, as published
        with (folder / file_name).open("wb") as file:
            file.write(_header(shard))
            for name, shape in shard.items():
                weight_map[name] = file_name
                for piece in pieces(name, shape):
                    data = to_bf16(piece)
                    file.write(data.tobytes())
                    written += data.nbytes
                on_progress(written, total)
    index = {"metadata": {"total_size": total}, "weight_map": weight_map}
    write_json(folder / "model.safetensors.index.json", index)


def to_bf16(array: NDArray[np.float32]) -> NDArray[np.uint16]:
    """The upper half of each float32, rounded to nearest even; finite values only."""
    bits = np.ascontiguousarray(array, np.float32).view(np.uint32)
    rounding = np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))
    return ((bits + rounding) >> np.uint32(16)).astype(np.uint16)


def _header(shapes: Mapping[str, Shape]) -> bytes:
    """The head of a safetensors file: 8 bytes of length, then JSON padded to a multiple of 8."""
    document: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    offset = 0
    for name, shape in shapes.items():
        size = prod(shape) * BF16_BYTES
        document[name] = {"dtype": "BF16", "shape": list(shape), "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(document, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text


def _differing(config: Any, default: Any) -> dict[str, Any]:
    return {
        field.name: getattr(config, field.name)
        for field in dataclasses.fields(config)
        if getattr(config, field.name) != getattr(default, field.name)
    }
