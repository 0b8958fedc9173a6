"""The verb `extract`: one question for each field, about the same pictures, whose prompt is read once."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from dsvl2_runtime.answers.fields import Fields
from dsvl2_runtime.answers.parts_look import Place
from dsvl2_runtime.answers.second_look import LookSequences
from dsvl2_runtime.answers.tasks import field_question, fields_question
from dsvl2_runtime.cli.console import ProgressBars
from dsvl2_runtime.cli.parts import Part
from dsvl2_runtime.cli.run import Run
from dsvl2_runtime.cli.run_options import AnswerFormat, RunOptions
from dsvl2_runtime.cli.run_report import Events, rounded
from dsvl2_runtime.cli.streams import write_answer
from dsvl2_runtime.errors import Dsvl2Error
from dsvl2_runtime.inputs.prompt import Content
from dsvl2_runtime.model import VisionLanguageModel
from dsvl2_runtime.notices import Notice
from dsvl2_runtime.progress import Watch


def extract_fields(names: str, schema: str | None, options: RunOptions, *, at_once: bool = False) -> None:
    """Read fields and print one JSON object.

    Args:
        names: of the fields, separated by commas.
        schema: the path of a JSON schema.
        options: of the command line.
        at_once: ask for all fields with one question, whose answer is kept within the schema.

    Raises:
        UsageError: no field is named, or the schema is none.
        GenerationError: what was read does not fit the schema; it is printed before.
        Dsvl2Error: as `run.run_question`.
    """
    events = Events(options.answer_format is AnswerFormat.JSONL)
    try:
        fields = Fields.read(names, None if schema is None else Path(schema))
        run = (_AtOnceRun if at_once else ExtractRun)(fields, options, events)
        run.to_the_end()
        if not options.dry_run:
            fields.check(run.values)
    except Dsvl2Error as error:
        events.error(error)
        raise


class ExtractRun(Run):
    """Asks for every field that is not found yet, part by part."""

    def __init__(self, fields: Fields, options: RunOptions, events: Events) -> None:
        super().__init__("", options, events)
        self.fields = fields
        self.values: dict[str, str | float | bool | None] = dict.fromkeys(fields.names)
        self.confidences: dict[str, float | None] = {}
        """Of the answers that gave the values, or of the last one that did not."""

    def ask(self, model: VisionLanguageModel, part: Part, bars: ProgressBars | None, watch: Watch) -> None:
        """Ask for the fields that are not found yet; their values are in `values`."""
        del bars  # nothing is printed before the end
        sequences = LookSequences(model.new_sequence)  # all the questions begin with the same pictures
        for name in self.fields.names:
            if self.values[name] is None:
                self.question = field_question(name)
                self.values[name] = self.fields.value(name, self.answer(model, part, sequences, None, watch))
                self.confidences[name] = rounded(self.answered[-1].confidence)
                if self.values[name] is not None:
                    self.say_if_unsure(name)

    def say_where_it_was_read(self, before: Sequence[Notice], read_in: Place | None) -> None:
        """Not said: each field may be read in another part."""

    def further_report(self) -> dict[str, Any]:
        """How sure the model is of each field."""
        return {"confidences": self.confidences} if self.confidences else {}

    def questions(self) -> Sequence[Content]:
        """One for each field."""
        return [field_question(name) for name in self.fields.names]

    def finish(self, answers: Sequence[str]) -> str:
        """The JSON object, which is printed."""
        del answers  # which are none: each went into its field
        answer = json.dumps(self.values, ensure_ascii=False)
        if self.as_text:
            write_answer(answer + "\n")
        return answer


class _AtOnceRun(ExtractRun):
    """Asks for all fields with one question; what an earlier part shows stays."""

    def __init__(self, fields: Fields, options: RunOptions, events: Events) -> None:
        super().__init__(fields, options, events)
        self.question = fields_question(fields.names)
        self.generation = replace(self.generation, json_schema=fields.answer_schema())

    def questions(self) -> Sequence[Content]:
        """One for all fields."""
        return (self.question,)

    def ask(self, model: VisionLanguageModel, part: Part, bars: ProgressBars | None, watch: Watch) -> None:
        del bars
        found = self.fields.values_in(self.answer(model, part, LookSequences(model.new_sequence), None, watch))
        self.values = {name: found[name] if value is None else value for name, value in self.values.items()}
        self.say_if_unsure("" if part.is_alone else part.name)
