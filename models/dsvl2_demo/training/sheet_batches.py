"""Batches of conversations about real pages, each of conversations about as long, so that little is padding."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

import torch
from torch.utils.data import IterableDataset

from dsvl2_demo.pages.documents import draw_page
from dsvl2_demo.pages.kinds import draw_sheet
from dsvl2_demo.pages.moves import region
from dsvl2_demo.pages.page import Page
from dsvl2_demo.pages.words import Split
from dsvl2_demo.questions.sheet_tasks import SHEET_TASKS, ask_several, ask_sheet
from dsvl2_demo.questions.tasks import Task, Turn
from dsvl2_demo.training.batch import Batch
from dsvl2_demo.training.batch_shapes import TILE_TOKENS, length_class, padded, shape_of_class
from dsvl2_demo.training.batches import BatchBuilder, BatchRange, PageView, draw_turns, news, page_views
from dsvl2_demo.training.conversation import text_tokens
from dsvl2_runtime.config import ModelConfig

KIND_WEIGHTS: tuple[tuple[str, float], ...] = (
    ("receipt", 1.6), ("invoice", 2.6), ("letter", 0.5), ("dialog", 2.6), ("settings", 1.1), ("error", 0.7),
    ("form", 2.2), ("table", 2.8), ("files", 0.8), ("terminal", 0.4), ("chart", 0.5), ("web", 0.5), ("prose", 0.5),
    ("shell", 0.9), ("calculator", 0.5), ("browser", 0.6), ("office", 0.5),
)  # fmt: skip
"""More of those that are furthest from their goals, dialogs, forms and invoices, and windows of other programs."""
SMALL_KINDS = ("error", "dialog", "receipt", "chart")
"""What pairs and triples of pictures show beside the pages of one tile."""
READ_FIRST = 0.25
"""Share of the conversations that begin with a transcription, where a page can be transcribed. Drawn among other
questions they were one in a hundred, too few to learn not to go round in a line; and a person asks for one first."""
TEXT_TOKENS = 1000
"""Of the questions and answers of one conversation, at most."""
TRIES = 5
"""Questions drawn for each that is wanted: half of them were answered before, or the page has nothing of the kind."""
SINGLE_SHARE = 0.08
"""Share of the conversations about real pages with one question alone, as most people ask."""
SHEET_SHAPES: tuple[tuple[int, int], ...] = ((224, 224),) * 5 + ((256, 256), (300, 200), (240, 180), (340, 260))


@dataclass(frozen=True, slots=True)
class SheetRange:
    """What batches of real pages are drawn from.

    `plain` are the pages of one tile that the first model learned, `plain_share` how often they come; `pairs` and
    `triples` the shares of conversations about two and three pictures; `budget` the cost of a batch in tokens of the
    language model; `repeats` how often a drawn page is asked about, each time in another conversation, which share its
    tiles where they come into one batch; `few_shapes` says that batches are padded to one of the shapes of
    `batch_shapes.py`.
    """

    plain: BatchRange
    kinds: tuple[tuple[str, float], ...] = KIND_WEIGHTS
    tasks: tuple[tuple[Task, float], ...] = SHEET_TASKS
    plain_share: float = 0.14
    pairs: float = 0.05
    triples: float = 0.02
    budget: int = 120_000
    repeats: int = 1
    few_shapes: bool = False
    wear: float = 0.35
    regions: float = 0.3
    """Share of the pages that are cut to a region. Uncut, most shapes come from one kind each, flat ones from tables,
    and where a place lies in a shape was learned for that kind alone."""
    most_turns: int = 36


@dataclass(slots=True)
class _Bucket:
    builder: BatchBuilder
    longest: int = 0
    """Conversation in it, in tokens, before mistakes on purpose."""


def sheet_turns(range_: SheetRange, page: Page, split: Split, rng: random.Random) -> list[Turn]:
    """Several questions about one page, none answered by an earlier one; more of them for pages that cost more."""
    names = [task for task, _ in range_.tasks]
    weights = [weight for _, weight in range_.tasks]
    area = page.image.width * page.image.height
    most = min(range_.most_turns, round(10 + 26 * area / 600_000))
    wanted = 1 if rng.random() < SINGLE_SHARE else rng.randint(most // 2, most)
    first: list[Task] = ["transcribe"] if rng.random() < READ_FIRST else []
    turns: list[Turn] = []
    tokens = 0
    tasks = chain(first, (rng.choices(names, weights)[0] for _ in range(TRIES * wanted)))
    for turn in news(ask_sheet(task, page, rng, split) for task in tasks):
        # Whatever has been said, there is always something that is not shown: it must not fill conversations up.
        if turn.task == "absent" and any(earlier.task == "absent" for earlier in turns):
            continue
        tokens += text_tokens([turn])
        if tokens > TEXT_TOKENS and turns:
            break
        turns.append(turn)
        if len(turns) == wanted:
            break
    return turns


class SheetDrawer:
    """Draws pages and conversations about them."""

    def __init__(self, range_: SheetRange, config: ModelConfig, split: Split, rng: random.Random) -> None:
        self._range, self._config, self._split, self._rng = range_, config, split, rng

    def conversations(self) -> Iterator[tuple[list[PageView], list[Turn]]]:
        """Without end; those about one page come one after the other."""
        while True:
            pages, plain = self._pages()
            views = page_views(pages, self._config)
            for _ in range(self._range.repeats):
                if turns := self._turns(pages, plain):
                    yield views, turns

    def _pages(self) -> tuple[list[Page], bool]:
        range_, rng, split = self._range, self._rng, self._split
        draw = rng.random()
        if draw < range_.pairs + range_.triples:
            count = 3 if draw < range_.triples else 2
            large = count == 2 and rng.random() < 0.4
            return [self._one(rng.choice(SMALL_KINDS) if large else None) for _ in range(count)], False
        if draw < range_.pairs + range_.triples + range_.plain_share:
            return [draw_page(range_.plain.pages, split, rng)], True
        kinds, weights = zip(*range_.kinds, strict=True)
        page = draw_sheet(rng.choices(kinds, weights)[0], split, rng, range_.wear)
        return [region(page, rng) if rng.random() < range_.regions else page], False

    def _one(self, kind: str | None) -> Page:
        if kind is None:
            return draw_page(self._range.plain.pages, self._split, self._rng)
        return draw_sheet(kind, self._split, self._rng, self._range.wear)

    def _turns(self, pages: list[Page], plain: bool) -> list[Turn]:
        range_, rng, split = self._range, self._rng, self._split
        if len(pages) > 1:
            return list(news(ask_several(pages, rng) for _ in range(rng.randint(2, 6))))
        if plain:
            return draw_turns(range_.plain, pages, split, rng)
        return sheet_turns(range_, pages[0], split, rng)


def sheet_batches(range_: SheetRange, config: ModelConfig, split: Split, rng: random.Random) -> Iterator[Batch]:
    """Endless batches; each holds conversations of about one length and costs about the budget."""
    slips = rng if range_.plain.slips else None
    buckets = defaultdict[int, _Bucket](lambda: _Bucket(BatchBuilder(config, slips=slips)))
    made = 0
    for views, turns in SheetDrawer(range_, config, split, rng).conversations():
        length = text_tokens(turns) + sum(view.tiling.token_count(config.cells) for view in views)
        key = length_class(length)
        builder, longest = buckets[key].builder, max(buckets[key].longest, length)
        rows, tiles = builder.examples + 1, builder.tiles_with(views)
        if range_.few_shapes:
            shape = shape_of_class(key, range_.budget)
            if sum(len(view.pixels) for view in views) > shape.tiles:
                continue
            full = rows > shape.rows or tiles > shape.tiles
        else:
            budget = range_.budget * min(1.0, (made + 2) / 10)  # small at first, so that training need not wait
            full = longest * rows + TILE_TOKENS * tiles > budget
        if full and builder.examples:
            made += 1
            yield padded(builder.batch(), shape) if range_.few_shapes else builder.batch()
            del buckets[key]
        bucket = buckets[key]
        bucket.builder.add(views, turns)
        bucket.longest = max(bucket.longest, length)


class SheetStream(IterableDataset[Batch]):
    """Endless batches from a seed, other ones in each worker."""

    def __init__(self, range_: SheetRange, config: ModelConfig, seed: int) -> None:
        super().__init__()
        self._range, self._config, self._seed = range_, config, seed

    def __iter__(self) -> Iterator[Batch]:
        """Batches without end."""
        worker = torch.utils.data.get_worker_info()
        rng = random.Random(f"sheets {self._seed}/{worker.id if worker else 0}")  # noqa: S311 - drawing pages, not keys
        yield from sheet_batches(self._range, self._config, "train", rng)
