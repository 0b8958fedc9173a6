"""The program and its verb `run`, alone: a question in a script waits for no other verb."""

from __future__ import annotations

from typing import Annotated

import typer

from dsvl2_runtime.cli.run_options import AskedFiles, RunOptions, with_run_options

app = typer.Typer(
    name="dsvl2-onnx",
    help="Ask your screen and your documents, offline: DeepSeek-VL2 as quantised ONNX graphs.",
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.command()
@with_run_options()
def run(
    options: RunOptions,
    question: Annotated[str, typer.Argument(help="It may also stand behind the files.", show_default=False)],
    files: AskedFiles = None,
) -> None:
    """Answer a question about pictures."""
    from dsvl2_runtime.cli.arguments import split_question
    from dsvl2_runtime.cli.run import run_question
    from dsvl2_runtime.errors import UsageError

    asked, options = split_question(question, files, options)
    if not asked.strip():  # as a variable that is not set gives it; the model would say something about the picture
        raise UsageError('the question is empty; write for instance: "What is the total?"')
    run_question(asked, options)
