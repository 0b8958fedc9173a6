"""Saving and resuming a training run: one file with everything, replaced at once, never half written."""

from __future__ import annotations

import json
import random
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dsvl2_runtime.errors import UsageError

STATE_FILE = "state.pt"
LOG_FILE = "log.jsonl"


@dataclass(slots=True)
class Progress:
    """How far a run has come; `stage_seconds` is time spent training in the present stage."""

    stage: int = 0
    step: int = 0
    stage_step: int = 0
    stage_seconds: float = 0.0
    total_seconds: float = 0.0
    examples: int = 0
    sitting: int = 0
    entered: int = -1
    """The stage that the optimisers belong to; behind `stage` when a finished run is given more stages."""


@dataclass(slots=True)
class RunFolder:
    """The folder of one run."""

    path: Path
    started: float = field(default_factory=time.time)

    def save(self, progress: Progress, model: nn.Module, average: dict[str, Tensor], optimizers: list[Any]) -> None:
        """Write the whole state beside the old one, then put it in its place."""
        state = {
            "progress": {name: getattr(progress, name) for name in Progress.__slots__},
            "model": model.state_dict(),
            "average": average,
            "optimizers": [optimizer.state_dict() for optimizer in optimizers],
            "random": torch.get_rng_state(),
        }
        self.path.mkdir(parents=True, exist_ok=True)
        part = self.path / f"{STATE_FILE}.part"
        torch.save(state, part)
        part.replace(self.path / STATE_FILE)

    def load(self) -> dict[str, Any] | None:
        """The saved state, tensors and plain values only; None if the run has not saved yet."""
        path = self.path / STATE_FILE
        if not path.is_file():
            return None
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        return state

    def require(self) -> dict[str, Any]:
        """The saved state.

        Raises:
            UsageError: the folder has none.
        """
        state = self.load()
        if state is None:
            raise UsageError(f"{self.path} holds no {STATE_FILE}; train first, or name the folder of a run")
        return state

    def log(self, entry: dict[str, Any]) -> None:
        """Append one JSON line."""
        self.path.mkdir(parents=True, exist_ok=True)
        with (self.path / LOG_FILE).open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")


def seed_everything(seed: int) -> None:
    """Seed Python and PyTorch."""
    random.seed(seed)
    torch.manual_seed(seed)
