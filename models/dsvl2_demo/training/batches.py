"""Batches of pages with conversations about them, padded and indexed so that one gather builds the input vectors."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.utils.data import IterableDataset

from dsvl2_demo.pages.documents import PageRange, draw_page
from dsvl2_demo.pages.page import Page
from dsvl2_demo.pages.words import Split
from dsvl2_demo.questions.tasks import Task, Turn, ask
from dsvl2_demo.questions.traces import Place
from dsvl2_demo.training.answer_noise import with_slips
from dsvl2_demo.training.conversation import IGNORED, Conversation, conversation, text_tokens
from dsvl2_demo.training.layout import SLOTS, characters_in, layout_of, views_of
from dsvl2_demo.training.vocabulary import IMAGE_ID, PAD_ID
from dsvl2_runtime.config import ModelConfig
from dsvl2_runtime.inputs.tiling import Tiling, pad_to, plan_tiling

NEWLINE_ROW, SEPARATOR_ROW, FIRST_CELL_ROW = 0, 1, 2
"""Rows of the table that image positions are gathered from: the two format vectors, then the cells of all tiles."""

TILE_COST = 300
"""What looking at a tile costs in the vision tower, in tokens of the language model."""

NOWHERE = (-1, -1, -1)
SORTED_TOGETHER = 4
"""Batches that are drawn together and sorted by length."""


@dataclass(frozen=True, slots=True)
class BatchRange:
    """What batches are drawn from.

    `tasks` are weights of the tasks, `fewest_turns` to `turns` the questions about one page (reading the page costs
    most, so many questions teach more in the same time), `pairs` the share of batches whose examples have two
    pictures, `blank` leaves the text undrawn (for training on the ground truth alone).
    """

    pages: PageRange = field(default_factory=PageRange)
    tasks: tuple[tuple[Task, float], ...] = (("value", 1.0),)
    turns: int = 4
    fewest_turns: int = 1
    pairs: float = 0.0
    blank: bool = False
    global_only: bool = False
    """Leave the separator and the local views out: not the official format, but a faster beginning."""
    slips: bool = False
    """Put mistakes into the answers given so far, see `slips.py`."""


@dataclass(frozen=True, slots=True)
class Looks:
    """Where the text of each token stands; -1 if it stands nowhere."""

    cells: Tensor
    """`[batch, seq] int64`: row of the image table."""
    slots: Tensor
    """`[batch, seq] int64`: which character of that cell, counted through its patches by `layout.SLOTS` each."""
    coordinates: Tensor
    """`[batch, seq] int64`: of a box, 0 to 999, for the tokens that tell it."""

    def to(self, device: torch.device) -> Looks:
        """The same on a device."""
        return Looks(self.cells.to(device), self.slots.to(device), self.coordinates.to(device))


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

    @property
    def examples(self) -> int:
        """Conversations in the batch."""
        return int(self.input_ids.shape[0])

    def to(self, device: torch.device) -> Batch:
        """The batch with its tensors on a device."""
        return Batch(
            self.input_ids.to(device),
            self.targets.to(device),
            self.table_rows.to(device),
            self.here.to(device),
            self.ahead.to(device),
            self.pixels.to(device),
            self.layout.to(device),
            self.tasks,
        )


def picture_tiles(image: Image.Image, tiling: Tiling, tile: int) -> list[Image.Image]:
    """Global view and local tiles as pictures, in the official order; one picture where both are the same."""
    if tiling.num_tiles == 1:
        return [image if image.size == (tile, tile) else pad_to(image, tile, tile)]
    wide, high = tiling.tiles_wide, tiling.tiles_high
    local = pad_to(image, wide * tile, high * tile)
    corners = [(column * tile, row * tile) for row in range(high) for column in range(wide)]
    return [pad_to(image, tile, tile)] + [local.crop((x, y, x + tile, y + tile)) for x, y in corners]


def table_rows_of(tiling: Tiling, cells: int, tiles: Sequence[int]) -> NDArray[np.int64]:
    """Rows of the image table for the positions of one picture, `[num_image_tokens] int64`.

    Args:
        tiling: of the picture.
        cells: image tokens along one side of a tile.
        tiles: index of the global view, then of each local tile, in the batch's tiles.
    """
    across, down = tiling.tiles_wide, tiling.tiles_high
    starts = FIRST_CELL_ROW + np.array(tiles, np.int64) * cells * cells
    square = np.arange(cells * cells).reshape(cells, cells)
    local = starts[1:].reshape(down, 1, across, 1) + square.reshape(1, cells, 1, cells)
    parts = [starts[0] + square, local.reshape(down * cells, across * cells)]
    whole, placed = (np.pad(part, ((0, 0), (0, 1)), constant_values=NEWLINE_ROW).ravel() for part in parts)
    return np.concatenate([whole, [SEPARATOR_ROW], placed])


class CellFinder:
    """Where a point of one picture is seen: in which cell, of a local tile if there is one, and in which slot of it."""

    def __init__(self, page: Page, tiling: Tiling, tiles: Sequence[int], config: ModelConfig) -> None:
        self._tile = config.vision_config.image_size
        self._patch = config.vision_config.patch_size
        self._ratio = config.projector_config.downsample_ratio
        self._cells = config.cells
        views = views_of(page.image.size, (tiling.tiles_wide, tiling.tiles_high), self._tile)
        seen = [characters_in(page, view, self._tile, self._patch) for view in views[: tiling.num_tiles]]
        self._views = list(zip(views, tiles, seen if len(seen) == len(views) else seen * 2, strict=False))[::-1]

    def find(self, place: Place) -> tuple[int, int, int]:
        """(row of the image table, slot, coordinate), the first two -1 where no view shows it or no character is."""
        for view, tile, patches in self._views:
            x, y = place.point[0] * view.scale_x + view.offset_x, place.point[1] * view.scale_y + view.offset_y
            if 0 <= x < self._tile and 0 <= y < self._tile:
                column, row = int(x // self._patch), int(y // self._patch)
                across, down = (min(patch // self._ratio, self._cells - 1) for patch in (column, row))
                found = patches.get(row * (self._tile // self._patch) + column, ())
                inside = (row % self._ratio) * self._ratio + column % self._ratio
                slot = min(range(len(found)), key=lambda at: abs(found[at].x + column * self._patch - x), default=-1)
                table_row = FIRST_CELL_ROW + (tile * self._cells + down) * self._cells + across
                slot = inside * SLOTS + min(slot, SLOTS - 1) if slot >= 0 else -1
                return table_row, slot, place.coordinate
        return NOWHERE


class BatchBuilder:
    """Collects examples and makes one batch of them."""

    def __init__(self, config: ModelConfig, *, global_only: bool = False, slips: random.Random | None = None) -> None:
        self.config = config
        self._slips = slips
        self._global_only = global_only
        self._tile = config.vision_config.image_size
        self._conversations: list[Conversation] = []
        self._rows: list[NDArray[np.int64]] = []
        self._seen: list[NDArray[np.int64]] = []
        self._pixels: list[NDArray[np.uint8]] = []
        self._layouts: list[NDArray[np.uint8]] = []

    def add(self, pages: Sequence[Page], turns: Sequence[Turn]) -> None:
        """Append one conversation about these pages."""
        image_rows, finders = [], []
        for page, tiling in zip(pages, plan_tiling([page.image.size for page in pages], self.config), strict=True):
            tiles = self._add_tiles(page, tiling)
            finders.append(CellFinder(page, tiling, tiles, self.config))
            rows = table_rows_of(tiling, self.config.cells, tiles)
            image_rows.append(rows[: self.config.cells * (self.config.cells + 1)] if self._global_only else rows)
        talk = conversation(turns, [len(rows) for rows in image_rows])
        talk = with_slips(talk, self._slips) if self._slips else talk
        rows = np.full(len(talk.input_ids), -1, np.int64)
        rows[talk.input_ids == IMAGE_ID] = np.concatenate(image_rows)
        here, ahead = (
            [NOWHERE if place is None else finders[place.picture].find(place) for place in places]
            for places in (talk.here, talk.ahead)
        )
        self._conversations.append(talk)
        self._rows.append(rows)
        self._seen.append(np.array((here, ahead), np.int64))

    def _add_tiles(self, page: Page, tiling: Tiling) -> list[int]:
        views = views_of(page.image.size, (tiling.tiles_wide, tiling.tiles_high), self._tile)[: tiling.num_tiles]
        layout = layout_of(page, views, self._tile, self.config.vision_config.patch_size)
        pictures = picture_tiles(page.image, tiling, self._tile)
        first = len(self._pixels)
        self._pixels += [np.asarray(picture, np.uint8).transpose(2, 0, 1) for picture in pictures]
        self._layouts += list(layout)
        return [first, first] if len(pictures) == 1 else list(range(first, first + len(pictures)))

    def batch(self) -> Batch:
        """Everything added so far, padded to the longest conversation."""
        length = max(len(talk.input_ids) for talk in self._conversations)
        shape = (len(self._conversations), length)
        input_ids, targets = np.full(shape, PAD_ID, np.int64), np.full(shape, IGNORED, np.int64)
        rows = np.full(shape, -1, np.int64)
        here, ahead = (np.full((*shape, len(NOWHERE)), -1, np.int64) for _ in range(2))
        tasks = []
        for index, (talk, talk_rows, seen) in enumerate(zip(self._conversations, self._rows, self._seen, strict=True)):
            size = len(talk.input_ids)
            input_ids[index, :size], targets[index, :size], rows[index, :size] = talk.input_ids, talk.targets, talk_rows
            here[index, :size] = seen[0]
            ahead[index, :size] = np.where((talk.targets == IGNORED)[:, None], -1, seen[1])
            tasks += [(index, task, first, last) for task, first, last in talk.tasks]
        return Batch(
            torch.from_numpy(input_ids),
            torch.from_numpy(targets),
            torch.from_numpy(rows),
            Looks(*torch.from_numpy(here).unbind(-1)),
            Looks(*torch.from_numpy(ahead).unbind(-1)),
            torch.from_numpy(np.stack(self._pixels)),
            torch.from_numpy(np.stack(self._layouts)),
            tasks,
        )


def draw_turns(range_: BatchRange, pages: Sequence[Page], split: Split, rng: random.Random) -> list[Turn]:
    """Up to as many questions as the range says, none of which an earlier one has given the answer to.

    Otherwise later answers are copied from the conversation, which is easier than reading them, and reading is not
    learned. So behind a transcription only places are asked for, and what is not there.
    """
    names = [task for task, _ in range_.tasks]
    weights = [weight for _, weight in range_.tasks]
    wanted = rng.randint(range_.fewest_turns, range_.turns)
    turns: list[Turn] = []
    spoken = ""
    for _ in range(2 * wanted):
        task: Task = rng.choice(("compare", "compare", "value")) if len(pages) > 1 else rng.choices(names, weights)[0]
        turn = ask(task, pages, rng, split)
        if turn is None or given_away(turn, spoken):
            continue
        turns.append(turn)
        spoken += f"\n{turn.question}\n{turn.answer}".lower()
        if len(turns) == wanted:
            break
    return turns


def given_away(turn: Turn, spoken: str) -> bool:
    """Whether a part of what the answer reads was said before; what the question itself says is no answer."""
    question = turn.question.lower()
    read = [trace.text.lower().strip(" \n:=-") for trace in turn.read]
    return question in spoken or any(text in spoken for text in read if text not in question)


def draw_batches(
    range_: BatchRange, config: ModelConfig, size: int, split: Split, rng: random.Random, count: int = 1
) -> list[Batch]:
    """`count` random batches of about `size` conversations, all with the same number of pictures.

    Conversations of about the same cost come into one batch, as padding costs as much as text, and batches of cheap
    ones hold more of them, so that all take the same time: processes that train together wait for one another.
    """
    pictures = 2 if rng.random() < range_.pairs else 1
    size = max(1, size // pictures)
    examples: list[tuple[list[Page], list[Turn]]] = []
    while len(examples) < size * count:
        pages = [draw_page(range_.pages, split, rng, blank=range_.blank) for _ in range(pictures)]
        turns = draw_turns(range_, pages, split, rng)
        if turns:
            examples.append((pages, turns))
    weighed = sorted(((example_cost(*example, config), index) for index, example in enumerate(examples)))
    batches = []
    for part in equal_parts([cost for cost, _ in weighed], count):
        builder = BatchBuilder(config, global_only=range_.global_only, slips=rng if range_.slips else None)
        for pages, turns in (examples[index] for _, index in weighed[part]):
            builder.add(pages, turns)
        batches.append(builder.batch())
    rng.shuffle(batches)
    return batches


def example_cost(pages: Sequence[Page], turns: Sequence[Turn], config: ModelConfig) -> int:
    """About what a conversation costs, in tokens."""
    tilings = plan_tiling([page.image.size for page in pages], config)
    seen = sum(tiling.token_count(config.cells) + TILE_COST * tiling.num_tiles for tiling in tilings)
    return text_tokens(turns) + seen


def equal_parts(costs: Sequence[int], count: int) -> list[slice]:
    """Cut a sequence into parts of about the same cost, none of them empty."""
    share = sum(costs) / count
    parts: list[slice] = []
    first, spent = 0, 0.0
    for index, cost in enumerate(costs):
        spent += cost
        left, parts_left = len(costs) - index - 1, count - len(parts) - 1
        if parts_left and (spent >= share * (len(parts) + 1) or left == parts_left):
            parts.append(slice(first, index + 1))
            first = index + 1
    return [*parts, slice(first, len(costs))]


class BatchStream(IterableDataset[Batch]):
    """Endless batches from a seed; the seed names the sitting, so a resumed run does not see the same pages again."""

    def __init__(self, range_: BatchRange, config: ModelConfig, size: int, seed: int) -> None:
        super().__init__()
        self._range, self._config, self._size, self._seed = range_, config, size, seed

    def __iter__(self) -> Iterator[Batch]:
        """Batches without end."""
        worker = torch.utils.data.get_worker_info()
        rng = random.Random(f"{self._seed}/{worker.id if worker else 0}")  # noqa: S311 - drawing pages, not keys
        while True:
            yield from draw_batches(self._range, self._config, self._size, "train", rng, SORTED_TOGETHER)
