"""The presets: `run` with the question that a task needs, and with all its options."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from dsvl2_runtime.cli.arguments import split_question, with_files
from dsvl2_runtime.cli.batch.task import LONGEST_ANSWER, BatchTask
from dsvl2_runtime.cli.run_options import AskedFiles, BoxFormat, RunOptions, with_run_options


class TableFormat(StrEnum):
    """How a table is printed."""

    MARKDOWN = "markdown"
    CSV = "csv"


AsTable = Annotated[TableFormat, typer.Option("--as", help="csv for a spreadsheet.")]


@with_run_options(max_tokens=LONGEST_ANSWER[BatchTask.OCR])
def ocr(options: RunOptions, files: AskedFiles = None) -> None:
    """Read all the text in a picture."""
    from dsvl2_runtime.answers import tasks
    from dsvl2_runtime.cli.run import run_question

    run_question(tasks.OCR, with_files(options, files))


@with_run_options()
def describe(options: RunOptions, files: AskedFiles = None) -> None:
    """Describe a picture."""
    from dsvl2_runtime.answers import tasks
    from dsvl2_runtime.cli.run import run_question

    run_question(tasks.DESCRIBE, with_files(options, files))


@with_run_options(boxes=BoxFormat.PX)
def locate(
    options: RunOptions,
    expression: Annotated[str, typer.Argument(help='What to find, such as "the Save button".', show_default=False)],
    files: AskedFiles = None,
) -> None:
    """Find something in a picture: its box in pixels."""
    from dsvl2_runtime.cli.run import run_question
    from dsvl2_runtime.errors import UsageError
    from dsvl2_runtime.inputs import prompt

    expression, options = split_question(expression, files, options)
    if not expression.strip():
        raise UsageError("there is nothing to look for; name what to find")
    run_question(prompt.locate(expression.strip()), options)


@with_run_options(max_tokens=LONGEST_ANSWER[BatchTask.TABLE])
def table(options: RunOptions, files: AskedFiles = None, table_format: AsTable = TableFormat.MARKDOWN) -> None:
    """Read a table as Markdown or CSV."""
    from dsvl2_runtime.answers import tasks
    from dsvl2_runtime.cli.run import run_question

    transform = tasks.as_csv if table_format is TableFormat.CSV else None
    run_question(tasks.TABLE, with_files(options, files), transform)


@with_run_options(max_tokens=LONGEST_ANSWER[BatchTask.CHART])
def chart(options: RunOptions, files: AskedFiles = None, table_format: AsTable = TableFormat.MARKDOWN) -> None:
    """Read the values of a chart as a table in Markdown or CSV."""
    from dsvl2_runtime.answers import tasks
    from dsvl2_runtime.cli.run import run_question

    transform = tasks.as_csv if table_format is TableFormat.CSV else None
    run_question(tasks.CHART, with_files(options, files), transform)


@with_run_options(max_tokens=LONGEST_ANSWER[BatchTask.EXTRACT])
def extract(
    options: RunOptions,
    files: AskedFiles = None,
    fields: Annotated[str, typer.Option(help="Names such as total,date,vendor.", show_default=False)] = "",
    schema: Annotated[
        str | None, typer.Option(help="A JSON schema of an object, for types and checks.", show_default=False)
    ] = None,
    at_once: Annotated[
        bool, typer.Option("--at-once", help="One question for all fields, whose answer is kept within JSON.")
    ] = False,
) -> None:
    """Read fields of a form or receipt as JSON.

    What is not shown becomes null.
    """
    from dsvl2_runtime.cli.extract import extract_fields

    extract_fields(fields, schema, with_files(options, files), at_once=at_once)


def add_task_verbs(app: typer.Typer) -> None:
    """Offer the presets as verbs."""
    for verb in (ocr, describe, locate, table, chart, extract):
        app.command()(verb)
