"""The stages of a training run, in order: what is drawn, what learns, how fast, and when to go on.

Depth before breadth: the language model learns to read from true layouts, the eyes learn to give such layouts, then
both learn together, first plain pages, later everything. A stage ends after its minutes of training or as soon as
held-out answers are good enough.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from dsvl2_demo.pages.documents import PageRange
from dsvl2_demo.pages.style import StyleRange
from dsvl2_demo.questions.tasks import Task
from dsvl2_demo.training.batches import BatchRange
from dsvl2_demo.training.sheet_batches import SHEET_SHAPES, SheetRange
from dsvl2_demo.training.training_model import Phase

TaskWeights = tuple[tuple[Task, float], ...]


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage; `minutes` bounds the training time, `enough` is an exact-answer rate that ends it sooner."""

    name: str
    phase: Phase
    minutes: float
    batches: BatchRange | SheetRange
    batch_size: int
    learning_rate: float
    final_learning_rate: float | None = None
    """Where a cosine leads over the stage's minutes; None keeps the rate."""
    warm_up_steps: int = 100
    enough: float = 1.1
    steps: int | None = None
    """An upper bound in steps beside the one in minutes, for short runs that must not depend on the machine."""
    fresh_optimizer: bool = True
    keep_layout: bool = False
    """Leave the embedding of true layouts as it is, because the eyes have learned to give its vectors."""
    rounded: bool = False
    """Compute with weights rounded to the four bits that ship."""


TASKS: TaskWeights = (
    ("value", 5.0), ("transcribe", 4.0), ("locate", 4.0), ("absent", 1.0), ("label", 1.5), ("line", 2.5),
    ("button", 1.0), ("title", 0.5),
)  # fmt: skip

MADE_UP = 0.4
"""Share of made-up words. With fewer of them the language model guesses words it knows instead of reading: held-out
words were then read at 45 % of their characters where known ones were at 64 %."""

PLAIN = PageRange(
    kinds=("text", "text", "form"),
    made_up=MADE_UP,
    style=StyleRange(faces=4, smallest_em=16, largest_em=20, plain=0.6),
)
FORMS = PageRange(made_up=MADE_UP, worn=0.2, style=StyleRange(smallest_em=13, largest_em=22))
TILED = replace(FORMS, sizes=((224, 224),) * 12 + ((300, 200), (224, 400), (448, 224)))
"""With pictures that are seen in several tiles among them."""
FULL = replace(TILED, kinds=("text", "text", "text", "form", "receipt", "dialog", "card"), most_entries=8)
"""Pages of text hold two to three times as many characters as the others, and a tile costs the same."""
SHAPES = ((224, 224),) * 9 + ((256, 256), (300, 200), (240, 180))
"""Canvases that are seen as one tile of 308 pixels, at 1.03 to 1.4 times their size."""

LANGUAGE_FIRST = BatchRange(FORMS, TASKS, turns=8, fewest_turns=3, blank=True, global_only=True)
LANGUAGE_FEW = replace(LANGUAGE_FIRST, pages=replace(FORMS, most_entries=2), turns=5, fewest_turns=2)
LANGUAGE_ALL = replace(LANGUAGE_FIRST, global_only=False, pairs=0.25)
EYES_PLAIN = BatchRange(PLAIN, (("line", 1.0),), turns=1)
EYES_FULL = replace(EYES_PLAIN, pages=FULL)
JOINT_TILED = replace(LANGUAGE_ALL, pages=TILED, blank=False)
JOINT = replace(JOINT_TILED, pages=replace(FORMS, worn=0.1), fewest_turns=4, pairs=0.1)
JOINT_SLIPS = replace(JOINT, slips=True)
EYES_SHAPES = replace(EYES_FULL, pages=replace(FULL, sizes=SHAPES))
JOINT_SHAPES = replace(JOINT_SLIPS, pages=replace(JOINT.pages, sizes=SHAPES))


