"""Batches of pages with conversations about them, padded and indexed so that one gather builds the input vectors."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.utils.data import IterableDataset

from dsvl2_demo.pages.documents import PageRange, draw_page
from dsvl2_demo.pages.page import Page
from dsvl2_demo.pages.words import Split
from dsvl2_demo.questions.tasks import Task, Turn, ask
from dsvl2_demo.questions.traces import Place
from dsvl2_demo.training.answer_noise import with_slips
from dsvl2_demo.training.batch import Batch, Looks
from dsvl2_demo.training.conversation import IGNORED, Conversation, conversation, text_tokens
from dsvl2_demo.training.layout import SLOTS, Characters, SeenCharacters, View, characters_in, layout_seen, views_of
from dsvl2_demo.training.vocabulary import IMAGE_ID, PAD_ID
from dsvl2_runtime.config import ModelConfig
from dsvl2_runtime.inputs.tiling import Tiling, pad_to, plan_tiling

NEWLINE_ROW, SEPARATOR_ROW, FIRST_CELL_ROW = 0, 1, 2
"""Rows of the table that image positions are gathered from: the two format vectors, then the cells of all tiles."""

TILE_COST = 300
"""What looking at a tile costs in the vision tower, in tokens of the language model."""

NOWHERE = (-1, -1, -1)
_NUMBER = re.compile(r"\d+")
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
    """Put mistakes into the answers given so far, see `answer_noise.py`."""


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

    def __init__(
        self, views: Sequence[View], seen: Sequence[SeenCharacters], tiles: Sequence[int], config: ModelConfig
    ) -> None:
        self._tile = config.vision_config.image_size
        self._patch = config.vision_config.patch_size
        self._ratio = config.projector_config.downsample_ratio
        self._cells = config.cells
        self._views = list(zip(views, tiles, seen, strict=True))

    def find(self, points: NDArray[np.float64]) -> NDArray[np.int64]:
        """`[count, 2]` points to `[count, 2]` of (row of the image table, slot).

        Both are -1 where no view shows the point, the slot also where no character is.
        """
        grid = self._tile // self._patch
        result = np.full((len(points), 2), -1, np.int64)
        for view, tile, seen in self._views:  # the local tiles come after the global view, and count
            x = points[:, 0] * view.scale_x + view.offset_x
            y = points[:, 1] * view.scale_y + view.offset_y
            inside = np.flatnonzero((x >= 0) & (x < self._tile) & (y >= 0) & (y < self._tile))
            if not len(inside):
                continue
            column, row = (np.floor(each[inside] / self._patch).astype(np.int64) for each in (x, y))
            across, down = (np.minimum(patch // self._ratio, self._cells - 1) for patch in (column, row))
            result[inside, 0] = FIRST_CELL_ROW + (tile * self._cells + down) * self._cells + across
            patch = row * grid + column
            first, end = np.searchsorted(seen.patch, patch), np.searchsorted(seen.patch, patch, side="right")
            counts = end - first
            slot = np.full(len(inside), -1, np.int64)
            nearest = np.full(len(inside), np.inf)
            for at in range(int(counts.max(initial=0))):
                there = counts > at
                distance = np.abs(seen.x[first[there] + at] + column[there] * self._patch - x[inside][there])
                better = np.flatnonzero(there)[distance < nearest[there]]
                nearest[there] = np.minimum(nearest[there], distance)
                slot[better] = at
            quarter = (row % self._ratio) * self._ratio + column % self._ratio
            result[inside, 1] = np.where(slot >= 0, quarter * SLOTS + np.minimum(slot, SLOTS - 1), -1)
        return result


def _looks(places: Sequence[Place | None], finders: Sequence[CellFinder]) -> NDArray[np.int64]:
    """`[seq, 3]`: cell, slot and coordinate of each place, -1 where there is none."""
    result = np.full((len(places), len(NOWHERE)), -1, np.int64)
    for picture, finder in enumerate(finders):
        chosen = [
            (index, place) for index, place in enumerate(places) if place is not None and place.picture == picture
        ]
        if chosen:
            at = [index for index, _ in chosen]
            result[at, :2] = finder.find(np.array([place.point for _, place in chosen], np.float64))
            found = result[at, 0] >= 0
            result[at, 2] = np.where(found, [place.coordinate for _, place in chosen], -1)
    return result


@dataclass(frozen=True, slots=True, eq=False)
class PageView:
    """A page as the model sees it: its tiles' pixels and what stands in their patches. Several questions share it."""

    tiling: Tiling
    views: list[View]
    """Global view, then one for each local tile."""
    seen: list[SeenCharacters]
    """Of each view."""
    pixels: list[NDArray[np.uint8]]
    """Of each distinct tile, `[3, tile, tile]`."""
    layout: NDArray[np.uint8]
    """Of each distinct tile, see `layout_of`."""


