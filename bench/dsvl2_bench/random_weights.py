"""Weights that are made up as they are asked for: a bundle of any release without a checkpoint on the disk.

All tensors are views of one pool of normal numbers. That is as good as real weights for speed and memory, except that
experts are chosen about equally often.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from zlib import crc32

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dsvl2_export.checkpoint.tensor_names import Shape, expected_tensors
from dsvl2_export.synth.tokenizer import write_tokenizer
from dsvl2_runtime.config import ModelConfig

POOL_VALUES = 1 << 22
NOTE = "These weights are random numbers for measuring speed; answers mean nothing."


@dataclass
class RandomWeights:
    """A `WeightSource` of random numbers."""

    config: ModelConfig
    note: str = NOTE
    _shapes: dict[str, Shape] = field(init=False, repr=False)
    _pool: NDArray[np.float32] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._shapes = expected_tensors(self.config)
        self._pool = np.random.default_rng(0).standard_normal(POOL_VALUES, np.float32)

    @property
    def identity(self) -> str:
        """The numbers follow from the names and sizes."""
        return f"random {self.config}"

    def array(self, name: str) -> NDArray[np.float32]:
        """One tensor, scaled so that activations stay near one."""
        shape = self._shapes[name]
        count = prod(shape)
        start = crc32(name.encode()) % POOL_VALUES
        rolled = np.concatenate([self._pool[start:], self._pool[:start]])
        values = np.resize(rolled, count).reshape(shape)
        if len(shape) == 1:
            return values * np.float32(0.1) + np.float32(1.0 if "norm" in name and name.endswith("weight") else 0.0)
        return values * np.float32(prod(shape[1:]) ** -0.5)

    def tensor(self, name: str) -> Tensor:
        """The same for PyTorch."""
        return torch.from_numpy(self.array(name))

    def write_tokenizer(self, folder: Path) -> None:
        """A tokenizer with the added tokens."""
        write_tokenizer(folder, self.config.language_config)
