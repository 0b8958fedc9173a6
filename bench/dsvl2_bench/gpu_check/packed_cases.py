"""The demonstration model's questions with their pages and the answers of the CPU, as they travel to a GPU.

Nothing is drawn there: another release of Pillow measures text in another way, and would ask about other pages.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from dsvl2_demo.evaluation.held_out import Case
from dsvl2_runtime.inputs.prompt import ContentPart, SpecialToken

ANSWERS = "answers.json"


@dataclass(frozen=True, slots=True)
class PackedCase:
    """A question, and what the CPU answered."""

    case: Case
    answers: dict[str, str]
    """By what computed them: `float32` the graphs for a GPU, `int8` those for the CPU."""


def write_cases(out: Path, model: str, cases: Iterable[PackedCase]) -> None:
    """Write pages as PNG and everything else into one file.

    Args:
        out: a new folder.
        model: SHA-256 of the manifest of the bundle that answered, as 64 hexadecimal digits.
        cases: in the order in which they are asked.
    """
    out.mkdir()
    found = []
    for index, each in enumerate(cases):
        case = each.case
        for number, image in enumerate(case.images):
            image.save(_page(out, index, number))
        found.append(
            {
                "task": case.task,
                "question": [_part_to_json(part) for part in case.question],
                "answer": case.answer,
                "box": case.box,
                "images": len(case.images),
                "answers": each.answers,
            }
        )
    (out / ANSWERS).write_text(json.dumps({"model": model, "cases": found}), "utf-8")


def model_of(folder: Path) -> str:
    """Of which bundle these answers are; see `write_cases`."""
    return str(_document(folder)["model"])


def read_cases(folder: Path) -> list[PackedCase]:
    """What `write_cases` wrote."""
    return list(each_case(folder))


def each_case(folder: Path) -> Iterator[PackedCase]:
    """The same one by one, so that who wants few of them reads few pages."""
    for index, each in enumerate(_document(folder)["cases"]):
        pages = (Image.open(_page(folder, index, number)) for number in range(each["images"]))
        yield PackedCase(
            Case(
                task=each["task"],
                images=tuple(page.convert("RGB") for page in pages),
                question=tuple(_part_of_json(part) for part in each["question"]),
                answer=each["answer"],
                box=None if each["box"] is None else tuple(each["box"]),
            ),
            each["answers"],
        )


def _document(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / ANSWERS).read_text("utf-8"))
    return found


def _page(folder: Path, index: int, number: int) -> Path:
    return folder / f"{index}-{number}.png"


def _part_to_json(part: ContentPart) -> str | dict[str, str]:
    if isinstance(part, str):
        return part
    if isinstance(part, SpecialToken):
        return {"special": part.name}
    raise TypeError("a question holds no place of an image: its images come before it")


def _part_of_json(part: str | dict[str, str]) -> ContentPart:
    return part if isinstance(part, str) else SpecialToken(part["special"])
