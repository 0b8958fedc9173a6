"""Small models of all three variants, made once per test run and shared by the parts' tests."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from dsvl2_runtime.bundle.file_entry import FileEntry
from dsvl2_runtime.bundle.manifest import MANIFEST
from dsvl2_runtime.bundle.releases import RELEASES, Variant
from dsvl2_runtime.config import ModelConfig, ProjectorConfig, VisionConfig
from dsvl2_runtime.geometry import official_resolutions

VARIANTS = tuple(variant.value for variant in Variant)

FIGURE = "figure"
"""`record_property(FIGURE, text)` puts a measured figure into the summary at the end of the run."""

MakeBundle = Callable[[str, str], Path]
"""(variant, precision) -> folder of a bundle."""
MakeCheckpoint = Callable[[str], Path]
"""variant -> folder of a checkpoint."""


def small_config(variant: str) -> ModelConfig:
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
    language = dataclasses.replace(RELEASES[Variant(variant)], **common, **sizes[variant])
    vision = VisionConfig(image_size=image_size, width=66, heads=3, layers=2, mlp_ratio=2.5)
    projector = ProjectorConfig(input_dim=vision.width, n_embed=language.hidden_size)
    return ModelConfig(vision, projector, language, candidate_resolutions=official_resolutions(image_size))


def picture(width: int, height: int, seed: int) -> Image.Image:
    """Coloured rectangles on a gradient: every tile differs from every other."""
    generator = np.random.default_rng(seed)
    ramp = np.linspace(40, 215, width * height, dtype=np.float32).reshape(height, width, 1)
    image = Image.fromarray(np.broadcast_to(ramp, (height, width, 3)).astype(np.uint8))
    draw = ImageDraw.Draw(image)
    for _ in range(12):
        x, y = int(generator.integers(0, width)), int(generator.integers(0, height))
        colour = tuple(int(value) for value in generator.integers(0, 256, 3))
        draw.rectangle([x, y, x + width // 5, y + height // 6], fill=colour)
    return image


def pictures(count: int) -> list[Image.Image]:
    """Pictures of different shapes, so that their tilings differ."""
    sizes = [(170, 90), (100, 210), (60, 60)]
    return [picture(width, height, seed) for seed, (width, height) in enumerate(sizes[:count])]


def edit_manifest(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change a bundle's manifest in place."""
    path = folder / MANIFEST
    document = json.loads(path.read_text("utf-8"))
    change(document)
    path.write_text(json.dumps(document), "utf-8")


def list_again(folder: Path) -> None:
    """Let a bundle's manifest list its files as they are now, so that only what is wrong inside them is found."""

    def change(document: dict[str, Any]) -> None:
        document["files"] = [
            FileEntry.of(folder / entry["path"], folder).model_dump(mode="json") for entry in document["files"]
        ]

    edit_manifest(folder, change)


def as_schema_1(document: dict[str, Any]) -> None:
    """Make a manifest what releases before the second schema wrote, which had no graphs for a library."""
    built_in = {"", "com.microsoft"}
    newer = {graph["file"] for graph in document.pop("graphs") if not graph["opsets"].keys() <= built_in}
    document["files"] = [entry for entry in document["files"] if entry["path"] not in newer]
    document["schema_version"] = 1
    for entry in document["files"]:
        del entry["samples_sha256"]
