"""Saving and resuming a training run: one file with everything, replaced at once, never half written."""

from __future__ import annotations

import io
import json
import pickle  # its error alone: states are read with `weights_only`
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dsvl2_runtime.errors import ModelCorruptError, UsageError
from dsvl2_runtime.machine.files import disk_errors, new_file

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
    stage_name: str = ""
    """Of `entered`, so that a run cannot go on with the stages of another."""


@dataclass(slots=True)
class RunFolder:
    """The folder of one run."""

    path: Path

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
        whole = io.BytesIO()  # on a full disk PyTorch's own writer fails with an error that does not say so
        torch.save(state, whole)
        with disk_errors(self.path), new_file(self.path / STATE_FILE) as path:
            path.write_bytes(whole.getbuffer())

    def load(self) -> dict[str, Any] | None:
        """The saved state, tensors and plain values only; None if the run has not saved yet.

        Raises:
            ModelCorruptError: it cannot be read.
        """
        path = self.path / STATE_FILE
        if not path.is_file():
            return None
        try:
            state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        except (OSError, RuntimeError, ValueError, EOFError, pickle.UnpicklingError) as error:
            advice = "delete it to begin the run again; weights in pieces can be published without it"
            raise ModelCorruptError(path, f"it cannot be read ({str(error)[:200]})", advice) from error
        return state

    def require(self) -> dict[str, Any]:
        """The saved state.

        Raises:
            UsageError: the folder has none.
        """
        state = self.load()
        if state is None:
            raise UsageError(
                f"{self.path} holds neither weights in pieces nor a {STATE_FILE}; train first, or name the folder of a "
                "run or of its pieces"
            )
        return state

    def forget_after(self, step: int) -> None:
        """Drop the log's lines about steps that were never saved and will be made again."""
        path = self.path / LOG_FILE
        if path.is_file():
            lines = path.read_text("utf-8").splitlines(keepends=True)
            kept = [line for line in lines if line.endswith("\n") and json.loads(line)["step"] <= step]
            if len(kept) < len(lines):
                with new_file(path) as shorter:
                    shorter.write_text("".join(kept), "utf-8")

    def log(self, entry: dict[str, Any]) -> None:
        """Append one JSON line."""
        self.path.mkdir(parents=True, exist_ok=True)
        with (self.path / LOG_FILE).open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")


def seed_everything(seed: int) -> None:
    """Seed Python and PyTorch."""
    random.seed(seed)
    torch.manual_seed(seed)
