"""A batch of conversations about pages, and where the text of their tokens stands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Looks:
    """Where the text of each token stands; -1 if it stands nowhere."""

    cells: Tensor
    """`[batch, seq] int64`: row of the image table."""
    slots: Tensor
    """`[batch, seq] int64`: which character of that cell, counted through its patches by `layout.SLOTS` each."""
    coordinates: Tensor
    """`[batch, seq] int64`: of a box, 0 to 999, for the tokens that tell it."""

    def changed(self, change: Callable[[Tensor], Tensor]) -> Looks:
        """The same with each tensor changed."""
        return Looks(change(self.cells), change(self.slots), change(self.coordinates))


@dataclass(slots=True)
class Batch:
    """`num_tiles` counts distinct tiles: a global view equal to its only local tile is looked at once."""

    input_ids: Tensor
    """`[batch, seq] int64`, padded at the right."""
    targets: Tensor
    """`[batch, seq] int64`, what follows each position, `IGNORED` outside the answers."""
    table_rows: Tensor
    """`[batch, seq] int64`: row of the image table, -1 at text."""
    here: Looks
    """Where the text of this token is seen."""
    ahead: Looks
    """Where that of the next token is seen, where it is learned."""
    pixels: Tensor
    """`[num_tiles, 3, tile, tile] uint8`."""
    layout: Tensor
    """`[num_tiles, patches, features] uint8`."""
    tasks: list[tuple[int, str, int, int]]
    """(row of the batch, task, first, last) of each answer, end exclusive."""
    empty_rows: int = 0
    """At the end, which hold no conversation."""

    @property
    def examples(self) -> int:
        """Conversations in the batch."""
        return int(self.input_ids.shape[0]) - self.empty_rows

    def tensors(self) -> list[Tensor]:
        """All of them, always in the same order."""
        looks = [
            tensor for those in (self.here, self.ahead) for tensor in (those.cells, those.slots, those.coordinates)
        ]
        return [self.input_ids, self.targets, self.table_rows, *looks, self.pixels, self.layout]

    def changed(self, change: Callable[[Tensor], Tensor]) -> Batch:
        """The same with each tensor changed."""
        return Batch(
            change(self.input_ids),
            change(self.targets),
            change(self.table_rows),
            self.here.changed(change),
            self.ahead.changed(change),
            change(self.pixels),
            change(self.layout),
            self.tasks,
            self.empty_rows,
        )

    def to(self, device: torch.device) -> Batch:
        """The batch with its tensors on a device; from pinned memory the copy is not waited for."""
        return self.changed(lambda tensor: tensor.to(device, non_blocking=True))

    def pin_memory(self) -> Batch:
        """The batch in memory that a GPU copies from by itself; `DataLoader` calls this."""
        return self.changed(Tensor.pin_memory)
