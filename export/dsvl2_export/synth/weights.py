"""Random weights, made up as they are asked for: the one source of them, for checkpoints, benchmarks and tests."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from math import prod
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dsvl2_export.checkpoint.tensor_names import Shape, expected_tensors
from dsvl2_export.synth.tokenizer import write_tokenizer
from dsvl2_runtime.config import ModelConfig

NOTE = "These weights are random: the answer shows that the program runs, not what the model can read."
PIECE_VALUES = 1 << 22
"""Values that are drawn at a time."""


def random_tensor(name: str, shape: Shape, seed: int) -> Iterator[NDArray[np.float32]]:
    """Rows of a tensor in float32, in pieces, of a scale that keeps activations and logits near one.

    Norm weights are around 1 and biases around 0. Routers are sharper than that, so that experts differ in weight.
    """
    generator = np.random.default_rng([seed, *name.encode()])
    rows = shape[0]
    inner = prod(shape[1:])
    if len(shape) == 1 or name == "vision.pos_embed":
        offset = 1.0 if "norm" in name and name.endswith("weight") else 0.0
        spread = 1.0 if name in ("image_newline", "view_seperator") else 0.1
    else:
        offset = 0.0
        spread = 1.0 if name.endswith("embed_tokens.weight") else inner**-0.5
        if name.endswith(".gate.weight"):
            spread *= 2
    step = max(1, PIECE_VALUES // inner)
    for start in range(0, rows, step):
        piece = generator.standard_normal((min(step, rows - start), *shape[1:]), np.float32)
        yield piece * np.float32(spread) + np.float32(offset)


@dataclass(frozen=True)
class RandomWeights:
    """A `WeightSource` without files: a bundle of any release without a checkpoint on the disk."""

    config: ModelConfig
    seed: int = 0
    note: str = NOTE

    @property
    def identity(self) -> str:
        """The numbers follow from seed, names and sizes."""
        return f"random {self.seed} {self.config}"

    @cached_property
    def _shapes(self) -> dict[str, Shape]:
        return expected_tensors(self.config)

    def array(self, name: str) -> NDArray[np.float32]:
        """One tensor of the model; the same one every time."""
        tensor = np.empty(self._shapes[name], np.float32)
        filled = 0
        for piece in random_tensor(name, tensor.shape, self.seed):
            tensor[filled : filled + len(piece)] = piece
            filled += len(piece)
        return tensor

    def tensor(self, name: str) -> Tensor:
        """The same for PyTorch."""
        return torch.from_numpy(self.array(name))

    def write_tokenizer(self, folder: Path) -> None:
        """Write a tokenizer with the added tokens into a folder."""
        write_tokenizer(folder, self.config.language_config)
