"""Held-out real pages, judged with the true beginning given, while a run goes on; see `measure.py`."""

from __future__ import annotations

import json
import random
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

import torch
from torch.utils.data import DataLoader, Dataset

from dsvl2_demo.pages.kinds import SHEETS
from dsvl2_demo.questions.asked_page import asked_page, printed_em, read_tasks
from dsvl2_demo.training.arithmetic import autocast
from dsvl2_demo.training.batch import Batch
from dsvl2_demo.training.batches import BatchBuilder, page_views
from dsvl2_demo.training.fake_quant import rounded
from dsvl2_demo.training.measure import Tally, add_batch
from dsvl2_demo.training.sheet_batches import KIND_WEIGHTS
from dsvl2_demo.training.training_model import Reader
from dsvl2_runtime.config import ModelConfig


@dataclass(frozen=True, slots=True)
class MeasuredPage:
    """What a question that is measured was about."""

    kind: str
    tiles: int
    """Local ones."""
    print_size: float
    """Em of the answer's text in pixels of a tile; 0 where the answer is not written on the page."""


class MeasuredSheets(Dataset[tuple[Batch, list[MeasuredPage]]]):
    """Held-out pages, one question each; item by item a batch of pages of one kind, the same for the same seed."""

    def __init__(self, config: ModelConfig, kinds: Sequence[str], per_kind: int, seed: int, size: int = 10) -> None:
        self._config, self._seed = config, seed
        parts = [(part, min(size, per_kind - first)) for part, first in enumerate(range(0, per_kind, size))]
        self._items = [(kind, *part) for part in parts for kind in kinds]  # so that each kind is in the first few

    def __len__(self) -> int:
        """Batches."""
        return len(self._items)

    def __getitem__(self, index: int) -> tuple[Batch, list[MeasuredPage]]:
        """A batch, and what each of its conversations is about."""
        kind, part, size = self._items[index]
        rng = random.Random(f"measured {self._seed} {kind} {part}")  # noqa: S311 - drawing pages, not keys
        builder = BatchBuilder(self._config)
        about = []
        for _ in range(size):
            page, turn = asked_page(kind, read_tasks(kind), "held_out", rng)
            (view,) = views = page_views([page], self._config)
            builder.add(views, [turn])
            tiles = view.tiling.tiles_wide * view.tiling.tiles_high
            about.append(MeasuredPage(kind, tiles, round(printed_em(page, turn) * view.views[-1].scale_y, 1)))
        return builder.batch(), about


DrawnPages = tuple[Batch, list[MeasuredPage]]


def drawn_sheets(config: ModelConfig, per_kind: int, workers: int, seed: int) -> Iterable[DrawnPages]:
    """Batches of held-out pages of all kinds, as they are drawn; the same for the same seed."""
    # Of the other kinds no measurement was made before, and the curve is of all kinds together.
    pages = MeasuredSheets(config, [kind for kind, _ in KIND_WEIGHTS if kind in SHEETS], per_kind, seed)
    # Not forked: by now this process has threads (pinning, autograd), whose locks a fork would copy shut.
    context = "spawn" if workers else None
    return DataLoader(pages, batch_size=None, num_workers=workers, multiprocessing_context=context)


@torch.no_grad()
def measured_sheets(reader: Reader, pages: Iterable[DrawnPages], end: float) -> tuple[str, dict[str, float]]:
    """A JSON line for each question, and the share that is answered to the letter by kind of page.

    The weights are rounded to the four bits that ship.

    Args:
        reader: whose answers are judged.
        pages: with a question each.
        end: when to leave the rest out, as `time.monotonic()` says.
    """
    device = next(reader.parameters()).device
    hits: dict[str, list[bool]] = defaultdict(list)
    lines = []
    with rounded(reader), autocast(device):
        for batch, about in pages:
            if time.monotonic() >= end:
                break
            tally = Tally()
            add_batch(tally, reader, batch.to(device), "joint")
            found = {task: iter(answers) for task, answers in tally.exact.items()}
            for (_, task, _, _), page in zip(batch.tasks, about, strict=True):
                hit = next(found[task])
                hits[page.kind].append(hit)
                lines.append(json.dumps({**asdict(page), "task": task, "right": hit}) + "\n")
    return "".join(lines), {kind: round(sum(found) / len(found), 3) for kind, found in hits.items()}
