"""What `batch` takes from the command line."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from dsvl2_runtime.cli.batch.task import LONGEST_ANSWER, BatchTask
from dsvl2_runtime.cli.run_options import RunOptions, with_run_options


@with_run_options("image", "pdf", "draw_boxes", "answer_format", max_tokens=None)  # None: as the preset has it
def batch(
    options: RunOptions,
    folder: Annotated[Path, typer.Argument(help="With pictures and documents.", show_default=False)],
    out: Annotated[Path, typer.Option(help="File of the answers, one JSON object a line.", show_default=False)],
    ask: Annotated[str | None, typer.Option(help="The question about every file.", show_default=False)] = None,
    task: Annotated[
        BatchTask | None, typer.Option(help="A preset instead; locate looks for what --ask names.", show_default=False)
    ] = None,
    fields: Annotated[str, typer.Option(help="Of --task extract, such as total,date.", show_default=False)] = "",
    schema: Annotated[
        Path | None, typer.Option(help="Of --task extract: a JSON schema of an object.", show_default=False)
    ] = None,
    glob: Annotated[
        list[str] | None, typer.Option(help='Names such as "*.png"; repeat for more.', show_default=False)
    ] = None,
    recursive: Annotated[bool, typer.Option("--recursive", "-r", help="Also the folders below.")] = False,
    cluster: Annotated[
        str | None,
        typer.Option(
            help="HOST:PORT of a Ray cluster whose workers answer, and have their own file or variable with a PDF's "
            "password; local for one here.",
            show_default=False,
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Begin a file of other answers anew.")] = False,
) -> None:
    """Ask about every file of a folder.

    A run that was ended goes on where it was.
    """
    from dsvl2_runtime.cli.batch.question import BatchQuestion
    from dsvl2_runtime.cli.batch.verb import BatchRequest, ask_folder

    if options.max_tokens is None:
        longest = RunOptions().max_tokens if task is None else LONGEST_ANSWER.get(task, RunOptions().max_tokens)
        options = replace(options, max_tokens=longest)
    question = BatchQuestion.of(ask, task, options, fields, schema)
    request = BatchRequest(folder, question, out, tuple(glob or ()), recursive, overwrite, cluster)
    if code := ask_folder(request):
        raise typer.Exit(code)
