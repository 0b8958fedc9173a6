"""What a batch asks about every file: a question or a preset, and the mark by which its answers are recognised."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from dsvl2_runtime.answers import tasks
from dsvl2_runtime.answers.fields import Fields
from dsvl2_runtime.cli.batch.task import BatchTask
from dsvl2_runtime.cli.run_options import RunOptions
from dsvl2_runtime.errors import UsageError
from dsvl2_runtime.inputs import prompt
from dsvl2_runtime.inputs.prompt import Content

QUESTIONS = {
    BatchTask.OCR: tasks.OCR,
    BatchTask.DESCRIBE: tasks.DESCRIBE,
    BatchTask.TABLE: tasks.TABLE,
    BatchTask.CHART: tasks.CHART,
}
OTHER_OPTIONS = (
    "threads", "force", "quiet", "timeout", "provider", "dry_run", "model", "max_pixels", "pdf_password_file",
)  # fmt: skip
"""Options that leave an answer what it is; the model counts with its manifest."""


@dataclass(frozen=True, slots=True)
class BatchQuestion:
    """One question, and how it is asked."""

    text: str
    """For people: as it was typed, or the names of the fields."""
    options: RunOptions
    task: BatchTask | None = None
    fields: Fields | None = None

    @classmethod
    def of(
        cls, ask: str | None, task: BatchTask | None, options: RunOptions, names: str = "", schema: Path | None = None
    ) -> BatchQuestion:
        """From the command line.

        Raises:
            UsageError: there is no question, or one too many.
        """
        if task is not BatchTask.EXTRACT and (names or schema):
            raise UsageError("--fields and --schema belong to --task extract")
        if task is BatchTask.EXTRACT:
            _require_no_question(ask, task)
            fields = Fields.read(names, schema)
            return cls(",".join(fields.names), options, task, fields)
        if task in QUESTIONS:
            _require_no_question(ask, task)
            return cls(QUESTIONS[task], options, task)
        if ask is None or not ask.strip():
            raise UsageError('there is no question; give --ask "What is the total?", or --task with a preset')
        return cls(ask.strip() if task is BatchTask.LOCATE else ask, options, task)

    @property
    def content(self) -> Content:
        """As the prompt takes it; of `extract` it is made for each field."""
        return prompt.locate(self.text) if self.task is BatchTask.LOCATE else self.text

    @property
    def texts(self) -> tuple[str, ...]:
        """What is asked about each picture, page or strip, one after the other; it is read for the first alone."""
        return (self.text,) if self.fields is None else tuple(map(tasks.field_question, self.fields.names))

    def mark(self, manifest_sha256: str) -> str:
        """The same for the same question to the same model with the same options: 16 hexadecimal digits."""
        options = {name: value for name, value in asdict(self.options).items() if name not in OTHER_OPTIONS}
        schema = None if self.fields is None else dict(self.fields.schema)
        asked = [self.task, self.text, options, schema, manifest_sha256]
        return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:16]


def _require_no_question(ask: str | None, task: BatchTask) -> None:
    if ask is not None:
        raise UsageError(f"--task {task} brings its own question; leave --ask out")
