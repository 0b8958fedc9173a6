"""The few shapes that batches of real pages are padded to where steps are recorded, one recording for each shape."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch.nn.functional as F  # noqa: N812 - the customary name
from torch import Tensor

from dsvl2_demo.training.batch import Batch, Looks
from dsvl2_demo.training.conversation import IGNORED
from dsvl2_demo.training.vocabulary import PAD_ID

LENGTH_STEP = 1.3
"""Conversations of one batch differ in length by this factor at most."""
TILE_TOKENS = 400
"""What looking at a tile costs, in tokens of the language model."""
TILES_OF_CLASS = {23: 1.0, 24: 0.6, 25: 1.0, 26: 1.4, 27: 2.3, 28: 2.8, 29: 4.0, 30: 4.1, 31: 6.7}
"""Tiles that a conversation adds to its batch, by its class of length: means of 10,000 conversations, three about
each page and its tiles looked at once, and 4 % more. Then 16 % of the positions and 5 % of the tiles are padding, 12 %
of what a batch costs; with the tiles of conversations that look by themselves it was 37 %, mostly tiles."""
TOKENS_OF_TILE = 290
"""Of a conversation whose class is not in that table, text included."""


@dataclass(frozen=True, slots=True)
class BatchShape:
    """What a batch is padded to."""

    rows: int
    length: int
    """In tokens."""
    tiles: int


def length_class(length: int) -> int:
    """Conversations of one class come into one batch."""
    return round(math.log(length, LENGTH_STEP))


def shape_of_class(number: int, budget: int) -> BatchShape:
    """The shape of all batches of one class that cost about `budget` tokens.

    The longest conversation of a class has `LENGTH_STEP ** (number + 0.5)` tokens.
    """
    length = math.floor(LENGTH_STEP ** (number + 0.5))
    tiles = TILES_OF_CLASS.get(number, max(1.0, length / TOKENS_OF_TILE))
    rows = max(1, round(budget / (length + TILE_TOKENS * tiles)))
    return BatchShape(rows, length, max(math.ceil(rows * tiles), math.ceil(length / TOKENS_OF_TILE)))


def padded(batch: Batch, shape: BatchShape) -> Batch:
    """The batch with empty rows, positions and tiles up to a shape.

    A conversation that mistakes on purpose made longer than the shape loses its end.
    """

    def grown(tensor: Tensor, value: int) -> Tensor:
        tensor = tensor[:, : shape.length]
        return F.pad(tensor, (0, shape.length - tensor.shape[1], 0, shape.rows - tensor.shape[0]), value=value)

    def looks(those: Looks) -> Looks:
        return those.changed(lambda tensor: grown(tensor, -1))

    missing = shape.tiles - len(batch.pixels)
    return Batch(
        grown(batch.input_ids, PAD_ID),
        grown(batch.targets, IGNORED),
        grown(batch.table_rows, -1),
        looks(batch.here),
        looks(batch.ahead),
        F.pad(batch.pixels, (0, 0) * 3 + (0, missing)),
        F.pad(batch.layout, (0, 0) * 2 + (0, missing)),
        batch.tasks,
        shape.rows - len(batch.input_ids),
    )
