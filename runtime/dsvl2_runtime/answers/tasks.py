"""What the presets ask: the same call as any question, with words that the model knows."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence

from dsvl2_runtime.errors import UsageError

OCR = "Read all the text in the picture."
DESCRIBE = "Describe this image in detail."
TABLE = "Convert the table in the picture to Markdown."
CHART = "Convert the chart in the picture to a table in Markdown."

_NOT_SHOWN = re.compile(
    r"(?:it is |it's |the \w+ is |this is )?"
    r"(?:not (?:shown|visible|present|given|specified|mentioned|provided|available)|n/?a|none|null|unknown)"
    r"(?: in the (?:picture|image))?"
)
_SEPARATOR_CELL = re.compile(r":?-+:?")


def field_question(field: str) -> str:
    """The question for one field of a form.

    Raises:
        UsageError: the field has no name.
    """
    if not field.strip():
        raise UsageError("a field has no name; give names such as total,date,vendor")
    return f"What is the {field.strip().replace('_', ' ')}?"


def fields_question(fields: Sequence[str]) -> str:
    """The question for several fields at once."""
    names = ", ".join(field.strip() for field in fields)
    return f"Read these fields from the picture and answer in JSON, with null for what is not shown: {names}."


def says_not_shown(answer: str) -> bool:
    """Whether an answer says that what was asked for is not in the picture."""
    return _NOT_SHOWN.fullmatch(answer.strip().strip(".!\"'").strip().lower()) is not None


def table_rows(answer: str) -> list[list[str]]:
    """The cells of the Markdown table in an answer; empty where there is none."""
    rows = []
    for line in answer.splitlines():
        text = line.strip()
        if not text.startswith("|"):
            continue
        cells = [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", text.strip("|"))]
        if not all(_SEPARATOR_CELL.fullmatch(cell) for cell in cells):
            rows.append(cells)
    return rows


def as_csv(answer: str) -> str:
    """The Markdown table of an answer as CSV (RFC 4180, with line feeds); an answer without a table stays as it is."""
    rows = table_rows(answer)
    if not rows:
        return answer
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue().rstrip("\n")
