"""Processes that train the same weights side by side, each on its own pages.

On two cores two of them, of one thread each, get through a fifth more pages than one of two threads.
Each step sums the gradients of all of them; the first process keeps the time, so it also says what learning rate
the step takes and whether it is the last of its stage.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, distributed, nn
from torch.multiprocessing.spawn import start_processes


@dataclass(frozen=True, slots=True)
class Group:
    """One process among those that train together."""

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process measures, saves and keeps the time."""
        return self.rank == 0

    def agree(self, parameters: Sequence[nn.Parameter], said: Sequence[float]) -> list[float]:
        """Average the gradients in place, and return what the leading process said."""
        if self.size == 1:
            return list(said)
        pieces = [torch.zeros_like(each) if each.grad is None else each.grad for each in parameters]
        device = parameters[0].device
        words = torch.tensor(said, dtype=torch.float32, device=device) * (self.size if self.leads else 0)
        everything = torch.cat([*(piece.flatten() for piece in pieces), words])
        distributed.all_reduce(everything)
        everything /= self.size
        start = 0
        for parameter in parameters:
            parameter.grad = everything[start : start + parameter.numel()].view_as(parameter)
            start += parameter.numel()
        return [float(word) for word in everything[start:]]

    def same(self, tensors: Sequence[Tensor]) -> None:
        """Give every process the leading one's values, in place."""
        if self.size > 1:
            for tensor in tensors:
                distributed.broadcast(tensor, 0)


def _enter(rank: int, size: int, meeting_point: str, work: Callable[[Group], None]) -> None:
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=meeting_point, rank=rank, world_size=size)
    work(Group(rank, size))
    distributed.destroy_process_group()


def together(size: int, folder: Path, work: Callable[[Group], None]) -> None:
    """Run `work` in `size` processes that find one another through a file in `folder`; they end together."""
    folder.mkdir(parents=True, exist_ok=True)
    meeting_point = folder.absolute() / "meeting-point"
    meeting_point.unlink(missing_ok=True)
    try:
        start_processes(_enter, args=(size, meeting_point.as_uri(), work), nprocs=size, start_method="spawn")
    finally:
        meeting_point.unlink(missing_ok=True)
