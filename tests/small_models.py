"""Small models of all three variants, made once per test run and shared by the parts' tests."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from dsvl2_export.checkpoint.tensor_names import expected_tensors
from dsvl2_export.synth.synth import small_config
from dsvl2_runtime.bundle.manifest import MANIFEST
from dsvl2_runtime.config import ModelConfig

VARIANTS = ("tiny", "small", "base")

FIGURE = "figure"
"""`record_property(FIGURE, text)` puts a measured figure into the summary at the end of the run."""

MakeBundle = Callable[[str, str], Path]
"""(variant, precision) -> folder of a bundle."""
MakeCheckpoint = Callable[[str], Path]
"""variant -> folder of a checkpoint."""

__all__ = [
    "FIGURE",
    "VARIANTS",
    "MakeBundle",
    "MakeCheckpoint",
    "RandomWeights",
    "edit_manifest",
    "picture",
    "pictures",
    "small_config",
]


@dataclass
class RandomWeights:
    """Any expected tensor, drawn on demand from its name and a seed."""

    config: ModelConfig
    seed: int

    def array(self, name: str) -> NDArray[np.float32]:
        shape = expected_tensors(self.config)[name]
        generator = np.random.default_rng([self.seed, *name.encode()])
        return generator.standard_normal(shape, np.float32) * np.float32(shape[-1] ** -0.5)


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
