"""What an export reads: a checkpoint on disk, or weights that are made up as they are asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dsvl2_runtime.config import ModelConfig


class WeightSource(Protocol):
    """Tensors by their official names, one at a time."""

    @property
    def config(self) -> ModelConfig:
        """Sizes of the model."""

    @property
    def note(self) -> str:
        """A sentence to show beside answers, or nothing."""

    @property
    def identity(self) -> str:
        """A fingerprint that changes when the weights change."""

    def tensor(self, name: str) -> Tensor:
        """One tensor as stored."""

    def array(self, name: str) -> NDArray[np.float32]:
        """One tensor as float32."""

    def write_tokenizer(self, folder: Path) -> None:
        """Put `tokenizer.json` into a folder."""


def load_into(source: WeightSource, module: torch.nn.Module, prefix: str = "") -> None:
    """Copy tensors into a module's parameters and buffers, one at a time, in place."""
    with torch.no_grad():
        for name, parameter in module.state_dict(keep_vars=True).items():
            parameter.copy_(source.tensor(prefix + name))