def shipped_stages() -> tuple[Stage, ...]:
    """The five runs that the shipped model comes from as one, as nearly as it can be repeated.

    They learned what they were taught as the program grew: slots from "language-slots" on only, fair questions from
    "joint-fair", six told heads and the coordinates of boxes from "joint-more"; the first minutes of "joint-first" had
    twice the rate, which the eyes forgot under. Tiles had 224 pixels until "eyes-larger", and have 308 from the
    beginning here. So should all of it, which should give more in less time.
    """
    return (
        Stage("language-few", "language", 5, LANGUAGE_FEW, 8, 2e-3, enough=0.9),
        Stage("language-reading", "language", 12, LANGUAGE_FIRST, 8, 2e-3, fresh_optimizer=False, enough=0.95),
        Stage("language-views", "language", 14, LANGUAGE_ALL, 8, 2e-3, 1e-3, fresh_optimizer=False, enough=0.97),
        Stage("eyes-plain", "vision", 5, EYES_PLAIN, 16, 2e-3),
        Stage("eyes-faces", "vision", 32, EYES_FULL, 10, 2e-3, 5e-4, fresh_optimizer=False),
        Stage("joint-first", "joint", 16, JOINT_TILED, 6, 8e-4, 2e-4),
        Stage("language-slots", "language", 12, LANGUAGE_ALL, 8, 1.5e-3, 8e-4, keep_layout=True),
        Stage("joint", "joint", 10, JOINT, 8, 8e-4, 2e-4),
        Stage("joint-fair", "joint", 24, JOINT, 8, 8e-4, 1e-4, fresh_optimizer=False, warm_up_steps=1),
        _rounded("joint-rounded", 2.5, JOINT, 1e-4, 2e-5),
        Stage("eyes-more", "vision", 18, EYES_FULL, 10, 1e-3, 2e-4),
        Stage("joint-more", "joint", 71, JOINT, 8, 8e-4, 4e-5),
        _rounded("rounded-more", 4, JOINT, 8e-5, 1e-5),
        Stage("eyes-again", "vision", 22, EYES_FULL, 10, 1e-3, 1.5e-4),
        Stage("joint-slips", "joint", 80, JOINT_SLIPS, 8, 8e-4, 3e-5),
        _rounded("rounded-slips", 4, JOINT_SLIPS, 6e-5, 1e-5),
        Stage("eyes-larger", "vision", 15, EYES_SHAPES, 10, 1e-3, 2e-4),
        Stage("joint-larger", "joint", 80, JOINT_SHAPES, 8, 8e-4, 3e-5),
        _rounded("rounded-larger", 4, JOINT_SHAPES, 6e-5, 1e-5),
        *further_stages(),
    )


def further_stages() -> tuple[Stage, ...]:
    """What the shipped model learned last, for a published one; the eyes alone see three times the tiles."""
    return (
        Stage("eyes-sharper", "vision", 34, EYES_SHAPES, 10, 1e-3, 1.5e-4),
        Stage("joint-sharper", "joint", 52, JOINT_SHAPES, 8, 6e-4, 3e-5),
        _rounded("rounded-sharper", 4, JOINT_SHAPES, 6e-5, 1e-5),
    )


SHEETS = SheetRange(
    replace(JOINT_SHAPES, pages=replace(FULL, sizes=SHEET_SHAPES, worn=0.15), fewest_turns=3, turns=10, pairs=0.0)
)
"""Real pages, and among them those of one tile that the first model learned."""


def sheet_stages(
    minutes: float, rate: float, budget: int, repeats: int = 1, *, few_shapes: bool = False
) -> tuple[Stage, ...]:
    """Real pages in so many minutes, the learning rate falling to zero at their end.

    Args:
        minutes: of training, all together.
        rate: the highest learning rate.
        budget: of a batch, see `SheetRange`.
        repeats: conversations about one page, see `SheetRange`.
        few_shapes: whether batches are padded to few shapes, see `SheetRange`.
    """
    batches = replace(SHEETS, budget=budget, repeats=repeats, few_shapes=few_shapes)
    turn = rate * 0.08
    return (
        Stage("sheets-joint", "joint", minutes * 0.94, batches, 0, rate, turn, warm_up_steps=100),
        Stage("sheets-rounded", "joint", minutes * 0.06, batches, 0, turn, 0.0, fresh_optimizer=False, rounded=True,
              warm_up_steps=1),
    )  # fmt: skip


def _rounded(name: str, minutes: float, batches: BatchRange, rate: float, final_rate: float) -> Stage:
    """The last minutes of a run, with the optimiser of the stage before."""
    return Stage(
        name, "joint", minutes, batches, 8, rate, final_rate, fresh_optimizer=False, rounded=True, warm_up_steps=1
    )
