"""The held-out set of real pages: receipts, invoices, windows and so on, and scores by what a question was about."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from dsvl2_demo.evaluation.evaluate import Answerer
from dsvl2_demo.evaluation.held_out import Case, question_parts
from dsvl2_demo.evaluation.scores import exact, intersection_over_union, read_box
from dsvl2_demo.pages.kinds import PROGRAMS, SHEETS
from dsvl2_demo.questions.asked_page import asked_page, printed_em, read_tasks
from dsvl2_demo.questions.tasks import Task, Turn
from dsvl2_runtime.geometry import official_resolutions
from dsvl2_runtime.inputs.tiling import choose_resolution

OTHER_TASKS: dict[str, tuple[Task, ...]] = {
    "locate": ("locate",), "json": ("json",), "markdown": ("markdown",), "shown": ("shown", "absent"),
}  # fmt: skip
"""Further tasks by name, asked about any kind of page that has what they need."""
TILE = 384
"""Pixels of the official tiles, which the shipped model has."""
GOOD_OVERLAP = 0.5
LONGEST_TRANSCRIPT = 400
"""Characters."""
PRINT_BINS = (10, 12, 14, 17, 21, 1000)
"""Upper ends of the ranges of text height, in pixels of the page's em."""


@dataclass(frozen=True, slots=True)
class SheetCase:
    """A question about a real page."""

    kind: str
    group: str
    """`read`, a name of `OTHER_TASKS`, or `transcribe`."""
    case: Case
    size: tuple[int, int]
    """(width, height) of the page in pixels."""
    em: float
    """Of the text that the answer reads, in pixels of the page; 0 where it is not written there."""


@dataclass(frozen=True, slots=True)
class SheetResult:
    """What was answered."""

    asked: SheetCase
    found: str

    @property
    def right(self) -> bool:
        """To the letter; a box by half of its area."""
        case = self.asked.case
        if case.box is None:
            return exact(self.found, case.answer)
        box = read_box(self.found, self.asked.size)
        return box is not None and intersection_over_union(box, case.box) >= GOOD_OVERLAP


def sheet_cases(
    kinds: Sequence[str], per_kind: int, seed: int, group: str = "read", screen: tuple[int, int] | None = None
) -> Iterator[SheetCase]:
    """`per_kind` questions of a group about each kind; the same seed gives the same cases, however many are drawn.

    Args:
        kinds: of pages.
        per_kind: questions.
        seed: of pages and questions.
        group: of questions.
        screen: (width, height) in pixels of a whole screen that each page is a window of.

    Raises:
        UsageError: a kind offers no such question.
    """
    for kind in kinds:
        where = "" if screen is None else f" {screen}"
        rng = random.Random(f"sheets {group} {kind} {seed}{where}")  # noqa: S311 - drawing pages, not keys
        for _ in range(per_kind):
            yield _case(kind, group, rng, screen)


def _case(kind: str, group: str, rng: random.Random, screen: tuple[int, int] | None) -> SheetCase:
    tasks = read_tasks(kind) if group == "read" else OTHER_TASKS.get(group, ("transcribe",))
    page, turn = asked_page(kind, tasks, "held_out", rng, _is_short, screen)
    case = Case(turn.task, (page.image,), question_parts(turn), turn.answer, turn.box)
    return SheetCase(kind, group, case, page.image.size, printed_em(page, turn))


def _is_short(turn: Turn) -> bool:
    return turn.task != "transcribe" or len(turn.answer) <= LONGEST_TRANSCRIPT


def answered(
    answerer: Answerer, cases: Iterable[SheetCase], on_result: Callable[[SheetResult], None]
) -> list[SheetResult]:
    """Ask every question in turn."""
    results = []
    for asked in cases:
        results.append(SheetResult(asked, answerer(asked.case)))
        on_result(results[-1])
    return results


def print_bin(em: float) -> str:
    """The range of text heights that an em belongs to."""
    lower = 0
    for upper in PRINT_BINS:
        if em <= upper:
            return f"{lower + 1} to {upper} px" if upper < PRINT_BINS[-1] else f"over {lower} px"
        lower = upper
    return f"over {lower} px"


def scores_by_what(results: Sequence[SheetResult]) -> dict[str, dict[str, dict[str, float]]]:
    """`exact` and `n` by kind of page, by the tiles it is seen in, and by text height."""
    candidates = official_resolutions(TILE)
    found: dict[str, dict[str, list[bool]]] = {"kind": {}, "tiles": {}, "text height": {}}
    for result in results:
        across, down = choose_resolution(*result.asked.size, candidates)
        tiles = str(across * down // TILE**2)
        height = print_bin(result.asked.em) if result.asked.em else "not written"
        found["kind"].setdefault(result.asked.kind, []).append(result.right)
        if result.asked.kind in SHEETS:  # the same kinds as ever, so that the figures of all together compare
            found["tiles"].setdefault(tiles, []).append(result.right)
            found["text height"].setdefault(height, []).append(result.right)
    return {
        what: {row: {"exact": round(sum(hits) / len(hits), 4), "n": len(hits)} for row, hits in rows.items()}
        for what, rows in found.items()
    }


ALL_KINDS = (*SHEETS, *PROGRAMS)
