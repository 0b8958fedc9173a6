"""What the buttons above the question ask, and what they need to know first."""

from __future__ import annotations

import json
from dataclasses import replace

from dsvl2_app.state.prompt_messages import field_names
from dsvl2_app.state.turn import Task
from dsvl2_runtime.answers import tasks
from dsvl2_runtime.answers.sampling import GenerationOptions

PRESETS: tuple[Task, ...] = ("ocr", "table", "locate", "fields", "describe", "chart")
"""In the order of their buttons and keys."""
QUESTIONS: dict[Task, str] = {
    "ocr": tasks.OCR,
    "table": tasks.TABLE,
    "describe": tasks.DESCRIBE,
    "chart": tasks.CHART,
}
"""Of those that need nothing more; for the others a user names the thing or the fields."""
LONG_ANSWER = 2048
"""Tokens of a page or a table."""


def task_options(task: Task, question: str, options: GenerationOptions) -> GenerationOptions:
    """How long an answer may be and what form it has, for a task."""
    if task in ("ocr", "table", "chart"):
        return replace(options, max_new_tokens=max(options.max_new_tokens, LONG_ANSWER))
    if task == "fields":
        return replace(options, json_schema=fields_schema(question))
    return options


def fields_schema(question: str) -> str:
    """An object with each named field as a text or null."""
    names = field_names(question)
    fields = {name: {"type": ["string", "null"]} for name in names}
    schema = {"type": "object", "properties": fields, "required": names, "additionalProperties": False}
    return json.dumps(schema, ensure_ascii=False)
