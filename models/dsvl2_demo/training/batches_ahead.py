"""Processes that draw batches while the network learns from earlier ones."""

from __future__ import annotations

import os
from collections.abc import Iterator

from torch.utils.data import DataLoader, IterableDataset

from dsvl2_demo.training.batch import Batch

AHEAD = 3
"""Batches that each process draws before they are asked for."""


def drawn_ahead(stream: IterableDataset[Batch], workers: int, *, pinned: bool) -> Iterator[Batch]:
    """Batches of a stream without end.

    Args:
        stream: draws other batches in each worker.
        workers: processes; none to draw in this one.
        pinned: whether batches lie in memory that a GPU copies from by itself.
    """
    loader = DataLoader(
        stream,
        batch_size=None,
        num_workers=workers,
        prefetch_factor=AHEAD if workers else None,
        pin_memory=pinned,
        worker_init_fn=_come_second,
    )
    return iter(loader)


def _come_second(_: int) -> None:
    if hasattr(os, "nice"):  # everybody waits for the step
        os.nice(5)
