"""Asks a model the held-out questions and scores its answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from dsvl2_demo.evaluation.held_out import EVALUATED_TASKS, Case, EvaluatedTask
from dsvl2_demo.evaluation.scores import character_error_rate, exact, intersection_over_union, read_box
from dsvl2_runtime.answers.answer import Answer
from dsvl2_runtime.answers.sampling import GenerationOptions
from dsvl2_runtime.model import VisionLanguageModel

LONGEST_ANSWER = 320
"""Tokens; the longest page of the held-out set has about 200."""

GOOD_OVERLAP = 0.5


class Answerer(Protocol):
    """Whatever answers a case: a bundle, or the network it came from."""

    def __call__(self, case: Case) -> str:
        """The greedy answer."""


@dataclass(frozen=True, slots=True)
class Judged:
    """One case and what the model said."""

    case: Case
    found: str

    @property
    def right(self) -> bool:
        """Exactly right; for a box, that it overlaps the true one by half."""
        if self.case.box is None:
            return exact(self.found, self.case.answer)
        box = read_box(self.found, self.case.images[0].size)
        return box is not None and intersection_over_union(box, self.case.box) >= GOOD_OVERLAP


def bundle_answerer(
    model: VisionLanguageModel,
    *,
    look_again: bool | None = None,
    on_answer: Callable[[Answer], object] = lambda answer: None,
) -> Answerer:
    """Answers of a loaded bundle, greedy, after as many looks as `VisionLanguageModel.ask` takes.

    Args:
        model: that answers.
        look_again: as for `VisionLanguageModel.ask`.
        on_answer: given each answer whole, with its confidence.
    """
    options = GenerationOptions(max_new_tokens=LONGEST_ANSWER, temperature=0.0)

    def answer(case: Case) -> str:
        found = model.ask(case.question, list(case.images), options, look_again=look_again)
        on_answer(found)
        return found.text

    return answer


def evaluate(answerer: Answerer, cases: Iterable[Case], on_case: Callable[[Judged], None]) -> list[Judged]:
    """Ask and judge every case in turn."""
    judged = []
    for case in cases:
        judged.append(Judged(case, answerer(case)))
        on_case(judged[-1])
    return judged


def scores_of(judged: Iterable[Judged]) -> dict[EvaluatedTask, dict[str, Any]]:
    """Per task: `exact`, `cer` or `iou50`, and `n`; a task without cases has a score of None."""
    entries = list(judged)
    report: dict[EvaluatedTask, dict[str, Any]] = {}
    for task in EVALUATED_TASKS:
        of_task = [entry for entry in entries if entry.case.task == task]
        score: float | None = None
        if of_task and task == "transcribe":
            score = character_error_rate([(entry.found, entry.case.answer) for entry in of_task])
        elif of_task:
            score = sum(entry.right for entry in of_task) / len(of_task)
        measure = {"transcribe": "cer", "locate": "iou50"}.get(task, "exact")
        report[task] = {measure: None if score is None else round(score, 4), "n": len(of_task)}
    return report
