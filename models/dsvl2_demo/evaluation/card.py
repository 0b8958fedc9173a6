"""The figures of the model card: asked for all at once, and written as the tables that the card has."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from dsvl2_demo.evaluation.evaluate import Answerer, evaluate, scores_of
from dsvl2_demo.evaluation.held_out import Case, held_out_cases
from dsvl2_demo.evaluation.scores import character_error_rate, exact
from dsvl2_demo.evaluation.sheets import ALL_KINDS, SheetResult, answered, scores_by_what, sheet_cases

LOCATED = ("receipt", "dialog", "form", "table", "error", "chart", "settings")
WITH_FIELDS = ("receipt", "dialog", "form", "settings")
GOALS = {"receipt": 0.85, "dialog": 0.85, "form": 0.85, "table": 0.75, "invoice": 0.70}
"""Of values and cells that are read."""
SEED = 1
OTHERS = "others"
"""Of the examples, the folder of captures of other programs."""
Scores = dict[str, Any]
OnStep = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Asked:
    """How much is asked."""

    per_kind: int
    """Questions of each kind of real page, and of places, transcriptions and JSON together."""
    one_tile: int
    """Questions about pages of one tile."""


def all_scores(answerer: Answerer, asked: Asked, examples: Path | None, on_step: OnStep) -> Scores:
    """Everything that the card tells.

    Args:
        answerer: of the model.
        asked: how much.
        examples: the folder with `questions.json` and its pictures; None leaves them out.
        on_step: told what is being asked.
    """
    found: Scores = {}
    on_step("real pages")
    found |= scores_by_what(answered(answerer, sheet_cases(ALL_KINDS, asked.per_kind, SEED), _ignored))
    for group, kinds in (("locate", LOCATED), ("json", WITH_FIELDS)):
        on_step(group)
        each = max(1, asked.per_kind // len(kinds))
        results = answered(answerer, sheet_cases(kinds, each, SEED, group), _ignored)
        found[group] = {"exact": _share([result.right for result in results]), "n": len(results)}
    on_step("transcriptions")
    results = answered(answerer, sheet_cases(("receipt",), max(1, asked.per_kind // 2), SEED, "transcribe"), _ignored)
    pairs = [(result.found, result.asked.case.answer) for result in results]
    found["transcribe"] = {"cer": round(character_error_rate(pairs), 4), "n": len(pairs)}
    on_step("pages of one tile")
    found["one tile"] = scores_of(evaluate(answerer, held_out_cases(asked.one_tile, SEED), lambda judged: None))
    if examples is not None:
        on_step("examples")
        found["examples"] = asked_examples(answerer, examples)
        found["others"] = asked_examples(answerer, examples / OTHERS)
    return found


def asked_examples(answerer: Answerer, folder: Path) -> list[dict[str, Any]]:
    """The questions of `questions.json` with what was answered."""
    found = []
    for each in json.loads((folder / "questions.json").read_text("utf-8")):
        with Image.open(folder / each["picture"]) as opened:
            picture = opened.convert("RGB")
        said = answerer(Case("value", (picture,), (each["question"],), each["answer"], None)).strip()
        found.append({**each, "found": said, "right": exact(said, each["answer"])})
    return found


def _share(hits: Sequence[bool]) -> float:
    return round(sum(hits) / max(1, len(hits)), 4)


def _ignored(result: SheetResult) -> None:
    pass


def card_tables(scores: Mapping[str, Any]) -> str:
    """The scores in Markdown."""
    lines = [f"Real pages, `dsvl2-onnx eval --sheets N`, seed {SEED}, right to the letter:", ""]
    lines += ["| kind | right | goal |", "|---|---|---|"]
    for kind, entry in scores["kind"].items():
        lines.append(f"| {kind} | {_told(entry)} | {_percent(GOALS[kind]) if kind in GOALS else '–'} |")
    for what in ("tiles", "text height"):
        rows = sorted(scores[what].items(), key=lambda row: (len(row[0].split(" ")[0]), row[0]))
        lines += ["", f"| {what} | " + " | ".join(row for row, _ in rows) + " |", "|---" * (len(rows) + 1) + "|"]
        lines.append("| right | " + " | ".join(_told(entry) for _, entry in rows) + " |")
    lines += ["", f"Boxes with IoU ≥ 0.5 on {', '.join(LOCATED)} pages: {_told(scores['locate'])} (goal 85 %)."]
    lines.append(f"Several values as JSON, all right: {_told(scores['json'])}.")
    transcribed = scores["transcribe"]
    lines.append(
        f"Receipts: {_percent(transcribed['cer'], 1)} of characters wrong ({transcribed['n']} receipts; goal 6 %)."
    )
    lines += ["", "Pages of one tile:", "", "| task | measure | score | questions |", "|---|---|---|---|"]
    for task, entry in scores["one tile"].items():
        measure, score = next(iter(entry.items()))
        if score is not None:
            lines.append(f"| {task} | {measure} | {_percent(score, 1)} | {entry['n']} |")
    for group, name in (("examples", "Examples"), ("others", "Other programs")):
        lines += _asked_table(name, scores[group]) if group in scores else []
    return "\n".join(lines) + "\n"


def _asked_table(name: str, asked: Sequence[Mapping[str, Any]]) -> list[str]:
    right = sum(each["right"] for each in asked)
    lines = ["", f"{name}: {right} of {len(asked)} questions are right.", ""]
    lines += ["| picture | question | truth | answer | right? |", "|---|---|---|---|---|"]
    for each in asked:
        cells = each["picture"], _cell(each["question"]), f"`{_cell(each['answer'])}`", f"`{_cell(each['found'])}`"
        lines.append(f"| {' | '.join(cells)} | {'yes' if each['right'] else '**no**'} |")
    return lines


def _told(entry: Mapping[str, Any]) -> str:
    return f"{_percent(entry['exact'])} ({round(entry['exact'] * entry['n'])} of {entry['n']})"


def _percent(share: float, digits: int = 0) -> str:
    """As prose has it, with a space."""
    return f"{share * 100:.{digits}f} %"


def _cell(text: str) -> str:
    """A text that breaks no table, however the model went astray."""
    return text.replace("|", "\\|").replace("\n", " ").replace("`", "'")[:80]
