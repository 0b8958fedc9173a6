"""How a run is driven, and its command line."""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from dsvl2_demo.pages.fonts import TRAINING_PACKAGES, missing_training_faces
from dsvl2_demo.training.publish import BESIDE_FILE
from dsvl2_demo.training.training_model import Phase


@dataclass(frozen=True, slots=True)
class Settings:
    """How a run is driven."""

    out: Path
    minutes: float = math.inf
    began: float | None = None
    """When those minutes began, as `time.time()` says; None for when training does."""
    finish: bool = False
    """Fit what is left of the stages into those minutes, with a part of them for measuring."""
    seed: int = 1
    threads: int = 2
    workers: int = 1
    save_minutes: float = 4.0
    measure_minutes: float = 10.0
    measure_examples: int = 64
    phase: Phase | None = None
    device: str = "cpu"
    processes: int = 1
    start: Path | None = None
    """A published checkpoint whose weights a new run begins with."""
    sheets: float | None = None
    """Minutes for real pages, with the larger network; None trains the shipped one on pages of one tile."""
    rate: float = 1.5e-3
    budget: int = 120_000
    repeats: int = 1
    recorded: bool = False
    """Record the steps as CUDA graphs, for batches of few shapes."""
    grouped: bool = True
    """Let each token go through its own experts alone, where the GPU can do that without being waited for."""
    gaze_positions: int | None = None
    pieces: Path | None = None
    """Where each save also writes the averaged weights, in files of at most 15 MB, and the log."""
    report_steps: int = 0
    """A line on the screen every so many steps; 0 for none."""
    measured_sheets: int = 0
    """Questions of each kind of page at the end."""


def parse_args(arguments: Sequence[str] | None = None) -> Settings:
    """Settings from the command line."""
    parser = argparse.ArgumentParser(prog="python -m dsvl2_demo.training.train", description="Train the demo model.")
    parser.add_argument("--out", type=Path, required=True, help="folder of the run; an existing one is gone on with")
    parser.add_argument("--minutes", type=float, default=math.inf, help="stop after so many minutes (default: never)")
    parser.add_argument("--began", type=float, help="when these began, in seconds as `date +%%s` says (default: now)")
    parser.add_argument("--finish", action="store_true", help="fit what is left of the stages into these minutes")
    parser.add_argument("--phase", choices=("language", "vision", "joint"), help="only stages of this phase")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--processes", type=int, default=1, help="that train together, of one thread each")
    parser.add_argument("--start", type=Path, help="checkpoint to train further; give it again to go on")
    parser.add_argument("--any-faces", action="store_true", help="train with the typefaces that there are")
    parser.add_argument("--sheets", type=float, metavar="MINUTES", help="train the larger network on real pages")
    parser.add_argument("--rate", type=float, default=1.5e-3, help="the highest learning rate for real pages")
    parser.add_argument("--budget", type=int, default=120_000, help="cost of a batch of real pages, in tokens")
    parser.add_argument("--repeats", type=int, default=1, help="conversations about one real page")
    parser.add_argument("--workers", type=int, default=1, help="processes that draw")
    parser.add_argument("--recorded", action="store_true", help="record steps on real pages as CUDA graphs")
    parser.add_argument("--side-by-side", dest="grouped", action="store_false", help="all experts for each token")
    parser.add_argument("--gaze-positions", type=int, help="positions of a conversation whose looks are taught")
    parser.add_argument("--save-minutes", type=float, default=4.0)
    parser.add_argument("--measure-minutes", type=float, default=10.0)
    parser.add_argument("--measure-examples", type=int, default=64, help="pages of each split at every measurement")
    parser.add_argument("--report-steps", type=int, default=0, help="a line on the screen every so many steps")
    parser.add_argument("--measured-sheets", type=int, default=0, help="questions of each kind of page at the end")
    parser.add_argument("--pieces", type=Path, help="folder for the weights of each save, in pieces of 15 MB")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    options = vars(parser.parse_args(arguments))
    any_faces = options.pop("any_faces")
    settings = Settings(**options)
    if settings.start is not None and not (settings.start / BESIDE_FILE).is_file():
        parser.error(f"{settings.start} holds no {BESIDE_FILE}; name a folder that `dsvl2_demo.training.publish` wrote")
    if settings.finish and math.isinf(settings.minutes):
        parser.error("--finish needs --minutes, into which it fits the stages")
    if settings.recorded and (
        settings.sheets is None or not settings.device.startswith("cuda") or settings.processes > 1
    ):
        parser.error("--recorded needs --sheets, a CUDA device, and one process")
    missing = missing_training_faces()
    if missing and not any_faces:
        parser.error(
            f"{len(missing)} of the typefaces to train with are not installed, {missing[0]} among them; install the "
            f"Debian packages {TRAINING_PACKAGES}, or give --any-faces for a model that knows fewer"
        )
    return settings