def page_views(pages: Sequence[Page], config: ModelConfig) -> list[PageView]:
    """The pages of one conversation as they are seen together."""
    tile, patch = config.vision_config.image_size, config.vision_config.patch_size
    result = []
    for page, tiling in zip(pages, plan_tiling([page.image.size for page in pages], config), strict=True):
        views = views_of(page.image.size, (tiling.tiles_wide, tiling.tiles_high), tile)
        characters = Characters.of(page)
        seen = [characters_in(characters, view, tile, patch) for view in views[: tiling.num_tiles]]
        layout = layout_seen(page, views[: tiling.num_tiles], seen, tile, patch)
        pictures = picture_tiles(page.image, tiling, tile)
        pixels = [np.asarray(picture, np.uint8).transpose(2, 0, 1) for picture in pictures]
        seen = seen if len(seen) == len(views) else seen * 2
        result.append(PageView(tiling, views, seen, pixels, layout))
    return result


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
        self._first_tiles: dict[PageView, int] = {}
        self._pixels: list[NDArray[np.uint8]] = []
        self._layouts: list[NDArray[np.uint8]] = []

    def add(self, views: Sequence[PageView], turns: Sequence[Turn]) -> None:
        """Append one conversation about pages as they are seen; a page that is there already is looked at once."""
        image_rows, finders = [], []
        for view in views:
            if view not in self._first_tiles:
                self._first_tiles[view] = len(self._pixels)
                self._pixels += view.pixels
                self._layouts += list(view.layout)
            first = self._first_tiles[view]
            tiles = [first, first] if len(view.pixels) == 1 else list(range(first, first + len(view.pixels)))
            finders.append(CellFinder(view.views, view.seen, tiles, self.config))
            rows = table_rows_of(view.tiling, self.config.cells, tiles)
            image_rows.append(rows[: self.config.cells * (self.config.cells + 1)] if self._global_only else rows)
        talk = conversation(turns, [len(rows) for rows in image_rows])
        talk = with_slips(talk, self._slips) if self._slips else talk
        rows = np.full(len(talk.input_ids), -1, np.int64)
        rows[talk.input_ids == IMAGE_ID] = np.concatenate(image_rows)
        self._conversations.append(talk)
        self._rows.append(rows)
        self._seen.append(_looks([*talk.here, *talk.ahead], finders).reshape(2, len(rows), len(NOWHERE)))

    @property
    def examples(self) -> int:
        """Conversations added so far."""
        return len(self._conversations)

    def tiles_with(self, views: Sequence[PageView] = ()) -> int:
        """How many tiles are looked at, with a further conversation about these pages."""
        return len(self._pixels) + sum(len(view.pixels) for view in views if view not in self._first_tiles)

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

    def one() -> Turn | None:
        task: Task = rng.choice(("compare", "compare", "value")) if len(pages) > 1 else rng.choices(names, weights)[0]
        return ask(task, pages, rng, split)

    return list(islice(news(one() for _ in range(2 * wanted)), wanted))


def news(turns: Iterable[Turn | None]) -> Iterator[Turn]:
    """Those turns that none before them has given the answer to."""
    spoken = ""
    for turn in turns:
        if turn is None or _given_away(turn, spoken):
            continue
        spoken += f"\n{turn.question}\n{turn.answer}".lower()
        yield turn


def _given_away(turn: Turn, spoken: str) -> bool:
    """Whether a part of what the answer reads was said before; what the question itself says is no answer.

    Of a box it takes half of the edges: the cells of a column share one, and those of a row, which share two, tell
    where the others are.
    """
    question = turn.question.lower()
    if question in spoken:
        return True
    edges = [trace.text.strip("[]") for trace in turn.read if trace.places[0].coordinate >= 0]
    if edges:
        said = set(_NUMBER.findall(spoken))
        return 2 * sum(edge in said for edge in edges) >= len(edges)
    read = [trace.text.lower().strip(" \n:=-") for trace in turn.read]
    return any(text in spoken for text in read if text not in question)


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
            builder.add(page_views(pages, config), turns)
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
