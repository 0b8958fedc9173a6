"""Answers judged with the true beginning given: all tokens right is the same as a right greedy answer.

If every token of an answer is the most likely one after the true tokens before it, greedy generation writes exactly
that answer, and the other way round. So exact-answer rates need no generation.
"""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import dataclass, field, replace

import torch

from dsvl2_demo.pages.words import Split
from dsvl2_demo.training.arithmetic import autocast
from dsvl2_demo.training.batch import Batch
from dsvl2_demo.training.batches import BatchRange, draw_batches
from dsvl2_demo.training.conversation import IGNORED
from dsvl2_demo.training.training_model import Phase, Reader


@dataclass(slots=True)
class Tally:
    """Sums over batches."""

    right_tokens: int = 0
    tokens: int = 0
    named: list[float] = field(default_factory=list)
    answer_loss: list[float] = field(default_factory=list)
    exact: dict[str, list[bool]] = field(default_factory=lambda: defaultdict(list))

    def report(self) -> dict[str, object]:
        """Plain numbers for the log."""
        result: dict[str, object] = {}
        if self.tokens:
            result["token"] = round(self.right_tokens / self.tokens, 4)
            result["loss"] = round(sum(self.answer_loss) / len(self.answer_loss), 4)
            result["exact"] = {task: round(sum(hits) / len(hits), 3) for task, hits in sorted(self.exact.items())}
        if any(self.named):
            result["named"] = round(sum(self.named) / len(self.named), 4)
        return result

    def exact_rate(self, tasks: tuple[str, ...]) -> float:
        """Share of exact answers among some tasks; 0 if none was asked."""
        hits = [hit for task in tasks for hit in self.exact.get(task, [])]
        return sum(hits) / len(hits) if hits else 0.0


def add_batch(tally: Tally, reader: Reader, batch: Batch, phase: Phase) -> None:
    """Judge one batch, in place."""
    losses = reader(batch, phase)
    tally.named.append(float(losses.named))
    if losses.logits is None:
        return
    learned = batch.targets != IGNORED
    right = losses.logits.argmax(-1) == batch.targets
    tally.right_tokens += int(right.sum())
    tally.tokens += int(learned.sum())
    tally.answer_loss.append(float(losses.answer))
    for row, task, first, last in batch.tasks:
        tally.exact[task].append(bool(right[row, first:last].all()))


@torch.no_grad()
def measure(reader: Reader, phase: Phase, range_: BatchRange, split: Split, examples: int, seed: int) -> Tally:
    """Judge fresh pages of a split; the same seed gives the same pages.

    In the phase of the eyes the answers are measured from pixels all the same: they show what the language model, not
    changed in that phase, makes of what the eyes give it. What was answered before is always the truth.
    """
    range_ = replace(range_, slips=False)
    was_training = reader.training
    reader.eval()
    rng = random.Random(seed)  # noqa: S311 - drawing pages, not keys
    tally = Tally()
    device = next(reader.parameters()).device
    size = min(16, examples)
    with autocast(device):
        for _ in range(examples // size):
            batch = draw_batches(range_, reader.config, size, split, rng)[0]
            add_batch(tally, reader, batch.to(device), "language" if phase == "language" else "joint")
    reader.train(was_training)
    return tally
